/**
 * Temporal's persistence model on Aurora DSQL.
 *
 * @since 0.1.0
 */

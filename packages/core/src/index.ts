/**
 * How a program talks to Aurora DSQL.
 *
 * @since 0.1.0
 */

/**
 * How an operator drives effect-dsql.
 *
 * @since 0.1.0
 */

/**
 * A local Aurora DSQL for development and tests.
 *
 * @since 0.1.0
 */
export * as Postgres from "./Postgres.ts"

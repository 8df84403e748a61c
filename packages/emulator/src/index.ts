/**
 * A local Aurora DSQL for development and tests.
 *
 * @since 0.1.0
 */
export * as Control from "./Control.ts"
export * as Emulator from "./Emulator.ts"
export * as Faults from "./Faults.ts"
export * as Postgres from "./Postgres.ts"
export * as Token from "./Token.ts"
export * as Watch from "./Watch.ts"

/**
 * What Aurora DSQL accepts. Pure: no connection.
 *
 * @since 0.1.0
 */
export * as Analyzer from "./Analyzer.ts"
export * as Claim from "./Claim.ts"
export * as Cost from "./Cost.ts"
export * as Dialect from "./Dialect.ts"
export type * as Finding from "./Finding.ts"
export * as Fix from "./Fix.ts"
export * as Limits from "./Limits.ts"
export * as Linter from "./Linter.ts"
export * as ParseTree from "./ParseTree.ts"
export * as Quote from "./Quote.ts"
export * as Recording from "./Recording.ts"
export * as Report from "./Report.ts"
export * as Rule from "./Rule.ts"
export * as Source from "./Source.ts"
export * as SqlState from "./SqlState.ts"
export * as Statement from "./Statement.ts"

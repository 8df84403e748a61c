/**
 * How a program talks to Aurora DSQL.
 *
 * @since 0.1.0
 */
export * as Batch from "./Batch.ts"
export * as ConnectionBudget from "./ConnectionBudget.ts"
export * as ConnectionPool from "./ConnectionPool.ts"
export * as ConnectionSlots from "./ConnectionSlots.ts"
export * as DsqlClient from "./DsqlClient.ts"
export * as DsqlError from "./DsqlError.ts"
export * as DsqlModel from "./DsqlModel.ts"
export * as Expression from "./Expression.ts"
export * as Fence from "./Fence.ts"
export * as GroupCommit from "./GroupCommit.ts"
export * as Guard from "./Guard.ts"
export * as Guarded from "./Guarded.ts"
export * as HotKeys from "./HotKeys.ts"
export * as Metrics from "./Metrics.ts"
export * as Observability from "./Observability.ts"
export * as Removal from "./Removal.ts"
export * as RetryPolicy from "./RetryPolicy.ts"
export * as Size from "./Size.ts"
export * as TokenSource from "./TokenSource.ts"
export * as Transaction from "./Transaction.ts"
export * as Write from "./Write.ts"

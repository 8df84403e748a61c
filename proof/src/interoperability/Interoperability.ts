/**
 * One history of operations, run twice: through the stores, and as the statements that the Go system sends. The tables
 * are to be equal, column by column, where both define them.
 */
import { type DsqlClient, Transaction } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { Data, Effect, Layer } from "effect"
import * as Clusters from "./ClusterSteps.ts"
import * as Executions from "./ExecutionSteps.ts"
import * as Histories from "./HistorySteps.ts"
import * as Queues from "./QueueSteps.ts"
import type { Step } from "./Step.ts"
import * as Tables from "./Tables.ts"

export const script: ReadonlyArray<Step> = [...Clusters.steps, ...Executions.steps, ...Histories.steps, ...Queues.steps]

/** What came of it. */
export interface Result {
  readonly operations: number
  readonly tables: number
  readonly rows: number
  readonly differences: ReadonlyArray<string>
}

/** Runs the script through the stores, and gives what they left. */
export const throughStores = Effect.gen(function* () {
  yield* empty
  // Stores that remember nothing of what was there before.
  const stores = Layer.fresh(Persistence.layer)
  yield* Effect.forEach(script, ({ name, stores }) => named(name, stores), { discard: true }).pipe(
    Effect.provide(stores)
  )
  return yield* rows
})

/** Runs it as plain SQL, each operation a transaction. */
export const asPlainSql = Effect.gen(function* () {
  yield* empty
  yield* Effect.forEach(script, ({ go, name }) => named(name, Transaction.run(go, { operation: "Plain" })), {
    discard: true
  })
  return yield* rows
})

const empty = Effect.suspend(() => named("empty the tables", Tables.clear))

const rows = Effect.suspend(() => named("read the tables", Tables.read))

/** An operation of the script, or what reads its rows, did not succeed. */
export class StepFailed extends Data.TaggedError("StepFailed")<{ readonly message: string; readonly cause: unknown }> {}

const named = <A, E, R>(name: string, step: Effect.Effect<A, E, R>): Effect.Effect<A, StepFailed, R> =>
  Effect.mapError(step, (cause) => new StepFailed({ message: `${name}: ${String(cause)}`, cause }))

/** Runs it both ways on a migrated database, whose rows are lost. */
export const run: Effect.Effect<Result, StepFailed, DsqlClient.Provided> = Effect.gen(function* () {
  const one = yield* throughStores
  const other = yield* asPlainSql
  return {
    operations: script.length,
    tables: one.size,
    rows: [...one.values()].reduce((sum, { length }) => sum + length, 0),
    differences: Tables.differences(one, other)
  }
})

/** The result for people. */
export const table = ({ differences, operations, rows, tables }: Result): string =>
  [
    `${operations} operations through the stores and as plain SQL: ${rows} rows of ${tables} tables`,
    differences.length === 0
      ? "  holds   the tables are equal, column by column"
      : "  BROKEN  the tables are equal, column by column",
    ...differences.map((each) => `            ${each}`)
  ].join("\n")

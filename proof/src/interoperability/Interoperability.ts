/**
 * One history of operations, run twice: through the stores, and as the statements that the Go system sends. After each
 * of them the tables are to be equal, column by column, where both define them; and in the end the stores are to read
 * the same of either.
 */
import { type DsqlClient, Transaction } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { Data, Effect, Layer } from "effect"
import * as Clusters from "./ClusterSteps.ts"
import * as Executions from "./ExecutionSteps.ts"
import * as Histories from "./HistorySteps.ts"
import * as Queues from "./QueueSteps.ts"
import * as ReadBack from "./ReadBack.ts"
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

/** What was there after each operation, and what the stores read in the end. */
export interface Run {
  readonly steps: ReadonlyArray<{ readonly name: string; readonly tables: Tables.Tables }>
  readonly read: ReadBack.Found
}

/** Stores that remember nothing of what was there before. */
const stores = Layer.fresh(Persistence.layer)

/** Runs operations one after the other on empty tables, each in one of its two ways. */
const running = <E, R>(script: ReadonlyArray<Step>, each: (step: Step) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    yield* named("empty the tables", Tables.clear)
    const steps = yield* Effect.forEach(script, (step) =>
      named(
        step.name,
        Effect.map(Effect.andThen(each(step), Tables.read), (tables) => ({ name: step.name, tables }))
      )
    )
    return { steps, read: yield* named("read it back", Effect.provide(ReadBack.read, stores)) }
  })

/** Runs the script through the stores. */
export const throughStores = (script: ReadonlyArray<Step>) =>
  Effect.provide(
    running(script, ({ stores }) => stores),
    stores
  )

/** Runs it as plain SQL, each operation a transaction. */
export const asPlainSql = (script: ReadonlyArray<Step>) =>
  running(script, ({ go }) => Transaction.run(go, { operation: "Plain" }))

/** An operation of the script, or what reads its rows, did not succeed. */
export class StepFailed extends Data.TaggedError("StepFailed")<{ readonly message: string; readonly cause: unknown }> {}

const named = <A, E, R>(name: string, step: Effect.Effect<A, E, R>): Effect.Effect<A, StepFailed, R> =>
  Effect.mapError(step, (cause) => new StepFailed({ message: `${name}: ${String(cause)}`, cause }))

/** How the tables differ after the first operation that leaves others, and what is read of them otherwise. */
export const differences = (one: Run, other: Run): ReadonlyArray<string> => {
  for (const [index, { name, tables }] of one.steps.entries()) {
    const found = Tables.differences(tables, other.steps[index]?.tables ?? new Map())
    if (found.length > 0) return found.map((each) => `${name}: ${each}`)
  }
  return ReadBack.differences(one.read, other.read)
}

/** Runs it both ways on a migrated database, whose rows are lost. */
export const run: Effect.Effect<Result, StepFailed, DsqlClient.Provided> = Effect.gen(function* () {
  const one = yield* throughStores(script)
  const other = yield* asPlainSql(script)
  const tables: Tables.Tables = one.steps.at(-1)?.tables ?? new Map()
  return {
    operations: script.length,
    tables: tables.size,
    rows: [...tables.values()].reduce((sum, { length }) => sum + length, 0),
    differences: differences(one, other)
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

/**
 * Current executions: which run of a business id is the current one.
 *
 * A workflow's is kept in `current_executions`, any other archetype's in
 * `current_chasm_executions`, where the archetype is part of the key; so one
 * business id may stand for one execution of each archetype. The caller says
 * which by `archetypeId`; left out, it is a workflow.
 *
 * All operations are statements of the transaction that they run in, one round
 * trip each. Writes below a shard hold it first, with `Shards.shared`.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { ConditionFailed, type LimitExceeded } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type { SqlError } from "effect/sql/SqlError"
import { type CurrentExecution, CurrentExecutionConflict, type Key } from "./CurrentExecution.ts"
import type { RunId } from "./Identifiers.ts"
import * as Edge from "./internal/storable/edge.ts"
import { route } from "./internal/executions/currentRoute.ts"
import * as Current from "./internal/executions/currentRow.ts"
import * as Row from "./internal/page/row.ts"
import type { ArchetypeUnspecified, MalformedRow, ValueInvalid } from "./PersistenceError.ts"

/**
 * Keeps the current executions of both tables.
 *
 * @example
 * ```ts
 * import { Transaction } from "@effect-dsql/core"
 * import { type CurrentExecution, CurrentExecutions, type Identifiers, Shards } from "@effect-dsql/persistence"
 * import { Effect } from "effect"
 *
 * const start = (row: CurrentExecution.CurrentExecution, rangeId: bigint) =>
 *   Effect.gen(function*() {
 *     const shards = yield* Shards.Shards
 *     const current = yield* CurrentExecutions.CurrentExecutions
 *     const body = Effect.andThen(shards.shared({ shardId: row.shardId, rangeId }), current.insert(row))
 *     yield* Transaction.run(body, { operation: "StartExecution" })
 *   }).pipe(
 *     Effect.catchTag("CurrentExecutionConflict", (error) => Effect.logInfo(`run ${error.current.runId} is current`))
 *   )
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class CurrentExecutions extends Context.Service<
  CurrentExecutions,
  {
    /** Fails with the run that is there where the key has one. */
    readonly insert: (
      row: CurrentExecution
    ) => Effect.Effect<
      void,
      ArchetypeUnspecified | LimitExceeded | MalformedRow | SqlError | ValueInvalid | CurrentExecutionConflict,
      Transaction.Transaction
    >
    /** Replaces the row if its run is the expected one. */
    readonly update: (
      row: CurrentExecution,
      expectedRunId: RunId
    ) => Effect.Effect<
      void,
      ArchetypeUnspecified | LimitExceeded | SqlError | ValueInvalid | ConditionFailed,
      Transaction.Transaction
    >
    readonly find: (
      key: Key
    ) => Effect.Effect<
      Option.Option<CurrentExecution>,
      ArchetypeUnspecified | MalformedRow | SqlError | ValueInvalid,
      Transaction.Transaction
    >
    /** Deletes the row if its run is this one, and says whether it did. */
    readonly delete: (
      key: Key,
      runId: RunId
    ) => Effect.Effect<boolean, ArchetypeUnspecified | SqlError | ValueInvalid, Transaction.Transaction>
    /** Reads the row FOR UPDATE: a transaction that changes it as well conflicts. */
    readonly lock: (
      key: Key
    ) => Effect.Effect<
      Option.Option<CurrentExecution>,
      ArchetypeUnspecified | MalformedRow | SqlError | ValueInvalid,
      Transaction.Transaction
    >
    /**
     * Reads and locks the row together with its run in `executions`, and takes the last write version from there.
     * None where either is missing.
     */
    readonly lockWithExecution: (
      key: Key
    ) => Effect.Effect<
      Option.Option<CurrentExecution>,
      ArchetypeUnspecified | MalformedRow | SqlError | ValueInvalid,
      Transaction.Transaction
    >
  }
>()("@effect-dsql/persistence/CurrentExecutions") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<CurrentExecutions> = Layer.sync(CurrentExecutions, () =>
  CurrentExecutions.of({
    insert: Edge.operation("CurrentExecutions.insert", insert),
    update: Edge.operation("CurrentExecutions.update", update),
    find: Edge.operation("CurrentExecutions.find", (key: Key) => Current.select(key, "")),
    delete: Edge.operation("CurrentExecutions.delete", remove),
    lock: Edge.operation("CurrentExecutions.lock", (key: Key) => Current.select(key, "FOR UPDATE")),
    lockWithExecution: Edge.operation("CurrentExecutions.lockWithExecution", lockWithExecution)
  })
)

const insert = Effect.fnUntraced(function* (row: CurrentExecution) {
  const to = yield* route(row)
  const columns = Current.toColumns(row)
  yield* Size.check(to.table, { ...to.key, ...columns }, Object.keys(to.key))
  const key = Current.bound(to)
  const free = Guard.make({
    name: "current",
    row: Guard.row(to.table, key, Object.keys(columns), undefined),
    columns: Object.keys(columns),
    holds: (found) => Guard.absent(found),
    refuse: (found) =>
      Effect.flatMap(Current.decode(row, to, found), (current) =>
        Effect.fail(new CurrentExecutionConflict({ current }))
      )
  })
  yield* Guarded.write({
    guards: [free],
    writes: [Write.insert({ into: to.table, columns: { ...key, ...Expression.row(Current.types, columns) } })],
    free: ["current_executions_pkey", "current_chasm_executions_pkey"]
  })
})

const update = Effect.fnUntraced(function* (row: CurrentExecution, expectedRunId: RunId) {
  const to = yield* route(row)
  const columns = Current.toColumns(row)
  yield* Size.check(to.table, { ...to.key, ...columns }, Object.keys(to.key))
  const key = Current.bound(to)
  const isExpected = Expression.sql`run_id = ${Expression.value("uuid", expectedRunId)}`
  const guard = Guard.make({
    name: "current",
    row: Guard.row(to.table, key, ["run_id"], undefined),
    columns: ["run_id"],
    holds: (found) => Guard.exists(found, isExpected),
    refuse: (found) =>
      Effect.fail(
        new ConditionFailed({
          what: `${to.table}(${Row.describe({ table: to.table, key: to.key })}).run_id`,
          expected: expectedRunId,
          // The column is a UUID, which comes as text.
          actual: found?.["run_id"] as string | undefined
        })
      )
  })
  yield* Guarded.write({
    guards: [guard],
    writes: [
      Write.update({
        table: to.table,
        set: Expression.row(Current.types, columns),
        where: Expression.all([Expression.key(to.table, key), isExpected])
      })
    ]
  })
})

const lockWithExecution = Effect.fnUntraced(function* (key: Key) {
  const to = yield* route(key)
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT current.*, executions.last_write_version
    FROM ${sql(to.table)} AS current
    JOIN executions ON executions.shard_id = current.shard_id
      AND executions.namespace_id = current.namespace_id
      AND executions.workflow_id = current.${sql(to.businessColumn)}
      AND executions.run_id = current.run_id
    WHERE ${Current.matches(sql, to, "current")}
    FOR UPDATE`
  return yield* Current.first(key, to, rows)
})

const remove = Effect.fnUntraced(function* (key: Key, runId: RunId) {
  const to = yield* route(key)
  const row = { ...Current.bound(to), run_id: Expression.value("uuid", runId) }
  const gone = Write.remove({ table: to.table, where: Expression.key(to.table, row) })
  const told = yield* Guarded.write({ guards: [], writes: [Write.counted("gone", gone)] })
  return told["gone"] === 1n
})

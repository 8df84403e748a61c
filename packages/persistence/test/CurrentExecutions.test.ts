import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { Archetype, type CurrentExecution, CurrentExecutions, Identifiers } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option } from "effect"
import { current, key, runId } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

const chasm = Archetype.ArchetypeId.make(4_294_967_295)

type Store = CurrentExecutions.CurrentExecutions["Service"]

const run = <A, E>(f: (store: Store) => Effect.Effect<A, E, Transaction.Transaction>) =>
  Effect.flatMap(CurrentExecutions.CurrentExecutions, (store) =>
    Transaction.run(f(store), { policy: RetryPolicy.make({ jitter: "none", base: "1 millis" }) })
  )

const insert = (row: CurrentExecution.CurrentExecution) => run((store) => store.insert(row))
const select = (of: CurrentExecution.Key) => run((store) => store.find(of))

/** An execution with a version of its own for a current execution. */
const execution = (row: CurrentExecution.CurrentExecution, lastWriteVersion: bigint) =>
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => {
    const blob = { data: new Uint8Array(), data_encoding: "Proto3", state: new Uint8Array(), state_encoding: "Proto3" }
    return sql`INSERT INTO executions ${sql.insert({
      shard_id: row.shardId,
      namespace_id: row.namespaceId,
      workflow_id: row.businessId,
      run_id: row.runId,
      next_event_id: 1n,
      last_write_version: lastWriteVersion,
      ...blob
    })}`
  })

/** State and status as Temporal combines them. */
const lives: ReadonlyArray<readonly [CurrentExecution.State, CurrentExecution.Status]> = [
  ["Created", "Running"],
  ["Running", "Running"],
  ["Zombie", "Running"],
  ["Corrupted", "Terminated"],
  ["Completed", "Completed"],
  ["Completed", "Failed"],
  ["Completed", "Canceled"],
  ["Completed", "Terminated"],
  ["Completed", "ContinuedAsNew"],
  ["Completed", "TimedOut"]
]

/** The contract, the same for every archetype. */
const suite = (name: string, archetypeId: Archetype.ArchetypeId) =>
  describeStores(`CurrentExecutions of ${name}`, (it) => {
    for (const [state, status] of lives) {
      it.effect(`inserts and selects a row that is ${state} and ${status}`, () =>
        Effect.gen(function* () {
          const of = key(archetypeId)
          const row = current(of, { state, status })
          yield* insert(row)
          assert.deepStrictEqual(yield* select(of), Option.some(row))
        })
      )
    }

    it.effect("keeps a row without a start time and without data", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of, { startTime: undefined, data: undefined })
        yield* insert(row)
        assert.deepStrictEqual(yield* select(of), Option.some(row))
      })
    )

    it.effect("selects nothing where there is nothing", () =>
      Effect.gen(function* () {
        assert.isTrue(Option.isNone(yield* select(key(archetypeId))))
      })
    )

    it.effect("refuses a second run of a business id, and gives the one that is there", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of)
        yield* insert(row)
        const conflict = yield* Effect.flip(insert(current(of)))
        assert(conflict._tag === "CurrentExecutionConflict")
        assert.deepStrictEqual(conflict.current, row)
        assert.deepStrictEqual(yield* select(of), Option.some(row))
      })
    )

    it.effect("replaces a row whose run is the expected one", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of)
        const next = current(of, { state: "Completed", status: "Failed" })
        yield* insert(row)
        yield* run((store) => store.update(next, row.runId))
        assert.deepStrictEqual(yield* select(of), Option.some(next))
      })
    )

    it.effect("leaves a row whose run is another, and says which", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of)
        const expected = runId()
        yield* insert(row)
        const failed = yield* Effect.flip(run((store) => store.update(current(of), expected)))
        assert.include(failed, { _tag: "ConditionFailed", expected, actual: row.runId } as const)
        assert.deepStrictEqual(yield* select(of), Option.some(row))
      })
    )

    it.effect("writes nothing where there is no row to replace", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const failed = yield* Effect.flip(run((store) => store.update(current(of), runId())))
        assert.include(failed, { _tag: "ConditionFailed", actual: undefined } as const)
        assert.isTrue(Option.isNone(yield* select(of)))
      })
    )

    it.effect("deletes the run that it was told, once", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of)
        yield* insert(row)
        assert.isTrue(yield* run((store) => store.delete(of, row.runId)))
        assert.isTrue(Option.isNone(yield* select(of)))
        assert.isFalse(yield* run((store) => store.delete(of, row.runId)))
      })
    )

    it.effect("does not delete another run", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of)
        yield* insert(row)
        assert.isFalse(yield* run((store) => store.delete(of, runId())))
        assert.deepStrictEqual(yield* select(of), Option.some(row))
      })
    )

    it.effect("locks a row and gives it", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of)
        yield* insert(row)
        assert.deepStrictEqual(yield* run((store) => store.lock(of)), Option.some(row))
      })
    )

    it.effect("makes a transaction that locked a row start over when another has changed it", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of)
        const next = current(of)
        yield* insert(row)
        const begun = yield* Deferred.make<void>()
        const changed = yield* Deferred.make<void>()
        const attempts: Array<number> = []
        const locking = yield* run((store) =>
          Effect.gen(function* () {
            const { attempt, sql } = yield* Transaction.Transaction
            attempts.push(attempt)
            yield* sql`SELECT 1`
            yield* Deferred.succeed(begun, undefined)
            yield* Deferred.await(changed)
            return yield* store.lock(of)
          })
        ).pipe(Effect.forkChild)
        yield* Deferred.await(begun)
        yield* run((store) => store.update(next, row.runId))
        yield* Deferred.succeed(changed, undefined)
        assert.deepStrictEqual(yield* Fiber.join(locking), Option.some(next))
        assert.deepStrictEqual(attempts, [1, 2])
      })
    )

    it.effect("locks a row together with its execution, and takes the version from there", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of, { lastWriteVersion: 1n })
        yield* insert(row)
        assert.isTrue(Option.isNone(yield* run((store) => store.lockWithExecution(of))))
        yield* execution(row, 77n)
        assert.deepStrictEqual(
          yield* run((store) => store.lockWithExecution(of)),
          Option.some({ ...row, lastWriteVersion: 77n })
        )
      })
    )

    it.effect("leaves one winner of eight who start the same business id", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const rows = Array.from({ length: 8 }, () => current(of))
        const outcomes = yield* Effect.forEach(rows, (row) => Effect.result(insert(row)), { concurrency: "unbounded" })
        const winners = rows.filter((_, index) => outcomes[index]?._tag === "Success")
        assert.strictEqual(winners.length, 1)
        assert.deepStrictEqual(yield* select(of), Option.fromUndefinedOr(winners[0]))
        for (const outcome of outcomes) {
          if (outcome._tag === "Success") continue
          assert(outcome.failure._tag === "CurrentExecutionConflict")
          assert.strictEqual(outcome.failure.current.runId, winners[0]?.runId)
        }
      })
    )

    it.effect("refuses a key and a value that DSQL could not hold, before it sends them", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const data = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
        const value = yield* Effect.flip(insert(current(of, { data })))
        assert.include(value, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
        const long = { ...of, businessId: Identifiers.BusinessId.make("𝄞".repeat(255)) }
        const keyed = yield* Effect.flip(insert(current(long)))
        assert.include(keyed, { _tag: "LimitExceeded", limit: "key_bytes" } as const)
      })
    )

    it.effect("names a row whose columns are not what they should be", () =>
      Effect.gen(function* () {
        const of = key(archetypeId)
        const row = current(of)
        yield* insert(row)
        const { sql } = yield* DsqlClient.DsqlClient
        const table = archetypeId === Archetype.workflow ? "current_executions" : "current_chasm_executions"
        yield* sql`UPDATE ${sql(table)} SET state = 5 WHERE shard_id = ${of.shardId}`
        const malformed = yield* Effect.flip(select(of))
        assert.include(malformed, { _tag: "MalformedRow", table } as const)
        assert.include(malformed.message, "state")
      })
    )

    it.effect("sends nothing for an archetype that is not specified", () =>
      Effect.gen(function* () {
        const of = key(Archetype.unspecified)
        const row = current(of)
        const store = yield* CurrentExecutions.CurrentExecutions
        const operations: ReadonlyArray<Effect.Effect<unknown, unknown, Transaction.Transaction>> = [
          store.insert(row),
          store.update(row, row.runId),
          store.find(of),
          store.delete(of, row.runId),
          store.lock(of),
          store.lockWithExecution(of)
        ]
        // A transaction whose statements cannot be made: an operation that tried would die.
        const sql = (yield* DsqlClient.DsqlClient).sql
        const silent = new Proxy(sql, {
          apply: () => {
            throw new Error("a statement was made")
          }
        })
        for (const operation of operations) {
          const failed = yield* Effect.flip(
            Effect.provideService(operation, Transaction.Transaction, { sql: silent, attempt: 1, guarded: "statement" })
          )
          assert.propertyVal(failed, "_tag", "ArchetypeUnspecified")
        }
      })
    )
  })

suite("workflows", Archetype.workflow)
suite("a CHASM archetype", chasm)

describeStores("CurrentExecutions of several archetypes", (it) => {
  it.effect("takes an archetype that is left out for a workflow", () =>
    Effect.gen(function* () {
      const of = key(Archetype.workflow)
      const row = current(of)
      yield* insert({ ...row, archetypeId: undefined })
      assert.deepStrictEqual(yield* select({ ...of, archetypeId: undefined }), Option.some(row))
      const { sql } = yield* DsqlClient.DsqlClient
      const rows = yield* sql`SELECT 1 FROM current_executions WHERE workflow_id = ${of.businessId}`
      assert.strictEqual(rows.length, 1)
    })
  )

  it.effect("keep one business id apart: each has its own row, and loses only its own", () =>
    Effect.gen(function* () {
      const of = key(Archetype.workflow)
      const keys = [of, { ...of, archetypeId: chasm }, { ...of, archetypeId: Archetype.scheduler }]
      const rows = keys.map((each) => current(each))
      yield* Effect.forEach(rows, insert)
      for (const [index, each] of keys.entries()) {
        assert.deepStrictEqual(yield* select(each), Option.fromUndefinedOr(rows[index]))
      }
      for (const [index, each] of keys.entries()) {
        const row = rows[index]
        assert(row !== undefined)
        const next = current(each, { state: "Completed", status: "Terminated" })
        yield* run((store) => store.update(next, row.runId))
        yield* run((store) => store.delete(each, next.runId))
        assert.isTrue(Option.isNone(yield* select(each)))
        for (const [other, kept] of keys.entries()) {
          if (other > index) assert.deepStrictEqual(yield* select(kept), Option.fromUndefinedOr(rows[other]))
        }
      }
    })
  )
})

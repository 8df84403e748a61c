import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { sharedPostgres } from "../../../test/postgres.ts"
import { join } from "../src/internal/cluster/cluster.ts"
import { type Database, untouched } from "../src/internal/concurrency/state.ts"
import * as Steward from "../src/internal/concurrency/steward.ts"
import * as Transaction from "../src/internal/concurrency/transaction.ts"
import * as Backend from "../src/internal/postgres/backend.ts"
import * as ClientMessage from "../src/internal/protocol/clientMessage.ts"

const session = Effect.suspend(() =>
  Backend.connect(sharedPostgres(), [
    ["user", "postgres"],
    ["database", "postgres"]
  ])
)

/** A database in which a steward looks after whoever joins. */
const guarded = Effect.gen(function* () {
  const steward = yield* Steward.make(yield* session)
  const judge = yield* session
  const database: Database = {
    ...untouched(),
    name: "postgres",
    watch: steward.watch,
    ask: judge.query,
    judge: () => Effect.succeed(false),
    work: () => Effect.void,
    finished: () => Effect.void,
    now: () => performance.now()
  }
  return database
})

/** Somebody with a transaction that holds a lock, which parking it frees. */
const holder = Effect.fnUntraced(function* (database: Database, backend: Backend.Backend, lock: number) {
  const member = yield* join(database, backend)
  yield* backend.query(`BEGIN; SAVEPOINT dsql_base; SELECT pg_advisory_xact_lock(${process.pid}, ${lock})`)
  member.transaction = Transaction.make(performance.now(), "block")
  Transaction.enter(member.transaction, { _tag: "Begun", snapshot: 0 })
  return member
})

/** Waits for a lock until its holder has been parked, or has gone. */
const want = Effect.fnUntraced(function* (database: Database, lock: number) {
  const member = yield* join(database, yield* session)
  const { error } = yield* member.backend.exchange(
    [ClientMessage.query(`BEGIN; SELECT pg_advisory_xact_lock(${process.pid}, ${lock}); COMMIT`)],
    member.guard
  )
  return error
})

describe("the steward", () => {
  it.live("goes on where a session ends while it is parked", () =>
    Effect.gen(function* () {
      const database = yield* guarded
      const killer = yield* session
      const backend = yield* session
      const ends: Backend.Backend = {
        ...backend,
        pid: backend.pid,
        exchange: (batch, ...rest) =>
          Effect.andThen(killer.query(`SELECT pg_terminate_backend(${backend.pid})`), backend.exchange(batch, ...rest))
      }
      yield* holder(database, ends, 1)
      assert.isUndefined(yield* want(database, 1))
      const other = yield* holder(database, yield* session, 2)
      assert.isUndefined(yield* want(database, 2))
      assert.strictEqual(other.transaction?.phase._tag, "Parked")
    }).pipe(Effect.scoped)
  )
})

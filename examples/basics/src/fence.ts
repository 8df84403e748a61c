/**
 * Fences: the lease that was taken over between the check and the write.
 *
 * Ada leads, in epoch 1, and looks whether she still does. Then Bob takes over. Then Ada writes. She has only read what
 * Bob changes, and a transaction conflicts on what it writes and locks: without a fence both commit.
 */
import { type DsqlError, Fence, Transaction } from "@effect-dsql/core"
import { Console, Deferred, Effect, Fiber } from "effect"
import type { SqlError } from "effect/sql"

/** The row that says who leads, and its token. */
const leader = { table: "leaders", key: { name: "reports" }, token: "epoch" }

const takeOver = Transaction.autocommit(Fence.compareAndSet(leader, 1n, { epoch: 2n, holder: "Bob" }), {
  operation: "TakeOver"
})

/** Ada checks, waits until Bob has taken over, and writes. */
const write = (check: Effect.Effect<unknown, DsqlError.ConditionFailed | SqlError.SqlError, Transaction.Transaction>) =>
  Effect.gen(function* () {
    const checked = yield* Deferred.make<void>()
    const taken = yield* Deferred.make<void>()
    const ada = Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* check
        yield* Deferred.succeed(checked, undefined)
        yield* Deferred.await(taken)
        yield* sql`INSERT INTO reports (id, author) VALUES (gen_random_uuid(), 'Ada')`
        return "written by Ada, who leads no more"
      }),
      { operation: "Report" }
    ).pipe(Effect.catchTag("ConditionFailed", (lost) => Effect.succeed(`refused: ${lost.message}`)))

    const writing = yield* Effect.forkChild(ada)
    yield* Deferred.await(checked)
    yield* takeOver
    yield* Deferred.succeed(taken, undefined)
    return yield* Fiber.join(writing)
  })

export const program = Effect.gen(function* () {
  // A plain read is no fence: it is not in the conflict set.
  const look = Effect.flatMap(Transaction.sql, (sql) => sql`SELECT epoch FROM leaders WHERE name = 'reports'`)
  yield* Console.log(`with a look:  ${yield* write(look)}`)

  yield* Transaction.autocommit(Fence.compareAndSet(leader, 2n, { epoch: 1n, holder: "Ada" }))
  // The fence takes the row FOR KEY SHARE: Bob's COMMIT and Ada's conflict, Ada runs again, and finds epoch 2.
  yield* Console.log(`with a fence: ${yield* write(Fence.shared(leader, 1n))}`)
})

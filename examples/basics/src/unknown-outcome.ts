/**
 * Unknown outcomes: the connection ends after COMMIT was sent and before its answer came.
 *
 * It may have been written. Running it again could write it twice, giving up could lose it; `verify` goes and looks.
 */
import { Transaction } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { Console, Effect } from "effect"

const account = "5f6c0b1e-3f0c-4a9f-9d0e-2b7c8a1d4e55"

/** Takes money from an account, and writes down what for. */
const pay = (payment: string) =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    yield* sql`UPDATE accounts SET cents = cents - 100 WHERE id = ${account}`
    yield* sql`INSERT INTO payments (id, account) VALUES (${payment}, ${account})`
    return payment
  })

/**
 * Whether the payment is there. The account's row is locked first: the payment changed it, so if its COMMIT is still on
 * the way it conflicts with this look, and what was not there will not come.
 */
const look = (payment: string) =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    yield* sql`SELECT id FROM accounts WHERE id = ${account} FOR UPDATE`
    const found = yield* sql`SELECT id FROM payments WHERE id = ${payment}`
    return found.length === 1 ? Transaction.committed(payment) : Transaction.notCommitted
  })

const settled = (payment: string) =>
  Transaction.run(pay(payment), { operation: "Pay", verify: () => look(payment) }).pipe(
    Effect.map(() => "committed"),
    Effect.catchTag("ConnectionLost", () => Effect.succeed("not committed, and never will be"))
  )

export const program = Effect.gen(function* () {
  const control = yield* Testing.Control
  yield* Effect.flatMap(Transaction.Transaction, ({ sql }) => sql`INSERT INTO accounts VALUES (${account}, 1000)`).pipe(
    Transaction.autocommit
  )

  yield* control.inject({ on: "commit", fault: "cut-after", nth: [1] })
  const error = yield* Effect.flip(Transaction.run(pay("0e1f9c52-8a35-4f2b-8b55-1c0d5d7f1a01"), { operation: "Pay" }))
  yield* Console.log(`without verify:                 ${error._tag}`)

  yield* control.inject({ on: "commit", fault: "cut-after", nth: [1] })
  yield* Console.log(`cut after COMMIT took effect:   ${yield* settled("0e1f9c52-8a35-4f2b-8b55-1c0d5d7f1a02")}`)

  yield* control.inject({ on: "commit", fault: "cut", nth: [1] })
  yield* Console.log(`cut before COMMIT took effect:  ${yield* settled("0e1f9c52-8a35-4f2b-8b55-1c0d5d7f1a03")}`)
})

import { DsqlError, RetryPolicy, Transaction } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { settle } from "../src/internal/transaction/settling.ts"
import type { State } from "../src/internal/transaction/validity.ts"

const lost = new DsqlError.CommitOutcomeUnknown({ message: "the answer was lost", cause: undefined })

/** What a write is told whose answer was lost, by whether it can still take effect and by what was found. */
const told = (state: State, found: Transaction.Outcome<string>) =>
  settle<string, never, never>(
    { over: Effect.succeed(state), again: undefined, look: Effect.succeed(found) },
    { name: "Write", policy: RetryPolicy.none },
    lost
  ).pipe(Effect.matchEager({ onSuccess: (value) => value, onFailure: ({ _tag }) => _tag }))

describe("A write whose answer was lost, and that was looked for,", () => {
  const there = Transaction.committed("there")

  it.effect("is what was found, once nothing can come of it any more", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* told("over", there), "there")
      assert.strictEqual(yield* told("over", Transaction.notCommitted), "ConnectionLost")
    })
  )

  it.effect("is there where it is there, and else unknown, where it names no instant", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* told("endless", there), "there")
      assert.strictEqual(yield* told("endless", Transaction.notCommitted), "CommitOutcomeUnknown")
    })
  )

  it.effect("is unknown whatever was found, where the server's clock was set: it may come yet", () =>
    Effect.gen(function* () {
      for (const found of [there, Transaction.notCommitted]) {
        assert.strictEqual(yield* told("far", found), "CommitOutcomeUnknown")
      }
    })
  )
})

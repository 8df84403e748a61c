import { Size } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("Size.checkTransaction", () => {
  it.effect("takes what a transaction may change, and nothing beyond", () =>
    Effect.gen(function* () {
      const most = { rows: 3000, bytes: 10 * 1024 * 1024 }
      yield* Size.checkTransaction("AddTasks", most)
      const rows = yield* Effect.flip(Size.checkTransaction("AddTasks", { ...most, rows: 3001 }))
      assert.include(rows, {
        _tag: "LimitExceeded",
        limit: "transaction_rows",
        message: "AddTasks changes 3001 rows; an Aurora DSQL transaction takes at most 3000"
      } as const)
      const bytes = yield* Effect.flip(Size.checkTransaction("AddTasks", { ...most, bytes: most.bytes + 1 }))
      assert.include(bytes, { _tag: "LimitExceeded", limit: "transaction_bytes" } as const)
    })
  )
})

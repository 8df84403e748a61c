/**
 * What `docs/round-trips.md` says of Effect's storages is what they take.
 */
import { Testing } from "@effect-dsql/testing"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { costing, table, watchedAnew } from "../../../test/roundTrips.ts"
import { operations, Storages } from "./support/operations.ts"
import { describeStorage } from "./support/storage.ts"

const documented = table("Effect's storages").map(([operation = "", statement, transaction, , dpu]) => ({
  operation,
  statement: Number(statement),
  transaction: Number(transaction),
  dpu: Number(dpu)
}))

for (const form of ["statement", "transaction"] as const) {
  describeStorage(
    `The page on round trips, guarded by one ${form},`,
    Storages,
    (it) => {
      it.effect.each(Object.entries(operations))("says how many it takes to %s", ([operation, readied]) =>
        Effect.gen(function* () {
          const control = yield* Testing.Control
          const ready = yield* readied
          yield* watchedAnew
          yield* ready
          const { roundTrips } = yield* control.counts()
          const row = documented.find((each) => each.operation === operation)
          assert.strictEqual(roundTrips, row?.[form])
          if (form === "statement") yield* costing(operation, row?.dpu)
        })
      )

      it("names these operations and no others", () => {
        assert.deepStrictEqual(
          documented.map(({ operation }) => operation),
          Object.keys(operations)
        )
      })
    },
    form
  )
}

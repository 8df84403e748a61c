/**
 * What `docs/round-trips.md` says of each operation of Effect's storages is what it takes.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { costing, explained, table, watchedAnew } from "../../../test/roundTrips.ts"
import { describeCounted, forms } from "./support/cluster.ts"
import { operations } from "./support/operations.ts"

const documented = table("Effect Cluster").map(([operation = "", statement, transaction, , dpu]) => ({
  operation,
  ours: { statement: Number(statement), transaction: Number(transaction) },
  dpu: Number(dpu)
}))

describeCounted("The page on round trips of Effect Cluster", (it) => {
  for (const [operation, readied] of Object.entries(operations)) {
    for (const form of forms) {
      it.effect(`says how many it takes to ${operation}, guarded by one ${form}`, () =>
        Effect.gen(function* () {
          const control = yield* Testing.Control
          const client = yield* DsqlClient.DsqlClient
          const ready = yield* Effect.provideService(readied, DsqlClient.DsqlClient, { ...client, guarded: form })
          yield* watchedAnew
          yield* ready
          const { roundTrips } = yield* control.counts()
          const row = documented.find((each) => each.operation === operation)
          assert.strictEqual(roundTrips, row?.ours[form])
          if (form === "statement") yield* costing(operation, row?.dpu)
        })
      )
    }
  }

  it("gives a reason for each that takes more than one", () => {
    assert.deepStrictEqual(
      documented.filter(({ ours }) => ours.statement > 1).map(({ operation }) => operation),
      explained(documented.map(({ operation }) => operation))
    )
  })

  it("names these operations and no others", () => {
    assert.deepStrictEqual(
      documented.map(({ operation }) => operation),
      Object.keys(operations)
    )
  })
})

/**
 * What `docs/round-trips.md` says of a queue is what it takes.
 */
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { costing, table } from "../../../test/roundTrips.ts"
import { operations, Stores } from "./support/queueOperations.ts"

const documented = table("Queues").map(([operation, statement, transaction, , dpu]) => ({
  operation,
  trips: [Number(statement), Number(transaction)],
  dpu: Number(dpu)
}))

const inForm = (guarded: "statement" | "transaction") =>
  Stores.pipe(
    Layer.provideMerge(
      Testing.layer({ source: SchemaSource.builtIn("dsql/storage"), client: { guarded, maxConnections: 1 } })
    )
  )

for (const [column, form] of (["statement", "transaction"] as const).entries()) {
  layer(inForm(form), { excludeTestServices: true })("A queue's round trips", (it) => {
    it.effect(`are those that the page says, guarded writes as one ${form}`, () =>
      Effect.gen(function* () {
        const control = yield* Testing.Control
        const counted = yield* Effect.forEach(
          Object.entries(operations),
          Effect.fnUntraced(function* ([operation, readied]) {
            // Its statements are prepared the first time.
            yield* Effect.flatten(readied)
            const once = yield* readied
            yield* control.reset
            yield* once
            if (form === "statement")
              yield* costing(operation, documented.find((row) => row.operation === operation)?.dpu)
            return [operation, (yield* control.counts()).roundTrips]
          })
        )
        assert.deepStrictEqual(
          counted,
          documented.map(({ operation, trips }) => [operation, trips[column]])
        )
      })
    )
  })
}

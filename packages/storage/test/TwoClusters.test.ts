import { DsqlClient, Transaction } from "@effect-dsql/core"
import { SchemaSource } from "@effect-dsql/schema"
import { KeyValueStore } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { KeyValueStore as Effects } from "effect/persistence"

const cluster = Effect.flatMap(Testing.make({ source: SchemaSource.builtIn("dsql/storage") }), ({ url }) =>
  Effect.map(Layer.build(DsqlClient.layerUrl({ url })), (context) => Context.get(context, DsqlClient.DsqlClient))
)

const keys = (client: DsqlClient.DsqlClient["Service"]) =>
  Effect.map(client.sql<{ readonly id: string }>`SELECT id FROM effect_key_value_store`, (rows) =>
    rows.map(({ id }) => id)
  )

it.live("a storage takes no part in a transaction on another cluster, and keeps what it is given on its own", () =>
  Effect.gen(function* () {
    const [own, other] = [yield* cluster, yield* cluster]
    const store = Context.get(
      yield* Layer.build(Layer.provide(KeyValueStore.layerSql(), Layer.succeed(DsqlClient.DsqlClient, own))),
      Effects.KeyValueStore
    )
    const failed = Effect.andThen(store.set("a", "1"), Effect.fail("no"))
    const within = (client: typeof own) =>
      Transaction.run(failed, { operation: "Within" }).pipe(
        Effect.flip,
        Effect.provideService(DsqlClient.DsqlClient, client)
      )
    assert.strictEqual(yield* within(own), "no")
    assert.deepStrictEqual(yield* keys(own), [])
    assert.strictEqual(yield* within(other), "no")
    assert.deepStrictEqual([yield* keys(own), yield* keys(other)], [["a"], []])
  }).pipe(Effect.scoped)
)

import { DsqlClient } from "@effect-dsql/core"
import { MissingTables, Persistence } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert, it } from "@effect/vitest"
import { Clock, Context, Deferred, Duration, Effect, Exit, Layer, Schema } from "effect"
import { Persistable, PersistedCache, Persistence as Effects } from "effect/persistence"
import { describeStorage, loseAnswer, sleepless } from "./support/storage.ts"

const User = Schema.Struct({ id: Schema.Int, name: Schema.String })

class Find extends Persistable.Class<{ payload: { id: number } }>()("Find", {
  primaryKey: ({ id }) => `Find:${id}`,
  success: User,
  error: Schema.String
}) {}

class Names extends Context.Service<Names, string>()("Names") {}

const stores = ["users", "expiring", "many", "other", "services"]

/** The tables of one's own schema. */
const OwnTables = Layer.effectDiscard(
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) =>
    Effect.forEach(
      stores,
      (id) =>
        sql`CREATE TABLE IF NOT EXISTS ${sql(`effect_persistence_${id}`)} (id TEXT PRIMARY KEY, value TEXT NOT NULL, expires TIMESTAMPTZ NULL)`
    )
  )
).pipe(Layer.orDie)

const backings = {
  "one table": Persistence.layerBackingSql,
  "a table for each store": Persistence.layerBackingSqlMultiTable.pipe(Layer.provide(OwnTables))
}

const make = (storeId: string, timeToLive: Duration.Input = Duration.infinity) =>
  Effect.flatMap(Effects.Persistence, (persistence) => persistence.make({ storeId, timeToLive: () => timeToLive }))

const backing = (storeId: string) => Effect.flatMap(Effects.BackingPersistence, (backing) => backing.make(storeId))

const statement = (text: string) =>
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql.unsafe<Record<string, unknown>>(text))

for (const [name, layer] of Object.entries(backings)) {
  const table = (storeId: string) => (name === "one table" ? "effect_persistence" : `effect_persistence_${storeId}`)

  describeStorage(`Persistence in ${name}`, Effects.layer.pipe(Layer.provideMerge(layer)), (it) => {
    it.effect("is what a cache looks up once, and finds again when it is made anew", () =>
      Effect.gen(function* () {
        const store = yield* make("users")
        let lookups = 0
        const cache = PersistedCache.make(({ id }: Find) => Effect.sync(() => ({ id, name: `John ${++lookups}` })), {
          storeId: "users",
          timeToLive: () => 60_000
        })
        const john = { id: 1, name: "John 1" }
        assert.deepStrictEqual(yield* (yield* cache).get(new Find({ id: 1 })), john)
        assert.deepStrictEqual(yield* store.get(new Find({ id: 1 })), Exit.succeed(john))
        const anew = yield* cache
        assert.deepStrictEqual(yield* anew.get(new Find({ id: 1 })), john)
        assert.strictEqual(lookups, 1)
        yield* anew.invalidate(new Find({ id: 1 }))
        assert.deepStrictEqual(yield* anew.get(new Find({ id: 1 })), { id: 1, name: "John 2" })
      })
    )

    it.effect("takes the services of a lookup where it is asked", () =>
      Effect.gen(function* () {
        const cache = yield* PersistedCache.make(({ id }: Find) => Effect.map(Names, (name) => ({ id, name })), {
          storeId: "services",
          timeToLive: () => 60_000,
          requireServicesAt: "lookup"
        })
        const named = (id: number, name: string) => Effect.provideService(cache.get(new Find({ id })), Names, name)
        assert.strictEqual((yield* named(1, "first")).name, "first")
        assert.strictEqual((yield* named(2, "second")).name, "second")
        assert.strictEqual((yield* named(1, "third")).name, "first")
      })
    )

    it.effect("sets many and gets many, in the order in which they are asked for, and the last of a key", () =>
      Effect.gen(function* () {
        const store = yield* make("many")
        const [first, second, none] = [1, 2, 3].map((id) => new Find({ id }))
        assert.isDefined(first)
        assert.isDefined(second)
        assert.isDefined(none)
        const jane = Exit.succeed({ id: 2, name: "Jane" })
        yield* store.setMany([
          [first, Exit.succeed({ id: 1, name: "John" })],
          [second, jane],
          [first, Exit.fail("Not found")]
        ])
        assert.deepStrictEqual(yield* store.getMany([second, none, first, second]), [
          jane,
          undefined,
          Exit.fail("Not found"),
          jane
        ])
        yield* store.remove(first)
        assert.strictEqual(yield* store.get(first), undefined)
      })
    )

    it.effect("sets and clears more entries than a statement takes, and leaves those of other stores", () =>
      Effect.gen(function* () {
        const [many, other] = [yield* backing("many"), yield* backing("other")]
        yield* many.clear
        yield* other.set("0", { other: true }, undefined)
        const count = Effect.map(statement(`SELECT count(*) AS count FROM ${table("many")}`), ([row]) =>
          Number(row?.["count"])
        )
        const before = yield* count
        const ids = Array.from({ length: 1_201 }, (_, i) => String(i))
        const [head, ...tail] = ids.map((id) => [id, { id }, undefined] as const)
        assert.isDefined(head)
        yield* many.setMany([head, ...tail])
        assert.strictEqual(yield* count, before + 1_201)
        assert.deepStrictEqual(yield* many.get("1200"), { id: "1200" })
        yield* many.clear
        assert.strictEqual(yield* many.get("1200"), undefined)
        assert.deepStrictEqual(yield* other.get("0"), { other: true })
      })
    )

    it.effect("forgets what has expired by the database's clock, and keeps what has not or never does", () =>
      Effect.gen(function* () {
        const store = yield* backing("expiring")
        yield* store.setMany([
          ["over", {}, Duration.hours(1)],
          ["due", {}, Duration.hours(2)],
          ["ever", {}, undefined]
        ])
        yield* statement(
          `UPDATE ${table("expiring")} SET expires = expires - interval '90 minutes' WHERE id IN ('over', 'due')`
        )
        assert.deepStrictEqual(yield* store.getMany(["over", "due", "ever"]), [undefined, {}, {}])
        assert.strictEqual(yield* store.get("over"), undefined)
        // Whoever sets it anew, sets it for as long again.
        yield* store.set("over", { anew: true }, Duration.hours(1))
        assert.deepStrictEqual(yield* store.get("over"), { anew: true })
      })
    )

    it.effect("deletes what has expired when it is made, more than one statement deletes too, and nothing else", () =>
      Effect.gen(function* () {
        const store = yield* backing("expiring")
        yield* store.clear
        const [head, ...tail] = Array.from({ length: 1_100 }, (_, i) => [String(i), {}, Duration.hours(1)] as const)
        assert.isDefined(head)
        yield* store.setMany([head, ...tail])
        yield* store.setMany([
          ["due", {}, Duration.hours(3)],
          ["ever", {}, undefined]
        ])
        yield* statement(
          `UPDATE ${table("expiring")} SET expires = expires - interval '2 hours' WHERE expires IS NOT NULL`
        )
        const { clock, slept } = yield* sleepless
        yield* Effect.scoped(
          Effect.gen(function* () {
            const anew = yield* Layer.build(Layer.fresh(layer))
            yield* Effect.provide(backing("expiring"), anew)
            if (name === "one table") yield* Deferred.await(slept)
          })
        ).pipe(Effect.provideService(Clock.Clock, clock))
        const own = name === "one table" ? "WHERE store_id = 'expiring'" : ""
        const left = yield* statement(`SELECT id FROM ${table("expiring")} ${own} ORDER BY id`)
        assert.deepStrictEqual(left, [{ id: "due" }, { id: "ever" }])
      })
    )

    it.effect.each(["before", "after"] as const)(
      "writes what is asked for where the answer is lost %s it took effect",
      (when) =>
        Effect.gen(function* () {
          const store = yield* backing("users")
          yield* Effect.andThen(loseAnswer(when), store.set("k", { v: 1 }, undefined))
          assert.deepStrictEqual(yield* store.get("k"), { v: 1 })
          yield* Effect.andThen(loseAnswer(when), store.remove("k"))
          assert.strictEqual(yield* store.get("k"), undefined)
        })
    )

    it.effect("comes through with all of twenty writers of one key", () =>
      Effect.gen(function* () {
        const store = yield* backing("users")
        const values = Array.from({ length: 20 }, (_, i) => ({ value: i }))
        yield* Effect.all(
          values.map((value) => store.set("hot", value, undefined)),
          { concurrency: "unbounded" }
        )
        assert.deepInclude(values, yield* store.get("hot"))
      })
    )
  })
}

describeStorage("Persistence where a store has no table", Persistence.layerBackingSqlMultiTable, (it) => {
  it.effect("says so of each operation, in one line", () =>
    Effect.gen(function* () {
      const store = yield* backing("nobody")
      for (const operation of [store.get("k"), store.set("k", {}, undefined), store.clear]) {
        const { cause, message } = yield* Effect.flip(operation)
        assert.instanceOf(cause, MissingTables.MissingTables)
        assert.strictEqual(
          message,
          "Persistence needs effect_persistence_nobody, which the database does not have: make it with your own schema, as the layer says"
        )
      }
    })
  )
})

it.live("Persistence without its table is refused when it is built", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.scoped(Layer.build(Persistence.layerSql)))
    assert.deepInclude(error, { _tag: "MissingTables", tables: ["effect_persistence"] })
  }).pipe(Effect.provide(Testing.layer()))
)

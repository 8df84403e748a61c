import { DsqlClient, DsqlError, Transaction } from "@effect-dsql/core"
import { KeyValueStore } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Result, Schema, Struct } from "effect"
import { Base64 } from "effect/encoding"
import { KeyValueStore as Effects } from "effect/persistence"
import { asItIs, interleave } from "../../../test/sessions.ts"
import { describeStorage, loseAnswer } from "./support/storage.ts"

const Store = Effects.KeyValueStore

const bytes = (...values: ReadonlyArray<number>) => new Uint8Array(values)

/** What every store of this interface does: Effect's own suite, in this repository's words, and what it leaves out. */
const conforms = (name: string, storage: ReturnType<typeof KeyValueStore.layerSql>): void =>
  describeStorage(name, storage, (it) => {
    const emptied = Effect.tap(Store, (store) => store.clear)

    it.effect("finds what was set last, and counts a key once", () =>
      Effect.gen(function* () {
        const store = yield* emptied
        yield* store.set("key", "value")
        assert.strictEqual(yield* store.get("key"), "value")
        yield* store.set("key", "value-2")
        assert.strictEqual(yield* store.get("key"), "value-2")
        assert.strictEqual(yield* store.size, 1)
      })
    )

    it.effect("gives bytes as they are, and as base64 where a text is asked for", () =>
      Effect.gen(function* () {
        const store = yield* emptied
        const value = bytes(0, 42, 255, 128)
        yield* store.set("binary", value)
        assert.strictEqual(yield* store.get("binary"), Base64.encode(value))
        assert.deepStrictEqual(yield* store.getUint8Array("binary"), value)
      })
    )

    it.effect.each(["Zm9v", "héllo 👋", ""])(
      "gives the text %j back as it was, and as UTF-8 where bytes are asked for",
      (value) =>
        Effect.gen(function* () {
          const store = yield* emptied
          yield* store.set("text", value)
          assert.strictEqual(yield* store.get("text"), value)
          assert.deepStrictEqual(yield* store.getUint8Array("text"), new TextEncoder().encode(value))
        })
    )

    it.effect("finds nothing of what was removed, or never set", () =>
      Effect.gen(function* () {
        const store = yield* emptied
        yield* store.set("a", "1")
        yield* store.remove("a")
        yield* store.remove("never")
        assert.strictEqual(yield* store.get("a"), undefined)
        assert.strictEqual(yield* store.getUint8Array("a"), undefined)
        assert.isFalse(yield* store.has("a"))
        assert.isTrue(yield* store.isEmpty)
        assert.strictEqual(yield* store.size, 0)
      })
    )

    it.effect("forgets everything when it is cleared, more than one statement deletes too", () =>
      Effect.gen(function* () {
        const store = yield* emptied
        yield* Effect.flatMap(
          DsqlClient.DsqlClient,
          ({ sql }) =>
            sql`INSERT INTO ${sql(tableOf(name))} (id, value, value_type) SELECT i::text, '', 0 FROM generate_series(1, 1203) i`
        )
        assert.strictEqual((yield* store.keys).length, 1203)
        yield* store.clear
        assert.strictEqual(yield* store.size, 0)
      })
    )

    it.effect("forgets what begins with a prefix, whatever letters it has, and nothing else", () =>
      Effect.gen(function* () {
        const store = yield* emptied
        const keys = ["a", "a%", "a%b", "a_b", "ab", "A%", "b", "\u{d7ff}x", "\u{e000}", "\u{10ffff}", "\u{10ffff}z"]
        yield* Effect.forEach(keys, (key) => store.set(key, key))
        for (const prefix of ["a%", "\u{d7ff}", "\u{10ffff}"]) yield* store.clearPrefix(prefix)
        assert.sameMembers([...(yield* store.keys)], ["a", "a_b", "ab", "A%", "b", "\u{e000}"])
        yield* store.clearPrefix("")
        assert.isTrue(yield* store.isEmpty)
      })
    )

    it.effect("changes an entry that is there, text and bytes, and makes none that is not", () =>
      Effect.gen(function* () {
        const store = yield* emptied
        yield* store.set("n", "1")
        assert.strictEqual(yield* store.modify("n", (n) => `${n}2`), "12")
        assert.strictEqual(yield* store.get("n"), "12")
        assert.deepStrictEqual(yield* store.modifyUint8Array("n", (n) => n.slice(1)), bytes(50))
        assert.deepStrictEqual(yield* store.getUint8Array("n"), bytes(50))
        assert.strictEqual(yield* store.modify("none", () => "some"), undefined)
        assert.isFalse(yield* store.has("none"))
      })
    )

    it.effect("keeps values of a schema below a prefix of their own", () =>
      Effect.gen(function* () {
        const users = Effects.toSchemaStore(Effects.prefix(yield* emptied, "user/"), Schema.Struct({ age: Schema.Int }))
        yield* users.set("ada", { age: 36 })
        assert.deepStrictEqual((yield* users.get("ada")).valueOrUndefined, { age: 36 })
        assert.deepStrictEqual(yield* (yield* Store).keys, ["user/ada"])
      })
    )
  })

const own = "sessions"

const tableOf = (name: string) => (name.includes("own") ? own : "effect_key_value_store")

conforms("KeyValueStore", KeyValueStore.layerSql())

conforms(
  "KeyValueStore in a table of one's own",
  KeyValueStore.layerSql({ table: own }).pipe(
    Layer.provide(
      Layer.effectDiscard(
        Effect.flatMap(
          DsqlClient.DsqlClient,
          ({
            sql
          }) => sql`CREATE TABLE sessions (id TEXT PRIMARY KEY, value BYTEA NOT NULL, value_type SMALLINT NOT NULL,
            revision UUID NOT NULL DEFAULT gen_random_uuid())`
        )
      )
    ),
    Layer.orDie
  )
)

describeStorage("Writers of one entry", KeyValueStore.layerSql(), (it) => {
  const increment = (n: string) => String(Number(n) + 1)

  /** Two that each add one: the first reads, the second reads and writes, then the first one writes. */
  const overlapping = (store: Layer.Layer<Effects.KeyValueStore, unknown, DsqlClient.DsqlClient>) =>
    Effect.gen(function* () {
      yield* Effect.flatMap(Store, (store) => store.set("n", "0"))
      const adding = Effect.provide(
        Effect.orDie(Effect.flatMap(Store, (store) => store.modify("n", increment))),
        Layer.fresh(Layer.orDie(store))
      )
      // Each asks for its table, reads and writes, in three steps each.
      yield* interleave([adding, adding], [...turns(0, 6), ...turns(1, 9), ...turns(0, 3)], asItIs)
      return yield* Effect.flatMap(Store, (store) => store.get("n"))
    })

  const turns = (session: number, count: number) => Array.from({ length: count }, () => session)

  it.effect("lose nothing, in whatever order they read and write", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* overlapping(KeyValueStore.layerSql()), "2")
    })
  )

  it.effect("would lose one where an entry is written over whatever is there, as in Effect's own store", () =>
    Effect.gen(function* () {
      const unguarded = Layer.effect(
        Store,
        Effect.map(Store, (store) => Effects.make(Struct.omit(store, ["modify", "modifyUint8Array"])))
      ).pipe(Layer.provide(KeyValueStore.layerSql()))
      assert.strictEqual(yield* overlapping(unguarded), "1")
    })
  )

  it.effect("all come through, twenty at once, and answers that are lost are not counted twice", () =>
    Effect.gen(function* () {
      const store = yield* Store
      const control = yield* Testing.Control
      yield* store.set("n", "0")
      yield* control.clear
      yield* control.inject({ on: "commit", fault: "cut-after", nth: [3, 9, 15] })
      const exits = yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.result(store.modify("n", increment))),
        { concurrency: "unbounded" }
      )
      yield* control.clear
      const unknown = exits.filter(Result.isFailure).map(({ failure }) => failure.cause)
      for (const cause of unknown) assert.instanceOf(cause, DsqlError.CommitOutcomeUnknown)
      const counted = Number(yield* store.get("n"))
      assert.isAtLeast(counted, 20 - unknown.length, "nothing that was answered is lost")
      assert.isAtMost(counted, 20, "nothing is counted twice")
      assert.isAtLeast((yield* control.happened)["cut-after@commit"] ?? 0, 3)
    })
  )

  it.effect("each leave an entry that is whole", () =>
    Effect.gen(function* () {
      const store = yield* Store
      const values = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(100))
      yield* Effect.all(
        values.map((value) => store.set("one", value)),
        { concurrency: "unbounded" }
      )
      assert.include(values, yield* store.get("one"))
      assert.strictEqual((yield* store.keys).filter((key) => key === "one").length, 1)
    })
  )
})

for (const form of ["statement", "transaction"] as const) {
  describeStorage(
    `An entry whose answer is lost, as one ${form}`,
    KeyValueStore.layerSql(),
    (it) => {
      it.effect.each(["before", "after"] as const)("%s it took effect is set, changed and removed once", (when) =>
        Effect.gen(function* () {
          const store = yield* Store
          const lost = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.andThen(loseAnswer(when), effect)
          yield* lost(store.set("k", "1"))
          assert.strictEqual(yield* store.get("k"), "1")
          assert.strictEqual(yield* lost(store.modify("k", (value) => `${value}2`)), "12")
          assert.strictEqual(yield* store.get("k"), "12")
          yield* lost(store.remove("k"))
          assert.isFalse(yield* store.has("k"))
        })
      )
    },
    form
  )
}

describeStorage("An entry inside a transaction", KeyValueStore.layerSql(), (it) => {
  it.effect("is written with it, or not at all", () =>
    Effect.gen(function* () {
      const store = yield* Store
      const both = Effect.all([store.set("a", "1"), store.modify("b", (value) => `${value}!`)])
      yield* store.set("b", "2")
      const failed = yield* Effect.flip(Transaction.run(Effect.andThen(both, Effect.fail("no" as const))))
      assert.strictEqual(failed, "no")
      assert.deepStrictEqual([yield* store.get("a"), yield* store.get("b")], [undefined, "2"])
      yield* Transaction.run(both)
      assert.deepStrictEqual([yield* store.get("a"), yield* store.get("b")], ["1", "2!"])
    })
  )
})

describeStorage("What Aurora DSQL does not take", KeyValueStore.layerSql(), (it) => {
  it.effect.each([
    ["a key of more than 1 KiB", "k".repeat(1025), "", "key_bytes"],
    ["a value of more than 1 MiB", "k", "v".repeat(2 ** 20 + 1), "column_bytes"]
  ] as const)("is refused before it is sent: %s", ([, key, value, limit]) =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      const before = yield* control.counts()
      const error = yield* Effect.flip(Effect.flatMap(Store, (store) => store.set(key, value)))
      assert.strictEqual(error._tag, "KeyValueStoreError")
      assert.deepInclude(error.cause, { _tag: "LimitExceeded", limit })
      assert.deepStrictEqual(yield* control.counts(), before)
    })
  )
})

it.live("A store without its table is refused in one line when it is built", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.scoped(Layer.build(KeyValueStore.layerSql())))
    assert.strictEqual(
      error.message,
      "KeyValueStore needs effect_key_value_store, which the database does not have: run effect-dsql setup-schema --schema-name dsql/storage"
    )
  }).pipe(Effect.provide(Testing.layer()))
)

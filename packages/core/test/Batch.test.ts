import { Batch, DsqlClient, Size, Transaction } from "@effect-dsql/core"
import { assert, describe, it, layer } from "@effect/vitest"
import { Array as Arr, Effect, Exit, Layer, Ref, Stream } from "effect"
import fc from "fast-check"
import { TestCluster } from "../../../test/database.ts"

const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE events (batch text, id integer, PRIMARY KEY (batch, id))`
  })
)

const insert = (batch: string) => (ids: Arr.NonEmptyReadonlyArray<number>) =>
  Effect.flatMap(Transaction.sql, (sql) =>
    Effect.as(sql`INSERT INTO events ${sql.insert(Arr.map(ids, (id) => ({ batch, id })))}`, ids.length)
  )

const stored = (batch: string) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    const rows = yield* sql<{ id: number }>`SELECT id FROM events WHERE batch = ${batch} ORDER BY id`
    return rows.map((row) => row.id)
  })

const one = (n: number) => Array.from({ length: n }, (_, index) => index + 1)

layer(Layer.provideMerge(schema, TestCluster()), { excludeTestServices: true })("Batch", (it) => {
  it.effect("writes ten thousand and one rows in transactions of at most the rows allowed", () =>
    Effect.gen(function* () {
      const ids = one(10_001)
      const pieces = yield* Batch.write(Stream.fromIterable(ids), insert("many"), { rows: 3_000 }).pipe(
        Stream.runCollect
      )
      assert.deepStrictEqual(
        pieces.map((piece) => piece.items),
        [3_000, 3_000, 3_000, 1_001]
      )
      assert.deepStrictEqual(
        pieces.map((piece) => piece.total),
        [3_000, 6_000, 9_000, 10_001]
      )
      assert.deepStrictEqual(
        pieces.map((piece) => piece.last),
        [3_000, 6_000, 9_000, 10_001]
      )
      assert.deepStrictEqual(yield* stored("many"), ids)
    })
  )

  it.effect("never asks for more rows than DSQL takes", () =>
    Effect.gen(function* () {
      const pieces = yield* Batch.write(Stream.fromIterable(one(3_001)), insert("capped"), { rows: 1_000_000 }).pipe(
        Stream.runCollect
      )
      assert.deepStrictEqual(
        pieces.map((piece) => piece.items),
        [3_000, 1]
      )
    })
  )

  it.effect("goes on where it stopped", () =>
    Effect.gen(function* () {
      const done = yield* Ref.make(0)
      const ids = one(10)
      const write = (from: number, fail: boolean) =>
        Batch.write(
          Stream.fromIterable(ids.slice(from)),
          (piece) =>
            Effect.andThen(fail && piece.includes(7) ? Effect.fail("stopped") : Effect.void, insert("resumed")(piece)),
          { rows: 2 }
        ).pipe(Stream.runForEach((piece) => Ref.set(done, from + piece.total)))
      assert.strictEqual(yield* Effect.flip(write(0, true)), "stopped")
      assert.deepStrictEqual(yield* stored("resumed"), one(6))
      yield* write(yield* Ref.get(done), false)
      assert.deepStrictEqual(yield* stored("resumed"), ids)
    })
  )

  it.effect("refuses an item that no transaction could hold, before it sends anything of it", () =>
    Effect.gen(function* () {
      const failure = yield* Batch.write(Stream.make(new Uint8Array(2_000)), () => Effect.die("sent"), {
        bytes: 1_000,
        bytesOf: (item) => Size.bytes(item)
      }).pipe(Stream.runDrain, Effect.flip)
      assert.include(failure, { _tag: "LimitExceeded", limit: "transaction_bytes" } as const)
      assert.include(failure.message, "2000 bytes")
    })
  )

  it.effect("does nothing for no items", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Stream.runDrain(Batch.write(Stream.empty, () => Effect.die("sent"))))
      assert.isTrue(Exit.isSuccess(exit))
    })
  )

  it.effect("drains a table by bounded deletes", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      for (const [first, last] of [
        [1, 3_000],
        [3_001, 6_000],
        [6_001, 7_001]
      ]) {
        yield* sql`INSERT INTO events SELECT 'drained', id FROM generate_series(${first}::int, ${last}::int) AS id`
      }
      const expire = (rows: number) =>
        Effect.flatMap(Transaction.sql, (tx) =>
          Effect.map(
            tx`DELETE FROM events WHERE (batch, id) IN
              (SELECT batch, id FROM events WHERE batch = 'drained' LIMIT ${rows}) RETURNING 1`,
            (deleted) => deleted.length
          )
        )
      const counts = yield* Stream.runCollect(Batch.drain(expire, { rows: 3_000 }))
      assert.deepStrictEqual(counts, [3_000, 3_000, 1_001])
      assert.deepStrictEqual(yield* stored("drained"), [])
      assert.deepStrictEqual(yield* Stream.runCollect(Batch.drain(expire)), [])
    })
  )

  it.effect.each([Number.NaN, Number.POSITIVE_INFINITY, -1])(
    "stops draining, and commits nothing, where the body says that it changed %s rows",
    (answer) =>
      Effect.gen(function* () {
        const exit = yield* Batch.drain(() => Effect.as(insert("nowhere")([1]), answer)).pipe(
          Stream.runDrain,
          Effect.exit
        )
        assert(Exit.isFailure(exit))
        assert.include(String(exit.cause), `the body of Batch.drain changed ${answer} rows, which is no count`)
        assert.deepStrictEqual(yield* stored("nowhere"), [])
      })
  )

  it.effect.each([
    [{ rowsOf: (): number => Number.NaN }, "rowsOf says NaN, which is no size"],
    [{ rowsOf: (): number => -1 }, "rowsOf says -1, which is no size"],
    [{ bytesOf: (): number => Number.NaN }, "bytesOf says NaN, which is no size"],
    [{ rows: 0 }, "rows must be a whole number of at least 1, and is 0"],
    [{ rows: Number.NaN }, "rows must be a whole number of at least 1, and is NaN"],
    [{ bytes: -1 }, "bytes must be a whole number of at least 1, and is -1"]
  ] as const)("writes nothing when it is told %o", ([options, message]) =>
    Effect.gen(function* () {
      const exit = yield* Batch.write(Stream.range(1, 3), insert("refused"), options).pipe(Stream.runDrain, Effect.exit)
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), message)
      assert.deepStrictEqual(yield* stored("refused"), [])
    })
  )
})

describe("Size.check", () => {
  const key = ["id"]
  const table = "blobs"

  it.effect("takes values up to the limits", () =>
    Size.check(table, { id: "x".repeat(1024), data: new Uint8Array(1024 * 1024) }, key)
  )

  it.effect("names the column that is too large, its size and the limit", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Size.check(table, { id: 1, data: new Uint8Array(1024 * 1024 + 1) }, key))
      assert.include(failure, { limit: "column_bytes" } as const)
      assert.strictEqual(failure.message, "blobs.data has 1048577 bytes; Aurora DSQL takes at most 1048576")
    })
  )

  it.effect("counts text in UTF-8", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Size.check(table, { id: "é".repeat(513) }, key))
      assert.strictEqual(failure.message, "the key (id) of blobs has 1026 bytes; Aurora DSQL takes at most 1024")
    })
  )

  it.effect("adds up the row", () =>
    Effect.gen(function* () {
      const half = new Uint8Array(1024 * 1024)
      const failure = yield* Effect.flip(Size.check(table, { id: 1, a: half, b: half, c: "more" }, key))
      assert.strictEqual(failure.limit, "row_bytes")
    })
  )

  it.effect("of many rows also bounds what one transaction takes, in rows and in bytes", () =>
    Effect.gen(function* () {
      const rows = (count: number, size: number) =>
        Array.from({ length: count }, (_, id) => ({ table, row: { id, data: new Uint8Array(size) }, key }))
      yield* Size.checkAll(rows(3_000, 10))
      const many = yield* Effect.flip(Size.checkAll(rows(3_001, 10)))
      assert.include(many, { limit: "transaction_rows" } as const)
      assert.include(many.message, "3001 rows")
      const large = yield* Effect.flip(Size.checkAll(rows(11, 1024 * 1024)))
      assert.include(large, { limit: "transaction_bytes" } as const)
      const one = yield* Effect.flip(Size.checkAll([...rows(1, 10), ...rows(1, 1024 * 1024 + 1)]))
      assert.include(one, { limit: "column_bytes" } as const)
    })
  )

  it("measures as the encoder does, for any text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => Size.bytes(text) === Buffer.byteLength(text)))
  })
})

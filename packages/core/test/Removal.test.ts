import { DsqlClient, Expression, Removal } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { TestCluster } from "../../../test/database.ts"

const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE marks (log text, place bigint, id integer, PRIMARY KEY (log, place, id))`
  })
)

/** A log of so many marks, `alike` of which stand at each place. */
const log = Effect.fnUntraced(function* (name: string, count: number, alike = 1) {
  const { sql } = yield* DsqlClient.DsqlClient
  for (let from = 0; from < count; from += 2_000) {
    yield* sql`INSERT INTO marks SELECT ${name}, n / ${alike}::integer, n
      FROM generate_series(${from}::integer, ${Math.min(count, from + 2_000) - 1}::integer) AS n`
  }
  const left = Effect.map(sql<{ readonly id: number }>`SELECT id FROM marks WHERE log = ${name} ORDER BY id`, (rows) =>
    rows.map(({ id }) => id)
  )
  const rows: Removal.Rows = {
    table: "marks",
    order: { place: "bigint" },
    where: Expression.sql`log = ${Expression.value("text", name)}`
  }
  return { left, rows }
})

layer(Layer.provideMerge(schema, TestCluster()), { excludeTestServices: true })("Removal", (it) => {
  it.effect("deletes all rows, 500 a statement, and leaves others alone", () =>
    Effect.gen(function* () {
      const other = yield* log("other", 3)
      const { left, rows } = yield* log("all", 2_100)
      assert.deepStrictEqual(yield* Stream.runCollect(Removal.run(rows)), [500, 500, 500, 500, 100])
      assert.deepStrictEqual([yield* left, yield* other.left], [[], [0, 1, 2]])
    })
  )

  it.effect("says nothing of no rows", () =>
    Effect.gen(function* () {
      const { rows } = yield* log("none", 0)
      assert.deepStrictEqual(yield* Stream.runCollect(Removal.run(rows)), [])
    })
  )

  it.effect("deletes no more than the limit, the first ones first, and goes on where it is run again", () =>
    Effect.gen(function* () {
      const { left, rows } = yield* log("limited", 1_000)
      assert.deepStrictEqual(yield* Stream.runCollect(Removal.run(rows, { limit: 700 })), [500, 200])
      assert.deepStrictEqual(
        yield* left,
        Array.from({ length: 300 }, (_, index) => 700 + index)
      )
      assert.strictEqual(yield* Stream.runSum(Removal.run(rows, { limit: 0 })), 0)
      assert.strictEqual(yield* Stream.runSum(Removal.run(rows)), 300)
    })
  )

  it.effect("begins where it is told to", () =>
    Effect.gen(function* () {
      const { left, rows } = yield* log("from", 10)
      const from = Expression.sql`place > ${Expression.value("bigint", 3n)}`
      assert.strictEqual(yield* Stream.runSum(Removal.run({ ...rows, from })), 6)
      assert.deepStrictEqual(yield* left, [0, 1, 2, 3])
    })
  )

  it.effect("deletes rows that are alike together", () =>
    Effect.gen(function* () {
      const { left, rows } = yield* log("alike", 1_400, 700)
      assert.deepStrictEqual(yield* Stream.runCollect(Removal.run(rows)), [700, 700])
      assert.deepStrictEqual(yield* left, [])
    })
  )

  it.effect("orders by several columns, whatever their types", () =>
    Effect.gen(function* () {
      const { left, rows } = yield* log("several", 1_400, 700)
      const several: Removal.Rows = { ...rows, order: { place: "bigint", id: "integer" } }
      assert.deepStrictEqual(yield* Stream.runCollect(Removal.run(several)), [500, 500, 400])
      assert.deepStrictEqual(yield* left, [])
    })
  )

  it.effect("keeps what was done when it is interrupted", () =>
    Effect.gen(function* () {
      const { left, rows } = yield* log("interrupted", 1_200)
      const done = yield* Deferred.make<number>()
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(Removal.run(rows), (gone) => Effect.andThen(Deferred.succeed(done, gone), Effect.never))
      )
      assert.strictEqual(yield* Deferred.await(done), 500)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* left).length, 700)
      assert.strictEqual(yield* Stream.runSum(Removal.run(rows)), 700)
    })
  )

  it.effect("refuses a limit that is no count", () =>
    Effect.gen(function* () {
      const { left, rows } = yield* log("refused", 1)
      for (const limit of [-1, 0.5, Number.NaN]) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(Stream.runDrain(Removal.run(rows, { limit })))), `${limit}`)
      }
      assert.deepStrictEqual(yield* left, [0])
    })
  )
})

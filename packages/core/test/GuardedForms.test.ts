/**
 * A guarded statement answers alike in both of its forms, or is refused alike before anything is sent.
 */
import { DsqlClient, Expression, Fence, Guard, Guarded, Transaction, Write } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Ref } from "effect"
import { TestCluster, TestDatabase } from "../../../test/database.ts"
import { NothingLate } from "../../../test/lifetime.ts"
import * as ServerClock from "../src/internal/transaction/serverClock.ts"
import { counted } from "./support/statements.ts"

type Body = Effect.Effect<unknown, unknown, Transaction.Transaction>

const integer = (value: number) => Expression.value("integer", value)

const shard = (id: number) => ({ table: "shards", key: { id }, token: "range" })

/** The shard is there, whatever it holds. */
const there = (id: number, name = "shard", columns: ReadonlyArray<string> = ["range"]) =>
  Guard.make<unknown>({
    name,
    row: Guard.row("shards", { id: integer(id) }, columns, "shared"),
    columns,
    refuse: (_, rows) => Effect.fail({ refused: name, rows })
  })

const task = (id: number) => Write.insert({ into: "tasks", columns: { id: integer(id) } })

const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE shards (id integer PRIMARY KEY, range bigint NOT NULL, flag boolean, at timestamptz,
      local timestamp, ratio double precision, data bytea, owner uuid, price numeric(10, 2))`
    yield* sql`CREATE TABLE tasks (id integer PRIMARY KEY)`
    yield* sql`CREATE TABLE parts (id integer, part integer, PRIMARY KEY (id, part))`
    yield* sql`CREATE TABLE copies (id integer PRIMARY KEY, value text)`
    yield* sql`CREATE TABLE odd ("j.son" integer PRIMARY KEY, "We""ird" integer)`
  })
)

const given = (id: number, range = 1) =>
  Effect.flatMap(
    DsqlClient.DsqlClient,
    ({ sql }) => sql`INSERT INTO shards VALUES (${id}, ${range}, true, '2026-11-28 00:00:00.123456Z',
      '2026-11-28 00:00:00.123456', 1e300, '\\x00ff', '0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d11', 1.50)`
  )

const tasks = (...ids: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    const rows = yield* sql<{ id: number }>`SELECT id FROM tasks WHERE id = ANY (${ids}) ORDER BY id`
    return rows.map(({ id }) => id)
  })

/** What a statement dies of, and how many statements it sent before. */
const defect = Effect.fnUntraced(function* (statement: Body) {
  const message = yield* Ref.make("")
  const sent = yield* counted(
    Effect.flatMap(Effect.exit(Transaction.autocommit(statement)), (exit) => {
      assert(Exit.isFailure(exit))
      assert.isTrue(Cause.hasDies(exit.cause))
      return Ref.set(message, String(Cause.squash(exit.cause)))
    })
  )
  return { message: yield* Ref.get(message), sent }
})

for (const guarded of ["statement", "transaction"] as const) {
  for (const [server, database] of [
    ["PostgreSQL", TestDatabase({ guarded })],
    ["Aurora DSQL", TestCluster({ guarded })]
  ] as const) {
    layer(schema.pipe(Layer.provideMerge(database), Layer.provideMerge(NothingLate)), { excludeTestServices: true })(
      `a guarded ${guarded} on ${server}`,
      (it) => {
        it.effect.each([
          ["at", "timestamptz", "2026-11-28 00:00:00.123456+00"],
          ["local", "timestamp", "2026-11-28 00:00:00.123456"],
          ["ratio", "double precision", "1e+300"],
          ["data", "bytea", "\\x00ff"],
          ["flag", "boolean", "true"],
          ["owner", "text", "0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d11"],
          ["range", "text", "7"],
          ["range", "integer", "7"],
          ["price", "text", "1.50"],
          ["price", "double precision", "1.5"]
        ] as const)("hands %s on to its writes as %s, to the last digit", ([column, type, text]) =>
          Effect.gen(function* () {
            const { sql } = yield* DsqlClient.DsqlClient
            yield* sql`DELETE FROM shards WHERE id = 1`
            yield* sql`DELETE FROM copies`
            yield* given(1, 7)
            const guard = there(1, "shard", [column])
            const value = Expression.sql`(${Guard.column(guard, column, type)})::text`
            yield* Transaction.autocommit(
              Guarded.write({
                guards: [guard],
                writes: [Write.insert({ into: "copies", columns: { id: integer(1), value } })]
              })
            )
            assert.deepStrictEqual(yield* sql`SELECT value FROM copies`, [{ value: text }])
          })
        )

        it.effect("hands on what is told in another type than it is told in", () =>
          Effect.gen(function* () {
            const { sql } = yield* DsqlClient.DsqlClient
            yield* Transaction.autocommit(
              Guarded.write({
                guards: [],
                tells: { sum: Expression.sql`(SELECT sum(n) FROM (VALUES (20::bigint), (22)) AS v(n))` },
                writes: [
                  Write.insert({
                    into: "copies",
                    columns: { id: integer(2), value: Expression.sql`${Guarded.told("sum", "bigint")}::text` }
                  })
                ]
              })
            )
            assert.deepStrictEqual(yield* sql`SELECT value FROM copies WHERE id = 2`, [{ value: "42" }])
          })
        )

        it.effect("does not cast what a guard found that does not hold", () =>
          Effect.gen(function* () {
            yield* given(2)
            const guard = Guard.make({
              name: "shard",
              row: Guard.row("shards", { id: integer(2) }, ["ratio"], "shared"),
              columns: ["ratio"],
              holds: () => Expression.literal("FALSE"),
              refuse: () => Effect.fail("refused" as const)
            })
            const write = Write.insert({ into: "tasks", columns: { id: Guard.column(guard, "ratio", "integer") } })
            const refusal = yield* Effect.flip(
              Transaction.autocommit(Guarded.write({ guards: [guard], writes: [write] }))
            )
            assert.strictEqual(refusal, "refused")
          })
        )

        it.effect("refuses a write that reads what an earlier one changes, and sends nothing", () =>
          Effect.gen(function* () {
            yield* given(3)
            for (const from of [
              Expression.literal("shards s"),
              Expression.literal('(SELECT * FROM /* all */ "Shards") AS s'),
              Expression.sql`${Expression.name("public.shards")} AS s`
            ]) {
              const { message, sent } = yield* defect(
                Guarded.write({
                  guards: [there(3)],
                  writes: [
                    Write.update({
                      table: "shards",
                      set: { range: Expression.literal("shards.range + 1") },
                      where: Expression.key("shards", { id: integer(3) })
                    }),
                    Write.insert({ into: "tasks", columns: { id: Expression.literal("s.range::integer") }, from })
                  ]
                })
              )
              assert.include(message, "the write of tasks names shards, which an earlier one changes")
              assert.strictEqual(sent, 0)
            }
          })
        )

        it.effect("refuses two writes of one table, and sends nothing, unless they are said to be independent", () =>
          Effect.gen(function* () {
            yield* given(4)
            const again = {
              guards: [there(4)],
              writes: [Write.remove({ table: "tasks", where: Expression.literal("tasks.id = 40") }), task(40)]
            }
            const { message, sent } = yield* defect(Guarded.write(again))
            assert.include(message, "two writes change tasks")
            assert.strictEqual(sent, 0)
            yield* Transaction.autocommit(
              Guarded.write({ guards: [there(4)], writes: [task(41), task(42)], independent: true })
            )
            assert.deepStrictEqual(yield* tasks(40, 41, 42), [41, 42])
          })
        )

        it.effect("refuses a write that reads the rows of a guard, and sends nothing", () =>
          Effect.gen(function* () {
            let rows = Expression.literal("")
            const guard = Guard.make({
              name: "shard",
              row: Guard.row("shards", { id: integer(4) }, ["range"], "shared"),
              columns: ["range"],
              holds: (row) => Guard.exists((rows = row)),
              refuse: () => Effect.fail("refused" as const)
            })
            const write = Write.insert({ into: "tasks", columns: { id: integer(43) }, from: rows })
            const { message, sent } = yield* defect(Guarded.write({ guards: [guard], writes: [write] }))
            assert.include(message, "a write reads the rows of a guard")
            assert.strictEqual(sent, 0)
          })
        )

        it.effect("calls its guards what they are called, were it as its own parts or alike for long", () =>
          Effect.gen(function* () {
            const long = "g".repeat(70)
            const names = [
              "instant",
              "_judged",
              "_held",
              "0",
              'a"b',
              "ab",
              `${long}1`,
              `${long}2`,
              "",
              "shard",
              "shard"
            ]
            for (const [index] of names.entries()) yield* given(100 + index, index)
            const guards = names.map((name, index) => there(100 + index, name))
            const tells = Object.fromEntries(
              guards.map((guard, index) => [`range ${index}`, Guard.column(guard, "range", "bigint")])
            )
            const told = yield* Transaction.autocommit(Guarded.write({ guards, tells, writes: [] }), {
              verify: () => Effect.succeed(Transaction.unknown)
            })
            assert.deepStrictEqual(told, Object.fromEntries(names.map((_, index) => [`range ${index}`, BigInt(index)])))
            const missing = guards.map((guard, index) => (index === 2 ? there(404, names[index]) : guard))
            const refusal = yield* Effect.flip(Transaction.autocommit(Guarded.write({ guards: missing, writes: [] })))
            assert.deepStrictEqual(refusal, { refused: "_held", rows: 0 })
          })
        )

        it.effect("dies at a guard whose key names several rows, and writes nothing", () =>
          Effect.gen(function* () {
            const { sql } = yield* DsqlClient.DsqlClient
            yield* sql`INSERT INTO parts VALUES (5, 1), (5, 2)`
            const guard = Guard.make({
              name: "parts",
              row: Guard.row("parts", { id: integer(5) }, ["part"], "exclusive"),
              columns: ["part"],
              // One of the rows would do.
              holds: (row) => Guard.exists(row, Expression.literal("part = 1")),
              refuse: () => Effect.fail("refused" as const)
            })
            for (const tells of [{}, { part: Guard.column(guard, "part", "integer") }]) {
              const { message } = yield* defect(Guarded.write({ guards: [guard], tells, writes: [task(50)] }))
              assert.include(message, "parts(id): this key names 2 rows, and a guard is one: name its primary key")
            }
            assert.deepStrictEqual(yield* tasks(50), [])
          })
        )

        it.effect("locks nothing where a guard does not hold, so an owner is not disturbed by who is stale", () =>
          Effect.gen(function* () {
            yield* given(6, 2)
            const client = yield* DsqlClient.DsqlClient
            const beside = (stale: Body) =>
              // In a fiber of its own, which has no transaction in its context.
              Effect.promise(() =>
                Effect.runPromise(
                  Effect.provideService(Effect.exit(Transaction.autocommit(stale)), DsqlClient.DsqlClient, client)
                )
              )
            const stale = Fence.compareAndSet(shard(6), 1n, { range: 9n })
            const another = Guarded.write({
              guards: [there(6), Fence.holding(shard(6), 1n)],
              writes: [task(60)]
            })
            const refused: ReadonlyArray<Body> = [stale, another]
            for (const body of refused) {
              const attempts = yield* Ref.make(0)
              const owner = Effect.gen(function* () {
                const { attempt, sql } = yield* Transaction.Transaction
                yield* Ref.set(attempts, attempt)
                yield* sql`UPDATE shards SET flag = false WHERE id = 6 AND range = 2`
                if (attempt === 1) assert(Exit.isFailure(yield* beside(body)))
              })
              yield* Transaction.run(owner)
              assert.strictEqual(yield* Ref.get(attempts), 1)
            }
          })
        )

        it.effect("locks where it writes nothing but holds, so that who moves the token meets it", () =>
          Effect.gen(function* () {
            yield* given(7, 1)
            const { sql } = yield* DsqlClient.DsqlClient
            const attempts = yield* Ref.make(0)
            const read = Effect.gen(function* () {
              const transaction = yield* Transaction.Transaction
              yield* Ref.set(attempts, transaction.attempt)
              yield* transaction.sql`SELECT 1 FROM shards`
              if (transaction.attempt === 1) {
                yield* Effect.promise(() => Effect.runPromise(sql`UPDATE shards SET id = 8 WHERE id = 7`))
              }
              yield* Guarded.write({ guards: [there(7)], writes: [] })
            })
            const refusal = yield* Effect.flip(Transaction.run(read))
            assert.deepStrictEqual(refusal, { refused: "shard", rows: 0 })
            assert.strictEqual(yield* Ref.get(attempts), 2)
          })
        )

        it.effect("is sent in the form that it needs, whatever its program makes of that", () =>
          Effect.gen(function* () {
            yield* given(9)
            const write = Guarded.write({ guards: [there(9)], writes: [task(90)] })
            const answer = yield* Transaction.autocommit(Effect.catchCause(write, () => Effect.succeed("a fallback")))
            assert.deepStrictEqual(answer, {})
            assert.deepStrictEqual(yield* tasks(90), [90])
          })
        )

        for (const [made, of] of [
          ["an error of its own", (body: Body) => Effect.mapError(body, () => "mine" as const)],
          ["a defect", (body: Body) => Effect.orDie(body)]
        ] as const) {
          it.effect(
            `starts over where a key is taken that it saw free, also where its program made ${made} of it`,
            () =>
              Effect.gen(function* () {
                const { sql } = yield* DsqlClient.DsqlClient
                yield* sql`DELETE FROM tasks`
                yield* sql`INSERT INTO tasks VALUES (1)`
                for (const execute of [Transaction.run, Transaction.autocommit]) {
                  const attempts = yield* Ref.make(0)
                  yield* execute(
                    of(
                      Effect.gen(function* () {
                        const { attempt } = yield* Transaction.Transaction
                        yield* Ref.set(attempts, attempt)
                        const id = attempt === 1 ? 1 : execute === Transaction.run ? 2 : 3
                        yield* Guarded.write({ guards: [], writes: [task(id)], free: ["tasks_pkey"] })
                      })
                    )
                  )
                  assert.strictEqual(yield* Ref.get(attempts), 2)
                }
                assert.deepStrictEqual(yield* tasks(1, 2, 3), [1, 2, 3])
              })
          )

          it.effect(`is sent again where it came too late, also where its program made ${made} of it`, () =>
            Effect.gen(function* () {
              const { sql } = yield* DsqlClient.DsqlClient
              yield* sql`DELETE FROM tasks`
              // The client believes that it is a day earlier.
              ServerClock.learn(sql, Date.now() - 86_400_000, ServerClock.here())
              yield* Transaction.autocommit(of(Guarded.write({ guards: [], writes: [task(1)] })), {
                verify: () => Effect.succeed(Transaction.unknown)
              })
              assert.deepStrictEqual(yield* tasks(1), [1])
            })
          )
        }

        it.effect("names columns whatever is in their names", () =>
          Effect.gen(function* () {
            const { sql } = yield* DsqlClient.DsqlClient
            yield* sql`DELETE FROM odd`
            const columns = { "j.son": integer(1), 'We"ird': integer(2) }
            yield* Transaction.autocommit(
              Guarded.write({ guards: [], writes: [Write.insert({ into: "public.odd", columns })] })
            )
            const odd = { table: "odd", key: { "j.son": 1 }, token: 'We"ird' }
            yield* Transaction.autocommit(Fence.compareAndSet(odd, 2, { 'We"ird': 3 }))
            assert.deepStrictEqual(yield* sql`SELECT * FROM odd`, [{ "j.son": 1, 'We"ird': 3 }])
          })
        )
      }
    )
  }
}

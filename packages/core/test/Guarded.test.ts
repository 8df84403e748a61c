import { DsqlClient, Expression, Fence, Guard, Guarded, Transaction, Write } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Data, Effect, Exit, Layer } from "effect"
import { TestCluster, TestDatabase } from "../../../test/database.ts"
import { counted } from "./support/statements.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly guard: string; readonly found: unknown }> {}

const integer = (value: number) => Expression.value("integer", value)

/** The shard of a test has this range. */
const shard = (id: number, range: number) =>
  Guard.make({
    name: "shards",
    row: Guard.row("shards", { id: integer(id) }, ["range", "info"], "shared"),
    columns: ["range", "info"],
    holds: (row) => Guard.exists(row, Expression.sql`range = ${Expression.value("bigint", BigInt(range))}`),
    refuse: (found) => Effect.fail(new Refused({ guard: "shards", found }))
  })

/** Nobody has this task. */
const free = (id: number, task: number) =>
  Guard.make({
    name: "task",
    row: Guard.row("tasks", { shard: integer(id), id: integer(task) }, ["data"], "exclusive"),
    columns: ["data"],
    holds: (row) => Guard.absent(row),
    refuse: (found) => Effect.fail(new Refused({ guard: "task", found }))
  })

const put = (id: number, tasks: ReadonlyArray<number>) =>
  Write.insert({
    into: "tasks",
    columns: { shard: integer(id), id: Expression.sql`task.id`, data: Expression.sql`task.data` },
    from: Expression.records(
      "task",
      { id: "integer", data: "bytea" },
      tasks.map((id) => ({ id, data: new Uint8Array([id]) }))
    )
  })

const raise = (id: number, by: Expression.Expression) =>
  Write.update({
    table: "shards",
    set: { range: Expression.sql`shards.range + ${by}` },
    where: Expression.key("shards", { id: integer(id) })
  })

const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE shards (id integer PRIMARY KEY, range bigint, info text)`
    yield* sql`CREATE TABLE tasks (shard integer, id integer, data bytea, PRIMARY KEY (shard, id))`
    yield* sql`CREATE TABLE _held (id integer PRIMARY KEY, _judged bigint)`
    yield* sql`CREATE TABLE "_shards" (id integer PRIMARY KEY)`
  })
)

const given = (id: number, range: number) =>
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql`INSERT INTO shards VALUES (${id}, ${range}, 'first')`)

const stored = (id: number) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    const [shard] = yield* sql<{ range: bigint }>`SELECT range FROM shards WHERE id = ${id}`
    const tasks = yield* sql<{ id: number }>`SELECT id FROM tasks WHERE shard = ${id} ORDER BY id`
    return { range: shard?.range, tasks: tasks.map(({ id }) => id) }
  })

const forms = ["statement", "transaction"] as const

for (const guarded of forms) {
  const servers = [
    ["PostgreSQL", TestDatabase({ guarded })],
    ["Aurora DSQL", TestCluster({ guarded })]
  ] as const
  for (const [server, database] of servers) {
    layer(Layer.provideMerge(schema, database), { excludeTestServices: true })(
      `Guarded as a ${guarded} on ${server}`,
      (it) => {
        it.effect("writes all that it is to write while its guards hold", () =>
          Effect.gen(function* () {
            yield* given(1, 5)
            yield* Transaction.autocommit(
              Guarded.write({
                guards: [shard(1, 5), free(1, 1)],
                writes: [put(1, [1, 2]), Write.remove({ table: "tasks", where: Expression.sql`shard = 1 AND id = 7` })],
                independent: true
              })
            )
            assert.deepStrictEqual(yield* stored(1), { range: 5n, tasks: [1, 2] })
          })
        )

        it.effect("writes nothing where a guard does not hold, and says which one and what it found", () =>
          Effect.gen(function* () {
            yield* given(2, 5)
            yield* Transaction.autocommit(Guarded.write({ guards: [shard(2, 5)], writes: [put(2, [1])] }))
            const write = (range: number) =>
              Guarded.write({ guards: [shard(2, range), free(2, 1)], writes: [put(2, [3]), raise(2, integer(1))] })
            const stale = yield* Effect.flip(Transaction.autocommit(write(4)))
            assert.deepInclude(stale, { guard: "shards", found: { range: 5n, info: "first" } })
            const taken = yield* Effect.flip(Transaction.autocommit(write(5)))
            assert.deepInclude(taken, { guard: "task", found: { data: Buffer.from([1]) } })
            assert.deepStrictEqual(yield* stored(2), { range: 5n, tasks: [1] })
          })
        )

        it.effect("says that the row of a guard is missing", () =>
          Effect.gen(function* () {
            const refused = yield* Effect.flip(
              Transaction.autocommit(Guarded.write({ guards: [shard(404, 5)], writes: [put(404, [1])] }))
            )
            assert.deepInclude(refused, { guard: "shards", found: undefined })
          })
        )

        it.effect("tells of the snapshot from before its writes, and lets them use what was found and told", () =>
          Effect.gen(function* () {
            yield* given(3, 5)
            const guard = shard(3, 5)
            const told = yield* Transaction.autocommit(
              Guarded.write({
                guards: [guard],
                tells: {
                  range: Guard.column(guard, "range", "bigint"),
                  tasks: Expression.sql`(SELECT count(*) FROM tasks WHERE shard = 3)`
                },
                writes: [
                  put(3, [1]),
                  raise(
                    3,
                    Expression.sql`${Guard.column(guard, "range", "bigint")} + ${Guarded.told("tasks", "bigint")} + 1`
                  )
                ]
              })
            )
            assert.deepStrictEqual(told, { range: 5n, tasks: 0n })
            assert.deepStrictEqual(yield* stored(3), { range: 11n, tasks: [1] })
          })
        )

        it.effect("reads a second row beside the first", () =>
          Effect.gen(function* () {
            yield* given(4, 5)
            const withTask = Guard.make({
              name: "withTask",
              row: Guard.row("shards", { id: integer(4) }, ["range"], "exclusive"),
              beside: Guard.row(
                "tasks",
                { shard: integer(4), id: Expression.sql`(SELECT range FROM shards WHERE id = 4)` },
                ["data"],
                "exclusive"
              ),
              columns: { range: Expression.sql`found.range`, data: Expression.sql`beside.data` },
              holds: (row) => Guard.exists(row, Expression.sql`data IS NOT NULL`),
              refuse: (found) => Effect.fail(new Refused({ guard: "withTask", found }))
            })
            const write = Transaction.autocommit(Guarded.write({ guards: [withTask], writes: [put(4, [6])] }))
            assert.deepInclude(yield* Effect.flip(write), { found: { range: 5n, data: null } })
            yield* Transaction.autocommit(Guarded.write({ guards: [shard(4, 5)], writes: [put(4, [5])] }))
            yield* write
            assert.deepStrictEqual(yield* stored(4), { range: 5n, tasks: [5, 6] })
          })
        )

        it.effect("takes a key that was free and is taken meanwhile for a conflict", () =>
          Effect.gen(function* () {
            yield* given(5, 5)
            yield* Transaction.autocommit(Guarded.write({ guards: [shard(5, 5)], writes: [put(5, [1])] }))
            const attempts: Array<number> = []
            const exit = yield* Effect.exit(
              Transaction.autocommit(
                Effect.gen(function* () {
                  const { attempt } = yield* Transaction.Transaction
                  attempts.push(attempt)
                  yield* Guarded.write({
                    guards: [shard(5, 5)],
                    writes: [put(5, [attempt])],
                    free: ["tasks_pkey"]
                  })
                })
              )
            )
            assert(Exit.isSuccess(exit))
            assert.deepStrictEqual(attempts.at(-1), 2)
          })
        )

        it.effect("keeps its names apart from those of anybody's tables", () =>
          Effect.gen(function* () {
            yield* given(6, 5)
            yield* Transaction.autocommit(
              Guarded.write({
                guards: [shard(6, 5)],
                tells: { none: Expression.sql`(SELECT count(*) FROM "_shards")` },
                writes: [
                  Write.insert({
                    into: "_held",
                    columns: { id: integer(6), _judged: Expression.sql`(SELECT count(*) FROM _held)` }
                  })
                ]
              })
            )
            const { sql } = yield* DsqlClient.DsqlClient
            assert.deepStrictEqual(yield* sql`SELECT * FROM _held`, [{ id: 6, _judged: 0n }])
          })
        )

        it.effect("stands among other statements of a transaction", () =>
          Effect.gen(function* () {
            yield* given(7, 5)
            yield* Transaction.run(
              Effect.gen(function* () {
                const sql = yield* Transaction.sql
                yield* sql`UPDATE shards SET info = 'second' WHERE id = 7`
                yield* Guarded.write({ guards: [shard(7, 5)], writes: [put(7, [1])] })
                yield* Fence.shared({ table: "shards", key: { id: 7 }, token: "range" }, 5n)
              })
            )
            assert.deepStrictEqual(yield* stored(7), { range: 5n, tasks: [1] })
          })
        )

        it.effect("costs one statement, or one for each lock, one that judges and one for each write", () =>
          Effect.gen(function* () {
            yield* given(8, 5)
            const statements = yield* counted(
              Transaction.autocommit(
                Guarded.write({ guards: [shard(8, 5), free(8, 1)], writes: [put(8, [1]), raise(8, integer(1))] })
              )
            )
            assert.strictEqual(statements, guarded === "statement" ? 1 : 5)
          })
        )
      }
    )
  }
}

import { DsqlClient, type DsqlError, Expression, Fence, Guard, Guarded, Transaction, Write } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { clusterDatabase } from "../../../test/database.ts"
import { gate, type Holding, holding } from "../../../test/lifetime.ts"
import * as Proxy from "../../../test/proxy.ts"

const shard = { table: "shards", key: { id: 1 }, token: "range" } as const

const integer = (value: number) => Expression.value("integer", value)

/** Adds a task below the shard, which moves no token. */
const add = (task: number) =>
  Effect.asVoid(
    Guarded.write({
      guards: [
        Guard.make({
          name: "shard",
          row: Guard.row("shards", { id: integer(1) }, ["range"], "shared"),
          columns: ["range"],
          holds: (row) => Guard.exists(row, Expression.sql`range = ${Expression.value("bigint", 1n)}`),
          refuse: () => Effect.fail("the shard has moved" as const)
        })
      ],
      writes: [Write.insert({ into: "tasks", columns: { id: integer(task) } })]
    })
  )

/** Holds the shard against everybody, then looks for the task. */
const lookFor = (task: number) => () =>
  Effect.gen(function* () {
    yield* Fence.exclusive(shard)
    const sql = yield* Transaction.sql
    const rows = yield* sql`SELECT 1 FROM tasks WHERE id = ${task}`
    return rows.length === 1 ? Transaction.committed<void>(undefined) : Transaction.notCommitted
  })

interface Scene {
  /** Holds back a message of the client's. */
  readonly hold: Holding["hold"]
  readonly tasks: Effect.Effect<ReadonlyArray<number>, unknown>
  readonly range: Effect.Effect<bigint | undefined, unknown>
  /** What somebody else does. */
  readonly sql: SqlClient.SqlClient
  /** Somebody else moves the token. */
  readonly moved: (to: number) => Effect.Effect<unknown, unknown>
}

/** Runs a test on a client whose messages can be held back, beside one that sees what became of them. */
const scene = <A, E>(
  guarded: "statement" | "transaction",
  test: (scene: Scene) => Effect.Effect<A, E, DsqlClient.DsqlClient | Scope.Scope>
) =>
  Effect.gen(function* () {
    const url = yield* clusterDatabase
    const proxy = yield* Proxy.make(url)
    const { hold, layer } = holding(proxy)
    const { sql } = yield* Effect.map(Layer.build(DsqlClient.layerUrl({ url })), (services) =>
      Effect.runSync(Effect.provide(DsqlClient.DsqlClient, services))
    )
    yield* sql`CREATE TABLE shards (id integer PRIMARY KEY, range bigint NOT NULL)`
    yield* sql`CREATE TABLE tasks (id integer PRIMARY KEY)`
    yield* sql`INSERT INTO shards VALUES (1, 1)`
    const tasks = Effect.map(sql<{ id: number }>`SELECT id FROM tasks ORDER BY id`, (rows) => rows.map(({ id }) => id))
    const range = Effect.map(sql<{ range: bigint }>`SELECT range FROM shards`, (rows) => rows[0]?.range)
    return yield* Effect.provide(
      test({
        hold,
        tasks,
        range,
        sql,
        moved: (to) => sql`UPDATE shards SET range = ${to}`
      }),
      Layer.merge(DsqlClient.layerUrl({ url: proxy.url, guarded, maxConnections: 2 }), layer)
    )
  }).pipe(Effect.scoped)

describe("a statement that arrives after its outcome was settled", () => {
  it.live("does nothing, because the instant until which it was valid is over", () =>
    scene("statement", ({ hold, tasks }) =>
      Effect.gen(function* () {
        const late = yield* hold("INSERT INTO")
        const failure = yield* Effect.flip(Transaction.autocommit(add(2), { verify: lookFor(2) }))
        assert.propertyVal(failure, "_tag", "ConnectionLost")
        yield* late.arrive
        assert.deepStrictEqual(yield* tasks, [])
        yield* Transaction.autocommit(add(2), { verify: lookFor(2) })
        assert.deepStrictEqual(yield* tasks, [2])
      })
    )
  )

  it.live("would take effect if it named no instant, which is why nothing is believed of it", () =>
    scene("statement", ({ hold, tasks }) =>
      Effect.gen(function* () {
        const plain = Effect.flatMap(Transaction.sql, (sql) => sql`INSERT INTO tasks VALUES (2)`)
        const late = yield* hold("INSERT INTO")
        const failure = yield* Effect.flip(Transaction.autocommit(Effect.asVoid(plain), { verify: lookFor(2) }))
        assert.strictEqual(failure._tag, "CommitOutcomeUnknown")
        yield* late.arrive
        assert.deepStrictEqual(yield* tasks, [2])
      })
    )
  )

  it.live("finds the token moved, where it was done again instead", () =>
    scene("statement", ({ hold, range }) =>
      Effect.gen(function* () {
        const late = yield* hold("UPDATE")
        yield* Transaction.autocommit(Fence.compareAndSet(shard, 1n, { range: 2n }), { repeat: true })
        assert.strictEqual(yield* range, 2n)
        yield* Transaction.autocommit(Fence.compareAndSet(shard, 2n, { range: 3n }), { repeat: true })
        yield* late.arrive
        assert.strictEqual(yield* range, 3n)
      })
    )
  )

  it.live("moves no token that was put back since, where it was done again", () =>
    scene("statement", ({ hold, moved, range }) =>
      Effect.gen(function* () {
        const late = yield* hold("UPDATE")
        yield* Transaction.autocommit(Fence.compareAndSet(shard, 1n, { range: 2n }), { repeat: true })
        yield* moved(1)
        yield* late.arrive
        assert.strictEqual(yield* range, 1n)
      })
    )
  )

  it.live("would move it if it named no instant, which is why nothing hand-written is repeated here", () =>
    scene("statement", ({ hold, moved, range }) =>
      Effect.gen(function* () {
        const plain = Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE shards SET range = 2 WHERE range = 1`)
        const late = yield* hold("UPDATE")
        yield* Transaction.autocommit(Effect.asVoid(plain), { repeat: true })
        yield* moved(1)
        yield* late.arrive
        assert.strictEqual(yield* range, 2n)
      })
    )
  )

  it.live("does nothing once it was refused when it was done again, by what holds again later", () =>
    scene("statement", ({ hold, range, sql }) =>
      Effect.gen(function* () {
        const idle = Guard.make({
          name: "idle",
          row: Guard.row("tasks", { id: integer(5) }, ["id"], undefined),
          columns: ["id"],
          holds: (row) => Guard.absent(row),
          refuse: () => Effect.fail("busy" as const)
        })
        const guards: ReadonlyArray<Guard.Guard<DsqlError.ConditionFailed | "busy">> = [Fence.holding(shard, 1n), idle]
        const take = Guarded.write({
          guards,
          writes: [
            Write.update({
              table: "shards",
              set: { range: Expression.value("bigint", 2n) },
              where: Expression.key("shards", { id: integer(1) })
            })
          ]
        })
        const verify = () =>
          Effect.map(Fence.exclusive(shard), (range) =>
            Option.contains(range, 2n) ? Transaction.committed<void>(undefined) : Transaction.notCommitted
          )
        const late = yield* hold("UPDATE")
        const { before, isAsked, open } = gate()
        const taking = yield* Transaction.autocommit(Effect.asVoid(take), { repeat: true, verify }).pipe(
          Effect.flip,
          before,
          Effect.forkChild
        )
        yield* late.held
        yield* sql`INSERT INTO tasks VALUES (5)`
        yield* open
        assert.strictEqual(yield* Fiber.join(taking), "busy")
        assert.isTrue(isAsked())
        yield* sql`DELETE FROM tasks`
        yield* late.arrive
        assert.strictEqual(yield* range, 1n)
      })
    )
  )

  it.live("is answered by the second one's refusal, if somebody else had moved the token", () =>
    scene("statement", ({ hold, moved, range }) =>
      Effect.gen(function* () {
        yield* moved(9)
        const late = yield* hold("UPDATE")
        const failure = yield* Effect.flip(
          Transaction.autocommit(Fence.compareAndSet(shard, 1n, { range: 2n }), {
            repeat: true,
            verify: () => Effect.as(Fence.exclusive(shard), Transaction.notCommitted)
          })
        )
        yield* late.arrive
        assert.strictEqual(yield* range, 9n)
        assert.include(failure, { _tag: "ConditionFailed", expected: 1n, actual: 9n } as const)
      })
    )
  )
})

describe("a COMMIT that arrives after its outcome was settled", () => {
  it.live("conflicts with the look, so that nothing was committed stays true", () =>
    scene("statement", ({ hold, tasks }) =>
      Effect.gen(function* () {
        const late = yield* hold("COMMIT")
        const failure = yield* Effect.flip(Transaction.run(add(2), { verify: lookFor(2) }))
        assert.propertyVal(failure, "_tag", "ConnectionLost")
        yield* late.arrive
        assert.deepStrictEqual(yield* tasks, [])
      })
    )
  )

  it.live("conflicts with the look where a guarded statement is sent as a transaction", () =>
    scene("transaction", ({ hold, tasks }) =>
      Effect.gen(function* () {
        const late = yield* hold("COMMIT")
        const failure = yield* Effect.flip(Transaction.autocommit(add(2), { verify: lookFor(2) }))
        assert.propertyVal(failure, "_tag", "ConnectionLost")
        yield* late.arrive
        assert.deepStrictEqual(yield* tasks, [])
      })
    )
  )

  it.live("would take effect if the look locked only what it found", () =>
    scene("statement", ({ hold, tasks }) =>
      Effect.gen(function* () {
        const look = () =>
          Effect.gen(function* () {
            const sql = yield* Transaction.sql
            const rows = yield* sql`SELECT 1 FROM tasks WHERE id = 2 FOR UPDATE`
            return rows.length === 1 ? Transaction.committed<void>(undefined) : Transaction.notCommitted
          })
        const late = yield* hold("COMMIT")
        const failure = yield* Effect.flip(Transaction.run(add(2), { verify: look }))
        assert.propertyVal(failure, "_tag", "ConnectionLost")
        yield* late.arrive
        assert.deepStrictEqual(yield* tasks, [2])
      })
    )
  )
})

import { DsqlClient, type DsqlError, Expression, Fence, RetryPolicy, Transaction } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Option } from "effect"
import { type SqlError, Statement } from "effect/sql"
import { TestCluster, TestDatabase } from "../../../test/database.ts"

const shard = (id: number): Fence.Guard => ({ table: "shards", key: { shard_id: id }, token: "range_id" })

const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE shards (shard_id integer PRIMARY KEY, range_id bigint NOT NULL, owner text)`
    yield* sql`CREATE TABLE tasks (shard_id integer, task_id integer, PRIMARY KEY (shard_id, task_id))`
  })
)

const given = (id: number, rangeId: bigint) =>
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql`INSERT INTO shards VALUES (${id}, ${rangeId}, 'first')`)

const range = (id: number) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    const rows = yield* sql<{
      range_id: bigint
      owner: string
    }>`SELECT range_id, owner FROM shards WHERE shard_id = ${id}`
    return rows[0]
  })

const addTask = (id: number, task: number) =>
  Effect.flatMap(Transaction.sql, (sql) => sql`INSERT INTO tasks VALUES (${id}, ${task})`)

const tasks = (id: number) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    return (yield* sql`SELECT task_id FROM tasks WHERE shard_id = ${id}`).length
  })

const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })

type Guarding = (
  guard: Fence.Guard,
  expected: bigint
) => Effect.Effect<void, DsqlError.ConditionFailed | SqlError.SqlError, Transaction.Transaction>

/** Reads the token without holding it: the fence that the earlier system had. */
const readOnlyFence: Guarding = (guard, expected) =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const rows = yield* sql<{ range_id: bigint }>`SELECT range_id FROM shards WHERE shard_id = ${guard.key.shard_id}`
    assert.strictEqual(rows[0]?.range_id, expected)
  })

/**
 * A stale owner begins, the new owner takes over and commits, the stale owner goes on.
 * The fence stands at the end of the stale owner's body or at its beginning.
 */
const race = (id: number, fence: Guarding, when: "first" | "last", waits: boolean) =>
  Effect.gen(function* () {
    yield* given(id, 5n)
    const begun = yield* Deferred.make<void>()
    const moved = yield* Deferred.make<void>()
    const stale = yield* Transaction.run(
      Effect.gen(function* () {
        const { sql } = yield* Transaction.Transaction
        // The first read takes the snapshot.
        yield* sql`SELECT 1 FROM shards`
        if (when === "first") yield* fence(shard(id), 5n)
        yield* Deferred.succeed(begun, undefined)
        yield* Deferred.await(moved)
        if (when === "last") yield* fence(shard(id), 5n)
        yield* addTask(id, 1)
      }),
      { policy }
    ).pipe(Effect.result, Effect.forkChild)
    yield* Deferred.await(begun)
    const takeover = yield* Transaction.autocommit(
      Fence.compareAndSet(shard(id), 5n, { range_id: 6n, owner: "second" }),
      {
        policy
      }
    ).pipe(Effect.forkChild)
    // PostgreSQL makes the newcomer wait for a holder; a reader it does not see at all. On DSQL nobody waits.
    if (when === "last" || !waits) yield* Fiber.join(takeover)
    yield* Deferred.succeed(moved, undefined)
    const outcome = yield* Fiber.join(stale)
    yield* Fiber.join(takeover)
    return outcome
  })

/** The contract, the same on both servers but for who waits. */
const suite = (name: string, database: Layer.Layer<DsqlClient.Provided, unknown>, waits: boolean) =>
  layer(Layer.provideMerge(schema, database), { excludeTestServices: true })(`Fence on ${name}`, (it) => {
    it.effect("moves a token that is the expected one", () =>
      Effect.gen(function* () {
        yield* given(1, 5n)
        yield* Transaction.run(Fence.compareAndSet(shard(1), 5n, { range_id: 6n, owner: "second" }))
        assert.deepStrictEqual(yield* range(1), { range_id: 6n, owner: "second" })
      })
    )

    it.effect("leaves a token that has moved, and says what it is now", () =>
      Effect.gen(function* () {
        yield* given(2, 7n)
        const failure = yield* Effect.flip(Transaction.run(Fence.compareAndSet(shard(2), 5n, { range_id: 6n })))
        assert.include(failure, {
          _tag: "ConditionFailed",
          what: "shards(shard_id = 2).range_id",
          expected: 5n,
          actual: 7n
        } as const)
        assert.deepStrictEqual(yield* range(2), { range_id: 7n, owner: "first" })
      })
    )

    it.effect("says that the guard is missing", () =>
      Effect.gen(function* () {
        for (const fenced of [
          Fence.shared(shard(404), 5n),
          Fence.compareAndSet(shard(404), 5n, { range_id: 6n }),
          Fence.compareAndDelete(shard(404), 5n)
        ]) {
          const failure = yield* Effect.flip(Transaction.run(fenced))
          assert.include(failure, { _tag: "ConditionFailed", actual: undefined } as const)
        }
        assert.isTrue(Option.isNone(yield* Transaction.run(Fence.exclusive(shard(404)))))
      })
    )

    it.effect("compares a token by the type of its column, however it is given", () =>
      Effect.gen(function* () {
        const { sql } = yield* DsqlClient.DsqlClient
        const id = "0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d11"
        yield* sql`CREATE TABLE typed (id integer PRIMARY KEY, small integer, large bigint, owner uuid, name text)`
        yield* sql`INSERT INTO typed VALUES (1, 1, 1, ${id}, 'a')`
        for (const [token, expected] of [
          ["small", 1],
          ["small", 1n],
          ["large", 1],
          ["large", 1n],
          ["owner", id.toUpperCase()],
          ["name", "a"]
        ] as const) {
          const guard = { table: "typed", key: { id: 1 }, token }
          yield* Transaction.run(Fence.shared(guard, expected))
          yield* Transaction.autocommit(Fence.compareAndSet(guard, expected, { name: "a" }))
        }
      })
    )

    it.effect.each([
      ["timestamptz", "'2026-11-28 00:00:00.123456Z'", "2026-11-28 00:00:00.123456+00"],
      ["timestamp", "'2026-11-28 00:00:00.123456'", "2026-11-28 00:00:00.123456"],
      ["date", "'2026-11-28'", "2026-11-28"],
      ["bytea", "'\\x00ff'", "\\x00ff"],
      ["boolean", "true", "true"],
      ["numeric(6, 2)", "1.50", "1.50"],
      ["double precision", "0.1", 0.1],
      ["uuid", "'0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d11'", "0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d11"]
    ] as const)("refuses a token of %s with the one that is there, and takes that one", ([type, stored, token]) =>
      Effect.gen(function* () {
        const { sql } = yield* DsqlClient.DsqlClient
        const table = `tokens_${type.replaceAll(/\W+/g, "_")}`
        yield* sql.unsafe(`CREATE TABLE ${table} (id integer PRIMARY KEY, token ${type})`)
        yield* sql.unsafe(`INSERT INTO ${table} VALUES (1, ${stored}), (2, NULL)`)
        const guard = { table, key: { id: 1 }, token: "token" }
        const other = {
          timestamptz: "2026-11-28 00:00:00.123457+00",
          timestamp: "2026-11-28 00:00:00.123457",
          date: "2026-11-29",
          bytea: "\\x01",
          boolean: "false",
          "numeric(6, 2)": "1.51",
          "double precision": 0.2,
          uuid: "0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d12"
        }[type]
        for (const fenced of [
          Fence.shared(guard, other),
          Fence.compareAndSet(guard, other, { id: 9 }),
          Fence.compareAndDelete(guard, other)
        ]) {
          const failure = yield* Effect.flip(Transaction.autocommit(fenced))
          assert.include(failure, { _tag: "ConditionFailed", expected: other, actual: token } as const)
        }
        assert.deepStrictEqual(yield* Transaction.autocommit(Fence.exclusive(guard)), Option.some(token))
        yield* Transaction.autocommit(Fence.shared(guard, token))
        yield* Transaction.autocommit(Fence.compareAndDelete(guard, token))
      })
    )

    it.effect("dies at a set of no columns, with one clear line", () =>
      Effect.gen(function* () {
        const none: Record<string, unknown> = {}
        const exit = yield* Effect.exit(Transaction.autocommit(Fence.compareAndSet(shard(1), 5n, none)))
        assert(Exit.isFailure(exit))
        assert.strictEqual(
          String(Cause.squash(exit.cause)),
          "Error: a write of shards names no column: name at least one"
        )
      })
    )

    it.effect("never takes NULL for a token, and says that it is", () =>
      Effect.gen(function* () {
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`CREATE TABLE unowned (id integer PRIMARY KEY, owner text)`
        yield* sql`INSERT INTO unowned VALUES (1, NULL)`
        const guard = { table: "unowned", key: { id: 1 }, token: "owner" }
        for (const fenced of [
          Fence.shared(guard, "me"),
          Fence.compareAndSet(guard, "me", { owner: "you" }),
          Fence.compareAndDelete(guard, "me")
        ]) {
          const failure = yield* Effect.flip(Transaction.run(fenced))
          assert.include(failure, { _tag: "ConditionFailed", actual: null } as const)
          assert.strictEqual(failure.message, "unowned(id = 1).owner: expected me, but it is NULL")
        }
        assert.deepStrictEqual(yield* Transaction.run(Fence.exclusive(guard)), Option.some(null))
      })
    )

    it.effect("guards a table of any name, and sets values of any kind", () =>
      Effect.gen(function* () {
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`CREATE TABLE guard (held integer PRIMARY KEY, token bigint, written jsonb, at timestamptz)`
        yield* sql`INSERT INTO guard VALUES (1, 5, NULL, NULL)`
        const guard = { table: "guard", key: { held: 1 }, token: "token" }
        yield* Transaction.autocommit(
          Fence.compareAndSet(guard, 5n, {
            token: sql`token + 1`,
            written: sql.json({ by: "me" }),
            at: sql`'2026-11-28T00:00:00Z'::timestamptz`
          })
        )
        assert.deepStrictEqual(yield* sql`SELECT token, written FROM guard`, [{ token: 6n, written: { by: "me" } }])
      })
    )

    it.effect("sends one text and its values in their places, also where it has to be put together anew", () =>
      Effect.gen(function* () {
        yield* given(30, 5n)
        yield* Transaction.autocommit(addTask(30, 2))
        const sent = Effect.fnUntraced(function* (
          fenced: Effect.Effect<void, DsqlError.ConditionFailed | SqlError.SqlError, Transaction.Transaction>
        ) {
          const texts: Array<string> = []
          const values: Array<unknown> = []
          const keeping: Statement.Transformer = (statement) =>
            Effect.sync(() => {
              const [text, parameters] = statement.compile()
              texts.push(text)
              values.push(...parameters)
              return statement
            })
          yield* Effect.provideService(Transaction.autocommit(fenced), Statement.CurrentTransformer, keeping)
          return { texts, values }
        })
        const first = yield* sent(Fence.compareAndSet(shard(30), 5n, { range_id: 6n, owner: "a" }))
        assert.deepStrictEqual(first.values, [30, 5n, 30, 6n, "a", 30])
        const again = yield* sent(Fence.compareAndSet(shard(30), 6n, { range_id: 7n, owner: "b" }))
        assert.deepStrictEqual(again, { texts: first.texts, values: [30, 6n, 30, 7n, "b", 30] })
        const range_id = Expression.sql`${8n}`
        const anew = yield* sent(Fence.compareAndSet(shard(30), 7n, { range_id, owner: "c" }))
        assert.deepStrictEqual(anew, { texts: first.texts, values: [30, 7n, 30, 8n, "c", 30] })
        const turned = yield* sent(Fence.compareAndSet(shard(30), 8n, { owner: "d", range_id: 9n }))
        assert.notDeepEqual(turned.texts, first.texts)
        assert.deepStrictEqual(turned.values, [30, 8n, 30, "d", 9n, 30])
        const task = { table: "tasks", key: { shard_id: 30, task_id: 2 }, token: "task_id" }
        assert.deepStrictEqual((yield* sent(Fence.compareAndDelete(task, 2))).values, [30, 2, 2, 30, 2, 30, 2])
        assert.deepStrictEqual(yield* range(30), { range_id: 9n, owner: "d" })
        assert.strictEqual(yield* tasks(30), 0)
      })
    )

    it.effect("dies at a key that names several rows, before anything is written", () =>
      Effect.gen(function* () {
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`CREATE TABLE parts (id integer, part integer, token bigint, PRIMARY KEY (id, part))`
        yield* sql`INSERT INTO parts VALUES (1, 1, 5), (1, 2, 5)`
        const guard = { table: "parts", key: { id: 1 }, token: "token" }
        for (const fenced of [
          Fence.shared(guard, 5n),
          Fence.exclusive(guard),
          Fence.compareAndSet(guard, 5n, { token: 6n }),
          Fence.compareAndDelete(guard, 5n)
        ]) {
          const defect = yield* Effect.flip(Effect.sandbox(Transaction.autocommit(fenced)))
          assert.include(Cause.pretty(defect), "this key names 2 rows, and a guard is one: name its primary key")
        }
        assert.deepStrictEqual(yield* sql`SELECT token FROM parts`, [{ token: 5n }, { token: 5n }])
      })
    )

    it.effect("needs one statement", () =>
      Effect.gen(function* () {
        yield* given(3, 5n)
        yield* Transaction.autocommit(Fence.shared(shard(3), 5n))
        yield* Transaction.autocommit(Fence.compareAndSet(shard(3), 5n, { range_id: 6n }))
        assert.deepStrictEqual(yield* Transaction.autocommit(Fence.exclusive(shard(3))), Option.some(6n))
        yield* Transaction.autocommit(Fence.compareAndDelete(shard(3), 6n))
        assert.isUndefined(yield* range(3))
      })
    )

    it.effect("does not delete a guard whose token has moved", () =>
      Effect.gen(function* () {
        yield* given(4, 7n)
        yield* Effect.flip(Transaction.run(Fence.compareAndDelete(shard(4), 5n)))
        assert.strictEqual((yield* range(4))?.range_id, 7n)
      })
    )

    it.effect("touches the guard of its key alone", () =>
      Effect.gen(function* () {
        yield* given(5, 5n)
        yield* given(6, 5n)
        yield* Transaction.run(Fence.compareAndSet(shard(5), 5n, { range_id: 6n }))
        assert.strictEqual((yield* range(6))?.range_id, 5n)
      })
    )

    it.effect("lets the writers of one owner go side by side", () =>
      Effect.gen(function* () {
        yield* given(7, 5n)
        const inside = yield* Deferred.make<void>()
        const done = yield* Deferred.make<void>()
        const first = yield* Transaction.run(
          Effect.gen(function* () {
            yield* Fence.shared(shard(7), 5n)
            yield* Deferred.succeed(inside, undefined)
            yield* Deferred.await(done)
            yield* addTask(7, 1)
          })
        ).pipe(Effect.forkChild)
        yield* Deferred.await(inside)
        // This one commits while the first one still holds the guard.
        yield* Transaction.run(Effect.andThen(Fence.shared(shard(7), 5n), addTask(7, 2)))
        yield* Deferred.succeed(done, undefined)
        yield* Fiber.join(first)
        assert.strictEqual(yield* tasks(7), 2)
      })
    )

    it.effect("refuses a stale owner whose write began before the takeover and commits after it", () =>
      Effect.gen(function* () {
        const outcome = yield* race(8, Fence.shared, "last", waits)
        assert(outcome._tag === "Failure")
        assert.include(outcome.failure, { _tag: "ConditionFailed", expected: 5n, actual: 6n } as const)
        assert.strictEqual(yield* tasks(8), 0)
      })
    )

    it.effect("never lets a write that held the guard before the takeover commit after it", () =>
      Effect.gen(function* () {
        const outcome = yield* race(9, Fence.shared, "first", waits)
        // Where the newcomer waits the write comes first; where nobody waits it starts over, and is refused.
        assert.strictEqual(outcome._tag, waits ? "Success" : "Failure")
        assert.strictEqual(yield* tasks(9), waits ? 1 : 0)
        assert.strictEqual((yield* range(9))?.range_id, 6n)
      })
    )

    it.effect("would lose that race if it only read the token", () =>
      Effect.gen(function* () {
        const outcome = yield* race(10, readOnlyFence, "last", waits)
        assert.strictEqual(outcome._tag, "Success")
        assert.strictEqual(yield* tasks(10), 1)
        assert.strictEqual((yield* range(10))?.range_id, 6n)
      })
    )

    it.effect("takes FOR UPDATE where the cluster has no FOR KEY SHARE, with the same outcome", () =>
      Effect.gen(function* () {
        const outcome = yield* Effect.provideService(
          race(11, Fence.shared, "last", waits),
          Fence.SharedLock,
          "FOR UPDATE"
        )
        assert(outcome._tag === "Failure")
        assert.strictEqual(yield* tasks(11), 0)
      })
    )

    it.effect("leaves one winner of sixteen who take the same token", () =>
      Effect.gen(function* () {
        yield* given(12, 0n)
        const owners = Array.from({ length: 16 }, (_, owner) => `owner ${owner}`)
        const outcomes = yield* Effect.forEach(
          owners,
          (owner) =>
            Effect.result(
              Transaction.autocommit(Fence.compareAndSet(shard(12), 0n, { range_id: 1n, owner }), { policy })
            ),
          { concurrency: "unbounded" }
        )
        const winners = owners.filter((_, index) => outcomes[index]?._tag === "Success")
        assert.strictEqual(winners.length, 1)
        assert.deepStrictEqual(yield* range(12), { range_id: 1n, owner: winners[0] ?? "" })
        for (const outcome of outcomes) {
          if (outcome._tag === "Failure") assert.strictEqual(outcome.failure._tag, "ConditionFailed")
        }
      })
    )
  })

suite("PostgreSQL", TestDatabase(), true)
for (const guarded of ["statement", "transaction"] as const) {
  suite(`Aurora DSQL as a ${guarded}`, TestCluster({ guarded }), false)
}

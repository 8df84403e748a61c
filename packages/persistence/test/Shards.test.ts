import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { type Shard, Shards } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option } from "effect"
import { blob, shardId } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })

const given = (rangeId: bigint) =>
  Effect.gen(function* () {
    const shards = yield* Shards.Shards
    return yield* shards.getOrCreate(shardId(), () => ({ rangeId, info: blob() }))
  })

const task = (id: number) => (shard: Shard.Shard) =>
  Effect.flatMap(
    Transaction.sql,
    (sql) =>
      sql`INSERT INTO transfer_tasks ${sql.insert({ shard_id: shard.shardId, task_id: id, data: new Uint8Array(), data_encoding: "Proto3" })}`
  )

const tasks = (shard: Shard.Shard) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    return (yield* sql`SELECT task_id FROM transfer_tasks WHERE shard_id = ${shard.shardId}`).length
  })

describeStores("Shards", (it) => {
  it.effect("creates a shard with the given info, and reads it back", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given(5n)
      assert.strictEqual(shard.rangeId, 5n)
      assert.deepStrictEqual(yield* shards.find(shard.shardId), Option.some(shard))
    })
  )

  it.effect("leaves a shard that is there as it is", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given(5n)
      const again = yield* shards.getOrCreate(shard.shardId, () => ({ rangeId: 9n, info: blob() }))
      assert.deepStrictEqual(again, shard)
      assert.deepStrictEqual(yield* shards.find(shard.shardId), Option.some(shard))
    })
  )

  it.effect("gives sixteen who create one shard at once the same shard", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const id = shardId()
      const created = yield* Effect.forEach(
        Array.from({ length: 16 }, (_, index) => BigInt(index)),
        (rangeId) => shards.getOrCreate(id, () => ({ rangeId, info: blob() })),
        { concurrency: "unbounded" }
      )
      const stored = Option.getOrThrow(yield* shards.find(id))
      for (const shard of created) assert.deepStrictEqual(shard, stored)
    })
  )

  it.effect("reads nothing where there is no shard", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      assert.isTrue(Option.isNone(yield* shards.find(shardId())))
    })
  )

  it.effect("updates a shard whose range is the expected one", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given(5n)
      const taken = { ...shard, rangeId: 105n, info: blob() }
      yield* shards.update(taken, 5n)
      assert.deepStrictEqual(yield* shards.find(shard.shardId), Option.some(taken))
    })
  )

  it.effect("refuses a stale owner's update, says which range is current, and changes nothing", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given(5n)
      const taken = { ...shard, rangeId: 6n, info: blob() }
      yield* shards.update(taken, 5n)
      const lost = yield* Effect.flip(shards.update({ ...shard, info: blob() }, 5n))
      assert.include(lost, { _tag: "ShardOwnershipLost", shardId: shard.shardId, expected: 5n, actual: 6n } as const)
      assert.deepStrictEqual(yield* shards.find(shard.shardId), Option.some(taken))
    })
  )

  it.effect("never lets a stale owner move the range back", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given(5n)
      yield* shards.update({ ...shard, rangeId: 9n }, 5n)
      yield* Effect.flip(shards.update({ ...shard, rangeId: 6n }, 5n))
      assert.strictEqual(Option.getOrThrow(yield* shards.find(shard.shardId)).rangeId, 9n)
    })
  )

  it.effect("writes nothing where there is no shard to update", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const id = shardId()
      const lost = yield* Effect.flip(shards.update({ shardId: id, rangeId: 6n, info: blob() }, 5n))
      assert.include(lost, { _tag: "ShardOwnershipLost", actual: undefined } as const)
      assert.isTrue(Option.isNone(yield* shards.find(id)))
    })
  )

  it.effect("refuses info that no column could hold, before it sends it", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given(5n)
      const info = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
      const refused = yield* Effect.flip(shards.update({ ...shard, info }, 5n))
      assert.include(refused, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
      assert.include(refused.message, "shards.data")
    })
  )

  it.effect("holds the range for a transaction, and gives it to one that takes it", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given(5n)
      yield* Transaction.run(shards.shared({ shardId: shard.shardId, rangeId: 5n }))
      assert.deepStrictEqual(yield* Transaction.run(shards.exclusive(shard.shardId)), Option.some(5n))
      const lost = yield* Effect.flip(Transaction.run(shards.shared({ shardId: shard.shardId, rangeId: 4n })))
      assert.include(lost, { _tag: "ShardOwnershipLost", expected: 4n, actual: 5n } as const)
    })
  )

  it.effect("names a row whose columns are not what they should be", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given(5n)
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE shards SET data_encoding = 'Thrift' WHERE shard_id = ${shard.shardId}`
      const malformed = yield* Effect.flip(shards.find(shard.shardId))
      assert.include(malformed, { _tag: "MalformedRow", table: "shards", key: `shard_id = ${shard.shardId}` } as const)
      assert.include(malformed.message, "data_encoding")
    })
  )
})

/**
 * The race that the earlier system lost: a stale owner's transaction begins, another host takes the shard over, and
 * the stale owner writes and commits.
 */
const race = (hold: (shard: Shard.Shard) => Effect.Effect<unknown, unknown, Shards.Shards | Transaction.Transaction>) =>
  Effect.gen(function* () {
    const shards = yield* Shards.Shards
    const shard = yield* given(5n)
    const begun = yield* Deferred.make<void>()
    const taken = yield* Deferred.make<void>()
    const stale = yield* Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        // The first read takes the snapshot that the whole transaction sees.
        yield* sql`SELECT range_id FROM shards WHERE shard_id = ${shard.shardId}`
        yield* Deferred.succeed(begun, undefined)
        yield* Deferred.await(taken)
        yield* hold(shard)
        yield* task(1)(shard)
      }),
      { policy }
    ).pipe(Effect.result, Effect.forkChild)
    yield* Deferred.await(begun)
    yield* shards.update({ ...shard, rangeId: 6n }, 5n)
    yield* Deferred.succeed(taken, undefined)
    return { outcome: yield* Fiber.join(stale), written: yield* tasks(shard) }
  })

describeStores("a stale owner's write, begun before the takeover", (it) => {
  it.effect("does not commit after it", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const { outcome, written } = yield* race((shard) =>
        shards.shared({ shardId: shard.shardId, rangeId: shard.rangeId })
      )
      assert(outcome._tag === "Failure")
      assert.include(outcome.failure, { _tag: "ShardOwnershipLost", expected: 5n, actual: 6n } as const)
      assert.strictEqual(written, 0)
    })
  )

  it.effect("would commit if the shard were only read, as the earlier system did", () =>
    Effect.gen(function* () {
      const { outcome, written } = yield* race((shard) =>
        Effect.gen(function* () {
          const sql = yield* Transaction.sql
          const rows = yield* sql<{ range_id: bigint }>`SELECT range_id FROM shards WHERE shard_id = ${shard.shardId}`
          // It looks as if the range were still its own.
          assert.strictEqual(rows[0]?.range_id, 5n)
        })
      )
      assert.strictEqual(outcome._tag, "Success")
      assert.strictEqual(written, 1)
    })
  )
})

describeStores("a stale owner's update of the shard", (it) => {
  const takenOver = (
    update: (shard: Shard.Shard) => Effect.Effect<unknown, unknown, DsqlClient.DsqlClient | Shards.Shards>
  ) =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      const shard = yield* given(5n)
      yield* shards.update({ ...shard, rangeId: 6n }, 5n)
      yield* Effect.ignore(update(shard))
      return Option.getOrThrow(yield* shards.find(shard.shardId)).rangeId
    })

  it.effect("leaves the new owner's range", () =>
    Effect.gen(function* () {
      const shards = yield* Shards.Shards
      assert.strictEqual(yield* takenOver((shard) => shards.update(shard, shard.rangeId)), 6n)
    })
  )

  it.effect("would move the range back if its WHERE clause did not name the range", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      const unfenced = (shard: Shard.Shard) =>
        sql`UPDATE shards SET range_id = ${shard.rangeId} WHERE shard_id = ${shard.shardId}`
      assert.strictEqual(yield* takenOver(unfenced), 5n)
    })
  )
})

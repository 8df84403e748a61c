/**
 * Effect's own suite of runner storages, in this repository's words, and what this storage promises beyond it.
 */
import { Testing } from "@effect-dsql/testing"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Runner, type RunnerAddress } from "effect/cluster"
import { describeCluster, prefix, process, rivals, rows, shard } from "./support/cluster.ts"

const shards = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => shard(from + index))

const runner = (address: RunnerAddress.RunnerAddress) => Runner.make({ address, groups: ["default"], weight: 1 })

describeCluster("DsqlRunnerStorage", (it) => {
  it.effect("lists the runners of its cluster, and whether they are well", () =>
    Effect.gen(function* () {
      const { address, runners } = yield* process({ prefix: prefix() })
      const stranger = yield* process({ prefix: prefix() })
      yield* stranger.runners.register(runner(stranger.address), true)
      const machineId = yield* runners.register(runner(address), true)
      assert.strictEqual(yield* runners.register(runner(address), true), machineId)
      assert.deepStrictEqual(yield* runners.getRunners, [[runner(address), true]])
      yield* runners.setRunnerHealth(address, false)
      assert.deepStrictEqual(yield* runners.getRunners, [[runner(address), false]])
      yield* runners.unregister(address)
      assert.deepStrictEqual(yield* runners.getRunners, [])
    })
  )

  it.effect("gives each runner a machine id of its own, in whatever cluster, and begins anew when one has left", () =>
    Effect.gen(function* () {
      const all = yield* Effect.forEach([1, 2, 3, 4, 5], () => process({ prefix: prefix() }))
      const ids = yield* Effect.forEach(all, ({ address, runners }) => runners.register(runner(address), true), {
        concurrency: "unbounded"
      })
      assert.strictEqual(new Set(ids).size, all.length)
      const [first] = all
      if (first === undefined) return
      // Its Snowflakes may still be under way: the slot is nobody else's before its lease is over.
      yield* first.runners.unregister(first.address)
      const late = yield* process({ prefix: prefix() })
      assert.notInclude(ids, yield* late.runners.register(runner(late.address), true))
    })
  )

  it.effect("takes a slot of a runner that no longer renews it when no other is left", () =>
    Effect.gen(function* () {
      const { address, runners } = yield* process({ prefix: prefix() })
      const filled = yield* rows(`
        INSERT INTO cluster_runners (machine_id, cluster, owner, address, runner, healthy, expires_at)
        SELECT slot, 'filled', gen_random_uuid(), 'x', '', true, now() + CASE WHEN slot = 77 THEN -1 ELSE 1 END * interval '1 hour'
        FROM generate_series(0, 1023) AS slot ON CONFLICT (machine_id) DO NOTHING RETURNING machine_id`)
      assert.isAbove(filled.length, 900)
      yield* rows(
        "UPDATE cluster_runners SET expires_at = now() - interval '1 second' WHERE machine_id = 77 RETURNING 1"
      )
      assert.strictEqual(Number(yield* runners.register(runner(address), true)), 77)
      yield* rows("DELETE FROM cluster_runners WHERE cluster = 'filled' RETURNING 1")
    })
  )

  it.effect("grants shards that nobody holds, and one's own again, under one fence", () =>
    Effect.gen(function* () {
      const cluster = prefix()
      const one = yield* process({ prefix: cluster })
      const other = yield* process({ prefix: cluster })
      const stranger = yield* process({ prefix: prefix() })
      assert.deepStrictEqual(yield* one.runners.acquire(one.address, shards(1, 3)), shards(1, 3))
      assert.deepStrictEqual(yield* other.runners.acquire(other.address, shards(1, 4)), [shard(4)])
      assert.deepStrictEqual(yield* one.runners.acquire(one.address, shards(1, 4)), shards(1, 3))
      assert.deepStrictEqual(yield* stranger.runners.acquire(stranger.address, shards(1, 4)), shards(1, 4))
      assert.strictEqual(one.holding.find("default:1")?.fence, 1n)
      assert.deepStrictEqual(yield* one.runners.refresh(one.address, shards(1, 4)), shards(1, 3))
      yield* one.runners.release(one.address, shard(2))
      assert.deepStrictEqual(yield* other.runners.acquire(other.address, shards(1, 3)), [shard(2)])
      yield* one.runners.releaseAll(one.address)
      assert.deepStrictEqual(yield* other.runners.acquire(other.address, shards(1, 3)), shards(1, 3))
      assert.deepStrictEqual(yield* one.runners.refresh(one.address, shards(1, 3)), [])
    })
  )

  it.effect("never grants a shard to two processes at one address", () =>
    Effect.gen(function* () {
      const options = { prefix: prefix(), host: "localhost" }
      const [one, other] = [yield* process(options), yield* process(options)]
      assert.deepStrictEqual(yield* one.runners.acquire(one.address, [shard()]), [shard()])
      assert.deepStrictEqual(yield* other.runners.acquire(other.address, [shard()]), [])
      assert.deepStrictEqual(yield* other.runners.refresh(other.address, [shard()]), [])
    })
  )

  it.effect("grants a shard whose lease is over, under a fence that has grown, and confirms it to nobody else", () =>
    Effect.gen(function* () {
      const { one, other } = yield* rivals
      const fences: Array<bigint | undefined> = []
      for (const { address, holding, runners } of [one, other, one]) {
        assert.deepStrictEqual(yield* runners.acquire(address, [shard()]), [shard()])
        fences.push(holding.find("default:1")?.fence)
      }
      assert.deepStrictEqual(fences, [1n, 2n, 3n])
      assert.deepStrictEqual(yield* other.runners.refresh(other.address, [shard()]), [])
      assert.isUndefined(other.holding.find("default:1"))
      yield* one.runners.release(one.address, shard())
      yield* other.runners.acquire(other.address, [shard()])
      // Given back, it had another fence already.
      assert.strictEqual(other.holding.find("default:1")?.fence, 5n)
    })
  )

  it.effect("confirms one shard from memory while the database has just confirmed it", () =>
    Effect.gen(function* () {
      const { address, holding, runners } = yield* process({ prefix: prefix() })
      yield* runners.acquire(address, [shard()])
      yield* rows(
        `UPDATE cluster_shards SET owner = NULL, fence = fence + 1 WHERE shard_id = '${holding.prefix}/default:1' RETURNING 1`
      )
      assert.deepStrictEqual(yield* runners.refresh(address, [shard()]), [shard()])
      // What is not young, or not alone, is asked for.
      assert.deepStrictEqual(yield* runners.refresh(address, [shard(), shard(2)]), [])
      assert.deepStrictEqual(yield* runners.refresh(address, [shard()]), [])
    })
  )

  /** A shard of a lease of half a minute that is to be renewed every 200 ms, last confirmed so many milliseconds ago. */
  const confirmed = Effect.fnUntraced(function* (millis: number) {
    const shardingConfig = { shardLockExpiration: "30 seconds", shardLockRefreshInterval: "200 millis" } as const
    const one = yield* process({ prefix: prefix(), shardingConfig })
    yield* one.runners.acquire(one.address, [shard()])
    const held = one.holding.find("default:1")
    if (held === undefined) return yield* Effect.die("it was acquired")
    one.holding.grant("default:1", { ...held, confirmedAt: held.confirmedAt - BigInt(millis) * 1_000_000n })
    return one
  })

  const unavailable = Effect.flatMap(Testing.Control, ({ inject }) =>
    Effect.acquireRelease(inject({ on: "commit", fault: "unavailable" }), () =>
      Effect.orDie(Effect.flatMap(Testing.Control, ({ clear }) => clear))
    )
  )

  it.effect("keeps one shard while its lease lasts, where the database does not say", () =>
    Effect.gen(function* () {
      const { address, runners } = yield* confirmed(29_000)
      yield* unavailable
      assert.deepStrictEqual(yield* runners.refresh(address, [shard()]), [shard()])
    })
  )

  it.effect("keeps it no longer than until the last renewal before its end", () =>
    Effect.gen(function* () {
      const { address, runners } = yield* confirmed(29_900)
      yield* unavailable
      assert.strictEqual((yield* Effect.flip(runners.refresh(address, [shard()])))._tag, "PersistenceError")
    })
  )

  it.effect("confirms together what is asked for one by one at once", () =>
    Effect.gen(function* () {
      const { address, holding, runners } = yield* process({ prefix: prefix() })
      const control = yield* Testing.Control
      const many = shards(1, 20)
      yield* runners.acquire(address, many)
      // What is not known to be held has to be asked for.
      for (const shardId of many) holding.lose(shardId.toString())
      yield* control.reset
      const asked = [...many, shard(21)]
      const confirmed = yield* Effect.forEach(asked, (shardId) => runners.refresh(address, [shardId]), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(confirmed.flat(), many)
      assert.strictEqual((yield* control.counts()).roundTrips, 1)
    })
  )

  it.effect("takes, renews and gives back more shards than a transaction has room for", () =>
    Effect.gen(function* () {
      const { address, runners } = yield* process({ prefix: prefix() })
      const many = shards(1, 3_001)
      assert.strictEqual((yield* runners.acquire(address, many)).length, many.length)
      assert.strictEqual((yield* runners.refresh(address, many)).length, many.length)
      yield* runners.releaseAll(address)
      assert.deepStrictEqual(yield* runners.refresh(address, many), [])
    })
  )

  it.effect("probes the database where there is no shard to renew", () =>
    Effect.gen(function* () {
      const { address, runners } = yield* process({ prefix: prefix() })
      assert.deepStrictEqual(yield* runners.refresh(address, []), [])
    })
  )
})

/**
 * What an operator is told of a cluster.
 */
import { Inspection } from "@effect-dsql/cluster"
import { assert } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { Runner } from "effect/cluster"
import { delayed, describeCluster, exit, prefix, process, request, requestIn, rows, shard } from "./support/cluster.ts"

describeCluster("Inspection.status", (it) => {
  it.effect("says who runs, who holds which shard for how long, and what waits", () =>
    Effect.gen(function* () {
      const one = yield* process({ prefix: prefix(), shardingConfig: { shardLockExpiration: "1 hour" } })
      const cluster = one.holding.prefix
      const { address, messages, runners } = one
      const runner = Runner.make({ address, groups: ["default"], weight: 1 })
      const machineId = yield* runners.register(runner, true)
      yield* runners.acquire(address, [shard(1), shard(2), shard(3)])
      yield* runners.release(address, shard(2))
      yield* rows(
        `UPDATE cluster_shards SET expires_at = now() - interval '90 seconds' WHERE shard_id = '${cluster}/default:3' RETURNING 1`
      )
      const [decided, sent] = [request(), request()]
      yield* messages.saveRequest(decided)
      yield* requestIn(yield* messages.unprocessedMessages([shard()])).respond(exit(decided))
      const asleep = request({ entityId: "asleep" })
      yield* messages.saveRequest(asleep)
      yield* requestIn(yield* messages.unprocessedMessages([shard()])).respond(exit(asleep))
      yield* rows(
        `UPDATE cluster_requests SET suspended = TRUE, tag = 'run', entity_type = 'Workflow/Order' WHERE id = ${asleep.envelope.requestId} RETURNING 1`
      )
      yield* messages.saveRequest(sent)
      yield* messages.saveRequest(request({ shardId: shard(9) }))
      const { at } = yield* Inspection.clusters
      const now = DateTime.toEpochMillis(at)
      yield* messages.saveRequest(delayed(now + 3_600_000))
      const found = yield* Inspection.status({ prefix: cluster })
      assert.strictEqual(found.cluster, cluster)
      assert.isAtMost(Math.abs(DateTime.toEpochMillis(found.at) - now), 60_000)
      const hour = (millis: number | undefined) =>
        assert.isTrue(millis !== undefined && millis > 3_500_000 && millis <= 3_600_000)
      const [slot, ...others] = found.runners
      assert.deepStrictEqual(others, [])
      assert.deepInclude(slot, { machineId, address: `${address.host}:1`, healthy: true, left: false })
      const owner = slot?.owner
      hour(slot?.leaseLeft)
      assert.isAtLeast(found.machineIds.taken, 1)
      assert.strictEqual(found.machineIds.all, 1_024)
      assert.deepStrictEqual(
        found.shards.map(({ fence, holder, shard }) => [shard, fence, holder?.owner]),
        [
          ["default:1", 1n, owner],
          ["default:2", 2n, undefined],
          ["default:3", 1n, owner]
        ]
      )
      hour(found.shards[0]?.holder?.leaseLeft)
      assert.isBelow(found.shards[2]?.holder?.leaseLeft ?? 0, -89_999)
      assert.deepStrictEqual(found.requests, { due: 2, later: 1, suspended: 1, finished: 1, more: false })
      assert.strictEqual(found.oldest?.requestId, sent.envelope.requestId)
      assert.strictEqual(found.oldest?.shard, "default:1")
      assert.isTrue(found.oldest !== null && found.oldest.age >= 0 && found.oldest.age < 60_000)

      // A message that was to come later is as old as its instant; of any other it is said since when it waits.
      const late = delayed(now - 7_200_000)
      yield* messages.saveRequest(late)
      yield* rows("UPDATE cluster_inbox SET since = since - interval '5 hours' WHERE due_at > 0 RETURNING 1")
      yield* runners.unregister(address)
      const later = yield* Inspection.status({ prefix: cluster })
      assert.strictEqual(later.oldest?.requestId, late.envelope.requestId)
      assert.isAtLeast(later.oldest?.age ?? 0, 7_200_000)
      assert.strictEqual(later.runners[0]?.left, true)
    })
  )

  it.effect("says that there is nothing where no runner has been, and which clusters there are", () =>
    Effect.gen(function* () {
      const known = yield* process({ prefix: prefix() })
      yield* known.runners.acquire(known.address, [shard(1), shard(2)])
      const other = yield* process({ prefix: prefix() })
      yield* other.runners.register(Runner.make({ address: other.address, groups: ["default"], weight: 1 }), true)
      const { prefixes } = yield* Inspection.clusters
      assert.includeMembers([...prefixes], [known.holding.prefix, other.holding.prefix])
      assert.strictEqual(new Set(prefixes).size, prefixes.length)
      const { oldest, requests, runners, shards } = yield* Inspection.status({ prefix: prefix() })
      assert.deepStrictEqual([oldest, runners, shards], [null, [], []])
      assert.deepStrictEqual(requests, { due: 0, later: 0, suspended: 0, finished: 0, more: false })
    })
  )
})

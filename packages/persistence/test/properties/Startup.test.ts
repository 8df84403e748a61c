/**
 * Property 8: hosts that start at the same time find or make what a cluster begins with, whatever the order of their
 * steps, and all of them the same.
 */
import {
  Archetype,
  ClusterMembers,
  Clusters,
  Executions,
  Namespaces,
  Shards,
  TaskQueues
} from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { place, snapshot } from "../support/executions.ts"
import { describeAlone } from "../support/persistence.ts"
import { blob, clusterName, heartbeat, shardId } from "../support/rows.ts"
import {
  asItIs,
  interleave,
  mustFail,
  parameters,
  type Runs,
  type Rewrite,
  schedules,
  seed,
  tagOf
} from "../support/sessions.ts"
import { queueId } from "../support/taskQueues.ts"

const starts = fc.tuple(fc.integer({ min: 2, max: 4 }), schedules)

/** What each host says of its start. */
const start = Effect.fnUntraced(function* (hosts: number, schedule: ReadonlyArray<number>, rewrite: Rewrite) {
  const [at, id, name, queue] = [yield* place(Archetype.workflow), shardId(), clusterName(), queueId()]
  const host = Effect.gen(function* () {
    const [shards, queues] = [yield* Shards.Shards, yield* TaskQueues.TaskQueues]
    yield* (yield* ClusterMembers.ClusterMembers).upsert(heartbeat())
    yield* (yield* Namespaces.Namespaces).initializeSystem(blob())
    const saved = yield* made((yield* Clusters.Clusters).save({ name, metadata: blob() }, 0n))
    const shard = yield* shards.getOrCreate(id, () => ({ rangeId: 1n, info: blob() }))
    const { rangeId } = yield* queues.lease(queue, blob())
    const begun = yield* made((yield* Executions.Executions).create(at, { _tag: "BrandNew" }, snapshot()))
    return { saved, shard, rangeId, begun }
  })
  const exits = yield* interleave(
    Array.from({ length: hosts }, () => host),
    schedule,
    rewrite
  )
  const all = yield* Effect.forEach(exits, (exit) => exit)
  for (const { shard } of all) assert.deepStrictEqual(shard, all[0]?.shard, "the shard that each has")
  const ranges = all.map(({ rangeId }) => Number(rangeId)).toSorted((a, b) => a - b)
  assert.deepStrictEqual(
    ranges,
    Array.from(ranges, (_, index) => index + 1),
    "the ranges that were leased"
  )
  const alone = (refusal: string) => ["made", ...Array.from({ length: hosts - 1 }, () => refusal)]
  const told = (of: "saved" | "begun") => all.map((each) => each[of]).toSorted((a, b) => b.localeCompare(a))
  assert.deepStrictEqual(told("saved"), alone("ClusterVersionConflict"))
  assert.deepStrictEqual(told("begun"), alone("CurrentExecutionConflict"))
})

/** What became of a creation of which there can be one. */
const made = <E, R>(creation: Effect.Effect<unknown, E, R>): Effect.Effect<string, never, R> =>
  Effect.match(creation, { onSuccess: () => "made", onFailure: tagOf })

describeAlone(`Hosts that start at once (seed ${seed})`, (it) => {
  const check = Effect.fnUntraced(function* (rewrite: Rewrite, runs: Runs) {
    const context = yield* Effect.context<Effect.Services<ReturnType<typeof start>>>()
    const property = fc.asyncProperty(starts, ([hosts, schedule]) =>
      Effect.runPromiseWith(context)(start(hosts, schedule, rewrite))
    )
    return yield* Effect.promise(() => fc.check(property, runs))
  })

  it.effect("make one of everything, and all find it", () =>
    Effect.gen(function* () {
      const result = yield* check(asItIs, parameters(10))
      assert.isFalse(result.failed, `${fc.defaultReportMessage(result)}\n${String(result.errorInstance)}`)
    })
  )

  it.effect("would lease one range twice, did the lease add to a range that it has not read", () =>
    Effect.gen(function* () {
      const stale: Rewrite = (text) =>
        text.replace(/\(SELECT "range_id" FROM "_guarded_\d+_queue" LIMIT 1\)::bigint \+ 1/, "1")
      const result = yield* check(stale, mustFail)
      assert.isTrue(result.failed)
      assert.include(String(result.errorInstance), "the ranges that were leased")
    })
  )

  it.effect("would both begin a run, did they not look whether there is one", () =>
    Effect.gen(function* () {
      const blind: Rewrite = (text) =>
        text.replaceAll(/NOT EXISTS \(SELECT 1 FROM "_guarded_\d+_(?:current|run)"\)/g, "TRUE")
      const result = yield* check(blind, mustFail)
      assert.isTrue(result.failed)
    })
  )
})

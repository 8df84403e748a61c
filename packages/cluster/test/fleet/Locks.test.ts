/**
 * What becomes of leases whose database does not answer: nobody has a shard twice, and all of them come back.
 */
import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { describeFleet, type Fault, fleet, type Fleet, type Runner, until } from "../support/fleet.ts"

const has = ({ assignments }: Fleet, runner: Runner) => assignments().some((owners) => owners.includes(runner))

/** Whether it is so; and nobody has a shard twice, whenever it is looked. */
const alone = (cluster: Fleet, isSo: () => boolean) =>
  Effect.sync(() => {
    assert.isTrue(cluster.assignments().every(({ length }) => length <= 1))
    return isSo()
  })

describeFleet("The leases of a runner", (it) => {
  /** One runner whose database becomes faulty until it has given up its shards, and another one that takes them. */
  const lost = Effect.fnUntraced(function* (fault: Fault) {
    const cluster = yield* fleet({ entities: Layer.empty })
    const faulty = yield* cluster.start()
    yield* cluster.settled
    yield* faulty.fault(fault)
    const peer = yield* cluster.start()
    return { cluster, faulty, peer }
  })

  it.effect("go to another one when its database falls silent, and come back when it answers", () =>
    Effect.gen(function* () {
      const { cluster, faulty, peer } = yield* lost("silent")
      yield* until(
        "the other one has all shards",
        alone(cluster, () => !has(cluster, faulty) && cluster.assignments().every((owners) => owners.includes(peer)))
      )
      yield* faulty.fault(undefined)
      yield* cluster.settled
      assert.isTrue(has(cluster, faulty))
    })
  )

  it.effect("keep nobody else waiting while they are given back and that does not end", () =>
    Effect.gen(function* () {
      const { cluster, faulty, peer } = yield* lost("release hangs")
      yield* until(
        "the other one has shards",
        alone(cluster, () => has(cluster, peer))
      )
      yield* faulty.fault(undefined)
      yield* until(
        "both have shards",
        alone(cluster, () => has(cluster, peer) && has(cluster, faulty))
      )
      yield* cluster.settled
    })
  )

  it.effect("stay where they are though every second question for them fails, and then move when they have to", () =>
    Effect.gen(function* () {
      const cluster = yield* fleet({ entities: Layer.empty })
      const faulty = yield* cluster.start()
      yield* cluster.settled
      yield* faulty.fault("fails at times")
      let looks = 0
      yield* until(
        "it was looked at often enough",
        Effect.sync(() => {
          assert.isTrue(cluster.assignments().every(([owner]) => owner === faulty))
          return ++looks >= 100
        })
      )
      yield* faulty.fault("silent")
      const peer = yield* cluster.start()
      yield* until(
        "the other one has all shards",
        alone(cluster, () => cluster.assignments().every(([owner]) => owner === peer))
      )
      yield* faulty.fault("release hangs")
      yield* faulty.fault(undefined)
      yield* cluster.settled
    })
  )

  it.effect("go to another one when their runner is frozen, and it does not have them when it thaws", () =>
    Effect.gen(function* () {
      const cluster = yield* fleet({ entities: Layer.empty })
      const frozen = yield* cluster.start()
      yield* cluster.settled
      yield* frozen.freeze
      const peer = yield* cluster.start()
      yield* until(
        "the other one has all shards",
        Effect.sync(() => cluster.assignments().every((owners) => owners.length === 1 && owners[0] === peer))
      )
      yield* frozen.thaw
      yield* cluster.settled
      assert.isTrue(has(cluster, frozen) && has(cluster, peer))
    })
  )
})

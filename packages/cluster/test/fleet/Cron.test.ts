/**
 * Cron: each instant has one run, whoever dies.
 */
import { assert } from "@effect/vitest"
import { Clock, Cron, DateTime, Effect, Latch, Layer } from "effect"
import { ClusterCron, Entity } from "effect/cluster"
import { describeFleet, type Entities, fleet, type Fleet, the, until } from "../support/fleet.ts"

const everySecond = Cron.parseUnsafe("* * * * * *", "UTC")

/** A run: which instant it is of, where it ran, and when. */
interface Tick {
  readonly of: number
  readonly port: number
  readonly at: number
}

/** A cron that notes its runs; `first` is what the first of them does besides. */
const ticking = (
  name: string,
  options: Partial<Parameters<typeof ClusterCron.make>[0]> = {},
  first: Effect.Effect<void, string> = Effect.void
) => {
  const ticks: Array<Tick> = []
  const layer = ClusterCron.make({
    name,
    cron: everySecond,
    ...options,
    execute: Effect.gen(function* () {
      const of = DateTime.toEpochMillis(yield* ClusterCron.CurrentScheduledTime)
      const { port } = yield* Effect.orDie(
        Effect.serviceOption(Entity.CurrentRunnerAddress).pipe(Effect.flatMap(Effect.fromOption))
      )
      ticks.push({ of, port, at: yield* Clock.currentTimeMillis })
      if (ticks.length === 1) yield* first
    })
  })
  return { layer, ticks }
}

const hasTicked = (ticks: ReadonlyArray<Tick>, times: number) =>
  until(
    `it ran ${times} times`,
    Effect.sync(() => ticks.length >= times)
  )

/** Three runners, and crons on them as soon as no shard moves any more. */
const three = Effect.fnUntraced(function* (cluster: Fleet, ...crons: ReadonlyArray<{ readonly layer: Entities }>) {
  const runners = yield* Effect.all([cluster.start(), cluster.start(), cluster.start()])
  yield* cluster.settled
  yield* Effect.forEach(runners, ({ run }) =>
    Effect.forEach(crons, ({ layer }) => run(layer), { concurrency: "unbounded" })
  )
})

/** Each instant that comes after the one before. */
const isWithoutGaps = (ticks: ReadonlyArray<Tick>) =>
  ticks.every(({ of }, index) => index === 0 || of === (ticks[index - 1]?.of ?? 0) + 1_000)

const areDifferent = (ticks: ReadonlyArray<Tick>) => new Set(ticks.map(({ of }) => of)).size === ticks.length

describeFleet("A cron of a cluster", (it) => {
  it.effect("has one run for each instant, and goes on when one of them fails", () =>
    Effect.gen(function* () {
      const steady = ticking("steady")
      const failing = ticking("failing", {}, Effect.fail("failed"))
      const cluster = yield* fleet({ entities: Layer.empty })
      yield* three(cluster, steady, failing)
      yield* hasTicked(steady.ticks, 4)
      yield* hasTicked(failing.ticks, 3)
      assert.isTrue(areDifferent(steady.ticks))
    })
  )

  it.effect("goes on from the instant before, or from now, after a run that took long", () =>
    Effect.gen(function* () {
      const goOn = Latch.makeUnsafe()
      const previous = ticking("previous", { calculateNextRunFromPrevious: true }, goOn.await)
      const current = ticking("current", {}, goOn.await)
      const cluster = yield* fleet({ entities: Layer.empty })
      yield* three(cluster, previous, current)
      yield* hasTicked(previous.ticks, 1)
      yield* hasTicked(current.ticks, 1)
      const since = yield* Clock.currentTimeMillis
      yield* until(
        "three instants have passed",
        Effect.map(Clock.currentTimeMillis, (now) => now >= since + 3_000)
      )
      yield* goOn.open
      yield* hasTicked(previous.ticks, 4)
      yield* hasTicked(current.ticks, 2)
      assert.isTrue(isWithoutGaps(previous.ticks))
      assert.isAtLeast((current.ticks[1]?.of ?? 0) - (current.ticks[0]?.of ?? 0), 3_000)
      assert.isAtLeast((previous.ticks[1]?.at ?? 0) - (previous.ticks[1]?.of ?? 0), 2_000)
    })
  )

  it.effect("makes up for the time in which no runner was there, or skips it, as it is told", () =>
    Effect.gen(function* () {
      const making = ticking("making", { calculateNextRunFromPrevious: true })
      const skipping = ticking("skipping", { calculateNextRunFromPrevious: true, skipIfOlderThan: "1 second" })
      const cluster = yield* fleet({ entities: Layer.empty })
      yield* three(cluster, making, skipping)
      yield* hasTicked(making.ticks, 2)
      yield* hasTicked(skipping.ticks, 2)
      for (const { kill } of cluster.runners) yield* kill
      const [made, skipped] = [making.ticks.length, skipping.ticks.length]
      const since = yield* Clock.currentTimeMillis
      yield* until(
        "three instants have passed",
        Effect.map(Clock.currentTimeMillis, (now) => now >= since + 3_000)
      )
      assert.deepStrictEqual([making.ticks.length, skipping.ticks.length], [made, skipped])
      yield* three(cluster, making, skipping)
      yield* hasTicked(making.ticks, made + 4)
      yield* hasTicked(skipping.ticks, skipped + 1)
      assert.isTrue(isWithoutGaps(making.ticks))
      const { at, of } = the(skipping.ticks[skipped])
      assert.isAtMost(at - of, 1_500)
    })
  )

  it.effect("leaves out nothing, and does nothing twice, when the runner that has it dies", () =>
    Effect.gen(function* () {
      const surviving = ticking("surviving", { calculateNextRunFromPrevious: true })
      const { ticks } = surviving
      const cluster = yield* fleet({ entities: Layer.empty })
      yield* three(cluster, surviving)
      yield* hasTicked(ticks, 2)
      // A run that is cut off begins anew: it dies between two of them.
      yield* until(
        "nothing runs",
        Effect.map(cluster.counts, ({ replied }) => replied > ticks.length)
      )
      const port = ticks.at(-1)?.port
      yield* the(cluster.runners.find(({ address }) => address.port === port)).kill
      const before = ticks.length
      yield* hasTicked(ticks, before + 3)
      assert.isTrue(isWithoutGaps(ticks))
      assert.isTrue(ticks.slice(before).every((tick) => tick.port !== port))
    })
  )

  it.effect("runs on runners that have its shard group", () =>
    Effect.gen(function* () {
      const usual = ticking("usual")
      const special = ticking("special", { shardGroup: "special" })
      const cluster = yield* fleet({
        entities: Layer.merge(usual.layer, special.layer),
        config: { availableShardGroups: ["default", "special"] }
      })
      const one = yield* cluster.start({ config: { assignedShardGroups: ["default"] } })
      const other = yield* cluster.start({ config: { assignedShardGroups: ["special"] } })
      yield* cluster.settled
      yield* hasTicked(usual.ticks, 2)
      yield* hasTicked(special.ticks, 2)
      assert.isTrue(usual.ticks.every(({ port }) => port === one.address.port))
      assert.isTrue(special.ticks.every(({ port }) => port === other.address.port))
    })
  )
})

/**
 * Requests that are stored, from a client through runners that end, to what the client is told.
 */
import { assert } from "@effect/vitest"
import { Cause, Clock, DateTime, Effect, Exit, Fiber, Latch, PrimaryKey, Schema } from "effect"
import { ClusterSchema, DeliverAt, Entity } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { describeFleet, fleet, the, until } from "../support/fleet.ts"

const payload = { id: Schema.String }
const primaryKey = ({ id }: { readonly id: string }) => id

class Due extends Schema.Class<Due>("Due")({ id: Schema.String, at: Schema.Number }) {
  [PrimaryKey.symbol]() {
    return this.id
  }
  [DeliverAt.symbol]() {
    return DateTime.makeUnsafe(this.at)
  }
}

const Desk = Entity.make("Desk", [
  Rpc.make("Ask", { payload, primaryKey, success: Schema.String }),
  Rpc.make("Hold", { payload, primaryKey, success: Schema.String }),
  Rpc.make("Insist", { payload, primaryKey, success: Schema.String }).annotate(ClusterSchema.Uninterruptible, true),
  Rpc.make("Whisper", { payload, primaryKey, success: Schema.String }).annotate(ClusterSchema.Persisted, false),
  Rpc.make("Refuse", { payload, primaryKey, error: Schema.String }),
  Rpc.make("Break", { payload, primaryKey }),
  Rpc.make("Garble", { payload, primaryKey, success: Schema.Unknown }),
  Rpc.make("RefuseGarbled", { payload, primaryKey, error: Schema.Unknown }),
  Rpc.make("Later", { payload: Due, success: Schema.Number })
]).annotateRpcs(ClusterSchema.Persisted, true)

/** A desk, how often each of its handlers began, and when the ones that wait go on. */
const desk = () => {
  const begun: Record<string, number> = {}
  const goOn = Latch.makeUnsafe()
  let finished = 0
  const begins = (what: string) => Effect.sync(() => void (begun[what] = (begun[what] ?? 0) + 1))
  const waits = (what: string) =>
    Effect.andThen(
      begins(what),
      Effect.andThen(
        goOn.await,
        Effect.sync(() => `${++finished}`)
      )
    )
  const entities = Desk.toLayer(
    {
      Ask: ({ payload }) => Effect.as(begins("Ask"), `asked ${payload.id}`),
      Hold: () => waits("Hold"),
      Insist: () => waits("Insist"),
      Whisper: () => waits("Whisper"),
      Refuse: ({ payload }) => Effect.andThen(begins("Refuse"), Effect.fail(`refused ${payload.id}`)),
      Break: ({ payload }) => Effect.andThen(begins("Break"), Effect.die(`broke ${payload.id}`)),
      Garble: () => Effect.as(begins("Garble"), new Error("no JSON")),
      RefuseGarbled: () => Effect.andThen(begins("RefuseGarbled"), Effect.fail(new Error("no JSON"))),
      Later: () => Effect.andThen(begins("Later"), Clock.currentTimeMillis)
    },
    { disableFatalDefects: true }
  )
  const hasBegun = (what: string, times = 1) =>
    until(
      `${what} began ${times} times`,
      Effect.sync(() => (begun[what] ?? 0) >= times)
    )
  return { entities, begun, goOn, hasBegun, finished: () => finished }
}

/** A cluster of so many runners, and its desk. */
const open = Effect.fnUntraced(function* (count: number, config: Parameters<typeof fleet>[0]["config"] = {}) {
  const at = desk()
  const cluster = yield* fleet({ entities: at.entities, config })
  for (let number = 0; number < count; number++) yield* cluster.start({ relayed: true })
  yield* cluster.settled
  return { ...at, cluster, call: yield* cluster.clientOf(Desk) }
})

/** What an effect ended with, as text; a success is a failure of the test. */
const failed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    assert.isTrue(Exit.isFailure(exit))
    return Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
  })

describeFleet("A stored request", (it) => {
  it.effect("that is sent while no runner is there waits for one, and runs once", () =>
    Effect.gen(function* () {
      const { begun, call, cluster } = yield* open(1)
      yield* the(cluster.runners[0]).kill
      const asking = yield* Effect.forkChild(call("d1").Ask({ id: "a" }), { startImmediately: true })
      yield* until(
        "it waits",
        Effect.map(cluster.counts, ({ waiting }) => waiting === 1)
      )
      yield* cluster.start()
      assert.strictEqual(yield* Fiber.join(asking), "asked a")
      assert.deepStrictEqual(begun, { Ask: 1 })
      assert.deepStrictEqual(yield* cluster.counts, { failed: 0, replied: 1, waiting: 0 })
    })
  )

  it.effect("that is sent again has the answer that it had, though the runner that gave it is gone", () =>
    Effect.gen(function* () {
      const { begun, call, cluster } = yield* open(2)
      assert.strictEqual(yield* call("d1").Ask({ id: "a" }), "asked a")
      yield* the(cluster.ownerOf(Desk, "d1")).kill
      yield* cluster.settled
      assert.strictEqual(yield* call("d1").Ask({ id: "a" }), "asked a")
      assert.deepStrictEqual(begun, { Ask: 1 })
      assert.deepStrictEqual(yield* cluster.counts, { failed: 0, replied: 1, waiting: 0 })
    })
  )

  it.effect.each(["kill", "stop"] as const)("whose runner ends by %s in the middle runs on another one", (end) =>
    Effect.gen(function* () {
      const { call, cluster, finished, goOn, hasBegun } = yield* open(1, { entityTerminationTimeout: 100 })
      const holding = yield* Effect.forkChild(call("d1").Hold({ id: "a" }), { startImmediately: true })
      yield* hasBegun("Hold")
      const ending = yield* Effect.forkChild(the(cluster.runners[0])[end], { startImmediately: true })
      yield* cluster.start()
      yield* hasBegun("Hold", 2)
      yield* goOn.open
      assert.strictEqual(yield* Fiber.join(holding), "1")
      yield* Fiber.join(ending)
      assert.deepStrictEqual([finished(), yield* cluster.counts], [1, { failed: 0, replied: 1, waiting: 0 }])
    })
  )

  it.effect("that must not be interrupted is not lost when its runner stops", () =>
    Effect.gen(function* () {
      const { call, cluster, goOn, hasBegun } = yield* open(1, { entityTerminationTimeout: 100 })
      const insisting = yield* Effect.forkChild(call("d1").Insist({ id: "a" }), { startImmediately: true })
      yield* hasBegun("Insist")
      const stopping = yield* Effect.forkChild(the(cluster.runners[0]).stop, { startImmediately: true })
      yield* cluster.start()
      yield* hasBegun("Insist", 2)
      yield* goOn.open
      assert.isString(yield* Fiber.join(insisting))
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* cluster.counts, { failed: 0, replied: 1, waiting: 0 })
    })
  )

  it.effect("that is refused, or breaks its handler, has that for its answer, and keeps no other one waiting", () =>
    Effect.gen(function* () {
      const { begun, call, cluster } = yield* open(2)
      for (const _ of ["first", "again"]) {
        assert.strictEqual(yield* Effect.flip(call("d1").Refuse({ id: "a" })), "refused a")
        assert.include(yield* failed(call("d1").Break({ id: "b" })), "broke b")
      }
      assert.strictEqual(yield* call("d1").Ask({ id: "c" }), "asked c")
      assert.deepStrictEqual(begun, { Refuse: 1, Break: 1, Ask: 1 })
      assert.deepStrictEqual(yield* cluster.counts, { failed: 2, replied: 1, waiting: 0 })
    })
  )

  it.effect("whose answer cannot be encoded has a defect for its answer, and its neighbours have theirs", () =>
    Effect.gen(function* () {
      const { begun, call, cluster, goOn, hasBegun } = yield* open(1)
      const holding = yield* Effect.forkChild(call("d2").Hold({ id: "a" }), { startImmediately: true })
      yield* hasBegun("Hold")
      for (const _ of ["first", "again"]) {
        assert.include(yield* failed(call("d1").Garble({ id: "b" })), "MalformedMessage")
        assert.include(yield* failed(call("d1").RefuseGarbled({ id: "c" })), "MalformedMessage")
      }
      yield* goOn.open
      assert.strictEqual(yield* Fiber.join(holding), "1")
      assert.deepStrictEqual(begun, { Hold: 1, Garble: 1, RefuseGarbled: 1 })
      assert.deepStrictEqual(yield* cluster.counts, { failed: 2, replied: 1, waiting: 0 })
    })
  )

  it.effect("that cannot be read has a defect for its answer, and keeps no other one waiting", () =>
    Effect.gen(function* () {
      const { begun, call, cluster } = yield* open(1)
      yield* the(cluster.runners[0]).kill
      yield* call("d1").Ask({ id: "a" }, { discard: true })
      yield* cluster.garble
      yield* cluster.start()
      yield* until(
        "it has failed",
        Effect.map(cluster.counts, (counts) => counts.failed === 1)
      )
      assert.strictEqual(yield* call("d1").Ask({ id: "b" }), "asked b")
      assert.deepStrictEqual(begun, { Ask: 1 })
      assert.deepStrictEqual(yield* cluster.counts, { failed: 1, replied: 1, waiting: 0 })
    })
  )

  it.effect("that is due later is not delivered before", () =>
    Effect.gen(function* () {
      const { begun, call, cluster } = yield* open(2)
      const at = (yield* Clock.currentTimeMillis) + 1_500
      const waiting = yield* Effect.forkChild(call("d1").Later(new Due({ id: "a", at })), { startImmediately: true })
      yield* until(
        "it is nearly due",
        Effect.map(Clock.currentTimeMillis, (now) => now >= at - 500)
      )
      assert.deepStrictEqual(begun, {})
      assert.isAtLeast(yield* Fiber.join(waiting), at)
      assert.deepStrictEqual(yield* cluster.counts, { failed: 0, replied: 1, waiting: 0 })
    })
  )
})

describeFleet("A request that is not stored", (it) => {
  it.effect("is gone with its runner", () =>
    Effect.gen(function* () {
      const { begun, call, cluster, finished, goOn, hasBegun } = yield* open(1, { entityTerminationTimeout: 100 })
      // Whoever does not wait for the answer does not wait for the handler either.
      yield* call("d1").Whisper({ id: "a" }, { discard: true })
      yield* hasBegun("Whisper")
      yield* the(cluster.runners[0]).kill
      yield* goOn.open
      yield* cluster.start()
      yield* cluster.settled
      assert.strictEqual(yield* call("d1").Ask({ id: "b" }), "asked b")
      assert.deepStrictEqual([begun, finished()], [{ Whisper: 1, Ask: 1 }, 0])
      assert.deepStrictEqual(yield* cluster.counts, { failed: 0, replied: 1, waiting: 0 })
    })
  )

  it.effect("is sent again when the connection ends, where a stored one has its answer from the storage", () =>
    Effect.gen(function* () {
      const { begun, call, cluster, goOn, hasBegun } = yield* open(1)
      const runner = the(cluster.runners[0])
      const [whispering, holding] = [
        yield* Effect.forkChild(call("d1").Whisper({ id: "a" }), { startImmediately: true }),
        yield* Effect.forkChild(call("d2").Hold({ id: "b" }), { startImmediately: true })
      ]
      yield* hasBegun("Whisper")
      yield* hasBegun("Hold")
      yield* runner.cut
      yield* goOn.open
      assert.isString(yield* Fiber.join(whispering))
      assert.isString(yield* Fiber.join(holding))
      assert.isTrue(runner.isRunning())
      assert.deepStrictEqual(begun, { Whisper: 2, Hold: 1 })
    })
  )
})

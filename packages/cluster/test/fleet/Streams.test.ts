/**
 * Answers in chunks, whose runner ends in the middle.
 */
import { assert } from "@effect/vitest"
import { Effect, Fiber, Latch, Option, Schema, Stream } from "effect"
import { ClusterSchema, Entity } from "effect/cluster"
import { Rpc, RpcSchema } from "effect/rpc"
import { describeFleet, fleet, the, until } from "../support/fleet.ts"

const payload = { id: Schema.String }
const primaryKey = ({ id }: { readonly id: string }) => id

const Counter = Entity.make("Counter", [
  Rpc.make("Count", { payload, primaryKey, success: RpcSchema.Stream(Schema.Number, Schema.Never) }),
  Rpc.make("Ping", { payload, primaryKey, success: Schema.String })
]).annotateRpcs(ClusterSchema.Persisted, true)

describeFleet("A stream", (it) => {
  /** A counter that counts to 4, waits before `stop` until it may go on, and begins behind what was heard. */
  const counting = Effect.fnUntraced(function* (runners: number, stop: number) {
    const goOn = Latch.makeUnsafe()
    const stopped = Latch.makeUnsafe()
    const heard: Array<number> = []
    let begun = 0
    const entities = Counter.toLayer({
      Ping: ({ payload }) => Effect.succeed(payload.id),
      Count: (request) => {
        begun++
        const first = Option.match(request.lastSentChunkValue, { onNone: () => 0, onSome: (value) => value + 1 })
        const waiting = Effect.andThen(stopped.open, goOn.await)
        return Stream.range(first, 4).pipe(
          Stream.mapEffect((value) => (value === stop ? Effect.as(waiting, value) : Effect.succeed(value))),
          Stream.rechunk(1),
          Stream.concat(stop > 4 ? Stream.drain(Stream.fromEffect(waiting)) : Stream.empty)
        )
      }
    })
    const cluster = yield* fleet({ entities })
    for (let number = 0; number < runners; number++) yield* cluster.start()
    yield* cluster.settled
    const call = yield* cluster.clientOf(Counter)
    const listening = yield* call("c1")
      .Count({ id: "a" })
      .pipe(
        Stream.tap((value) => Effect.sync(() => heard.push(value))),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
    const hasBegun = (times: number) =>
      until(
        `it began ${times} times`,
        Effect.sync(() => begun >= times)
      )
    const hasHeard = (count: number) =>
      until(
        `${count} chunks were heard`,
        Effect.sync(() => heard.length === count)
      )
    const ended = until(
      "its end is stored",
      Effect.map(cluster.counts, ({ replied, waiting }) => replied >= 1 && waiting === 0)
    )
    return { cluster, call, goOn, stopped, listening, hasBegun, hasHeard, ended, begun: () => begun }
  })

  const all = [0, 1, 2, 3, 4]

  it.effect("comes chunk by chunk, and its end is stored", () =>
    Effect.gen(function* () {
      const { begun, ended, goOn, listening } = yield* counting(2, 9)
      yield* goOn.open
      assert.deepStrictEqual([...(yield* Fiber.join(listening))], all)
      yield* ended
      assert.strictEqual(begun(), 1)
    })
  )

  it.effect("goes on behind what was heard when its runner was killed in the middle", () =>
    Effect.gen(function* () {
      const { begun, cluster, ended, goOn, hasBegun, hasHeard, listening, stopped } = yield* counting(1, 2)
      yield* hasHeard(2)
      yield* stopped.await
      yield* the(cluster.runners[0]).kill
      yield* cluster.start()
      yield* hasBegun(2)
      yield* goOn.open
      assert.deepStrictEqual([...(yield* Fiber.join(listening))], all)
      yield* ended
      assert.deepStrictEqual([begun(), yield* cluster.counts], [2, { failed: 0, replied: 1, waiting: 0 }])
    })
  )

  it.effect("has one end when its runner was killed before it said so", () =>
    Effect.gen(function* () {
      const { cluster, ended, goOn, hasBegun, hasHeard, listening, stopped } = yield* counting(2, 9)
      yield* hasHeard(all.length)
      yield* stopped.await
      yield* the(cluster.ownerOf(Counter, "c1")).kill
      yield* hasBegun(2)
      yield* goOn.open
      assert.deepStrictEqual([...(yield* Fiber.join(listening))], all)
      yield* ended
      assert.deepStrictEqual(yield* cluster.counts, { failed: 0, replied: 1, waiting: 0 })
    })
  )

  it.effect("comes to its end, and its entity goes on, when its runner stops while a chunk is not acknowledged", () =>
    Effect.gen(function* () {
      const { call, cluster, goOn, listening, stopped } = yield* counting(2, 2)
      yield* stopped.await
      const stopping = yield* Effect.forkChild(the(cluster.ownerOf(Counter, "c1")).stop, { startImmediately: true })
      yield* goOn.open
      yield* Fiber.join(stopping)
      yield* cluster.settled
      assert.strictEqual(yield* call("c1").Ping({ id: "b" }), "b")
      assert.deepStrictEqual([...(yield* Fiber.join(listening))], all)
    })
  )
})

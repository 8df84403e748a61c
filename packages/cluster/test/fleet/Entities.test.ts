/**
 * Entities: where they are, how they move, and what of them is together.
 */
import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Latch, Layer, Schema, Scope } from "effect"
import { ClusterSchema, Entity, EntityResource, Singleton } from "effect/cluster"
import { Rpc } from "effect/rpc"
import { describeFleet, type Entities, fleet, type Fleet, the, until } from "../support/fleet.ts"

const payload = { id: Schema.String }
const primaryKey = ({ id }: { readonly id: string }) => id

const Room = Entity.make("Room", [
  Rpc.make("Enter", {
    payload,
    primaryKey,
    success: Schema.Struct({ port: Schema.Number, built: Schema.Number, visits: Schema.Number })
  }),
  Rpc.make("Stay", { payload, primaryKey, success: Schema.String }),
  Rpc.make("Knock", { payload, success: Schema.String }).annotate(ClusterSchema.Persisted, false)
]).annotateRpcs(ClusterSchema.Persisted, true)

/** Rooms, which know their runner, how often they were built and how many came; and when who stays may leave. */
const rooms = (options: Parameters<typeof Room.toLayer>[1] = {}) => {
  const built = new Map<string, number>()
  const order: Array<string> = []
  const leave = Latch.makeUnsafe()
  const entities = Room.toLayer(
    Effect.gen(function* () {
      const { entityId } = yield* Entity.CurrentAddress
      const { port } = yield* Entity.CurrentRunnerAddress
      const times = (built.get(entityId) ?? 0) + 1
      built.set(entityId, times)
      let visits = 0
      const stays = (id: string) =>
        Effect.andThen(
          Effect.sync(() => order.push(id)),
          Effect.as(leave.await, id)
        )
      return {
        Enter: () => Effect.sync(() => ({ port, built: times, visits: ++visits })),
        Stay: ({ payload }) => stays(payload.id),
        Knock: ({ payload }) => stays(payload.id)
      }
    }),
    options
  )
  const inside = (...ids: ReadonlyArray<string>) =>
    until(
      `${ids.join(", ")} came in`,
      Effect.sync(() => ids.every((id) => order.includes(id)))
    )
  return { entities, order, leave, inside }
}

const started = Effect.fnUntraced(function* (
  count: number,
  entities: Entities,
  config: Parameters<typeof fleet>[0]["config"] = {}
) {
  const cluster = yield* fleet({ entities, config })
  for (let number = 0; number < count; number++) yield* cluster.start()
  yield* cluster.settled
  return cluster
})

/** The id of a room on each runner. */
const roomOnEach = (cluster: Fleet) =>
  cluster.runners
    .filter(({ isRunning }) => isRunning())
    .map((runner) => {
      for (let number = 0; ; number++) {
        if (cluster.ownerOf(Room, `room-${number}`) === runner) return { runner, id: `room-${number}` }
      }
    })

describeFleet("An entity", (it) => {
  it.effect("is on the runner that has its shard, has a state of its own, and does one thing after the other", () =>
    Effect.gen(function* () {
      const { entities, inside, leave, order } = rooms()
      const cluster = yield* started(3, entities)
      const call = yield* cluster.clientOf(Room)
      const each = roomOnEach(cluster)
      for (const { id, runner } of each) {
        const { port } = runner.address
        assert.deepStrictEqual(yield* call(id).Enter({ id: `${id} 1` }), { port, built: 1, visits: 1 })
        assert.deepStrictEqual(yield* call(id).Enter({ id: `${id} 2` }), { port, built: 1, visits: 2 })
      }
      const [{ id } = { id: "" }] = each
      const first = yield* Effect.forkChild(call(id).Stay({ id: "first" }), { startImmediately: true })
      yield* inside("first")
      const second = yield* Effect.forkChild(call(id).Stay({ id: "second" }), { startImmediately: true })
      yield* until(
        "both are stored",
        Effect.map(cluster.counts, ({ waiting }) => waiting === 2)
      )
      assert.deepStrictEqual(order, ["first"])
      yield* leave.open
      assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], ["first", "second"])
      assert.deepStrictEqual(order, ["first", "second"])
    })
  )

  it.effect("says so when its mailbox is full, and is built anew after it was idle", () =>
    Effect.gen(function* () {
      const { entities, inside, leave } = rooms({ mailboxCapacity: 1, maxIdleTime: "1 second" })
      const cluster = yield* started(2, entities)
      const call = yield* cluster.clientOf(Room)
      const knocking = yield* Effect.forkChild(call("r1").Knock({ id: "a" }), { startImmediately: true })
      yield* inside("a")
      assert.strictEqual((yield* Effect.flip(call("r1").Knock({ id: "b" })))._tag, "MailboxFull")
      yield* leave.open
      assert.strictEqual(yield* Fiber.join(knocking), "a")
      const { sharding } = the(cluster.ownerOf(Room, "r1"))
      yield* until(
        "it is gone",
        Effect.map(sharding.activeEntityCount, (count) => count === 0)
      )
      const { built, visits } = yield* call("r1").Enter({ id: "c" })
      assert.deepStrictEqual({ built, visits }, { built: 2, visits: 1 })
    })
  )

  it.effect("moves to a runner that joins, from one that stops, and from one that is killed", () =>
    Effect.gen(function* () {
      const { entities, inside, leave } = rooms()
      const cluster = yield* started(2, entities)
      const call = yield* cluster.clientOf(Room)
      const added = yield* cluster.start()
      yield* cluster.settled
      const moved = the(roomOnEach(cluster).find(({ runner }) => runner === added))
      assert.strictEqual((yield* call(moved.id).Enter({ id: "a" })).port, added.address.port)

      const [stopping] = roomOnEach(cluster)
      const staying = yield* Effect.forkChild(call(the(stopping).id).Stay({ id: "b" }), { startImmediately: true })
      yield* inside("b")
      const ending = yield* Effect.forkChild(the(stopping).runner.stop, { startImmediately: true })
      yield* until(
        "another one has it",
        Effect.sync(() => {
          const owner = cluster.ownerOf(Room, the(stopping).id)
          return owner !== undefined && owner !== the(stopping).runner
        })
      )
      yield* leave.open
      assert.strictEqual(yield* Fiber.join(staying), "b")
      yield* Fiber.join(ending)

      const [killed] = roomOnEach(cluster)
      yield* the(killed).runner.kill
      assert.notStrictEqual((yield* call(the(killed).id).Enter({ id: "c" })).port, the(killed).runner.address.port)
      yield* cluster.settled
      assert.strictEqual((yield* cluster.counts).waiting, 0)
    })
  )

  it.effect("goes on on another runner when its own is frozen, and there alone", () =>
    Effect.gen(function* () {
      const { entities } = rooms()
      const cluster = yield* started(2, entities)
      const frozen = the(cluster.ownerOf(Room, "r1"))
      yield* frozen.freeze
      yield* until(
        "another one has it",
        Effect.sync(() => cluster.ownersOf(Room, "r1").length === 1)
      )
      const call = yield* cluster.clientOf(Room)
      const { port } = yield* call("r1").Enter({ id: "a" })
      assert.notStrictEqual(port, frozen.address.port)
      assert.deepStrictEqual(
        cluster.ownersOf(Room, "r1").map(({ address }) => address.port),
        [port]
      )
      yield* frozen.kill
    })
  )

  it.effect("is only on runners that have its shard group", () =>
    Effect.gen(function* () {
      const Special = Entity.make("Special", [Rpc.make("Where", { success: Schema.Number })]).annotate(
        ClusterSchema.ShardGroup,
        () => "special"
      )
      const where = Special.toLayer(
        Effect.map(Entity.CurrentRunnerAddress, ({ port }) => ({ Where: () => Effect.succeed(port) }))
      )
      const { entities } = rooms()
      const cluster = yield* fleet({
        entities: Layer.merge(entities, where),
        config: { availableShardGroups: ["default", "special"] }
      })
      const usual = yield* cluster.start({ config: { assignedShardGroups: ["default"] } })
      const special = yield* cluster.start({ config: { assignedShardGroups: ["special"] } })
      yield* cluster.settled
      assert.strictEqual(yield* (yield* cluster.clientOf(Special))("s1").Where(), special.address.port)
      assert.strictEqual((yield* (yield* cluster.clientOf(Room))("r1").Enter({ id: "a" })).port, usual.address.port)
    })
  )

  it.effect("of another cluster in the database is another one", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* started(1, rooms().entities), yield* started(1, rooms().entities)]
      for (const cluster of [one, other]) {
        const entered = yield* (yield* cluster.clientOf(Room))("r1").Enter({ id: "a" })
        assert.deepStrictEqual(entered, { port: the(cluster.runners[0]).address.port, built: 1, visits: 1 })
      }
    })
  )

  it.effect("that breaks is built anew, and what it was at runs again", () =>
    Effect.gen(function* () {
      const Fragile = Entity.make("Fragile", [
        Rpc.make("Hold", { success: Schema.Number }),
        Rpc.make("Crash", { success: Schema.Number })
      ]).annotateRpcs(ClusterSchema.Persisted, true)
      const goOn = Latch.makeUnsafe()
      let [built, holding] = [0, 0]
      const entities = Fragile.toLayer(
        Effect.sync(() => {
          const time = ++built
          return {
            Hold: () =>
              Rpc.fork(
                Effect.suspend(() => {
                  holding++
                  return Effect.as(goOn.await, time)
                })
              ),
            Crash: () => (time === 1 ? Effect.die("crashed") : Effect.succeed(time))
          }
        })
      )
      const cluster = yield* started(1, entities)
      const call = yield* cluster.clientOf(Fragile)
      const held = yield* Effect.forkChild(call("f1").Hold(), { startImmediately: true })
      yield* until(
        "it holds",
        Effect.sync(() => holding === 1)
      )
      assert.strictEqual(yield* call("f1").Crash(), 2)
      yield* until(
        "it holds again",
        Effect.sync(() => holding === 2)
      )
      yield* goOn.open
      assert.deepStrictEqual([yield* Fiber.join(held), built], [2, 2])
    })
  )

  it.effect("has its requests wait until it is registered, and fail when it is not in time", () =>
    Effect.gen(function* () {
      const registered = Latch.makeUnsafe()
      const { entities } = rooms()
      const late = Layer.provide(entities, Layer.effectDiscard(registered.await))
      const cluster = yield* fleet({ entities, config: { entityRegistrationTimeout: 2_000 } })
      const starting = yield* Effect.forkChild(cluster.start({ entities: late }), { startImmediately: true })
      const call = yield* cluster.clientOf(Room)
      const entering = yield* Effect.forkChild(call("r1").Enter({ id: "a" }), { startImmediately: true })
      yield* until(
        "it waits",
        Effect.map(cluster.counts, ({ waiting }) => waiting === 1)
      )
      yield* registered.open
      const runner = yield* Fiber.join(starting)
      assert.strictEqual((yield* Fiber.join(entering)).port, runner.address.port)
      yield* runner.stop

      yield* cluster.start({ entities: Layer.empty })
      const exit = yield* Effect.exit(call("r1").Enter({ id: "b" }))
      assert.isTrue(Exit.isFailure(exit))
      if (Exit.isFailure(exit)) assert.include(Cause.pretty(exit.cause), "'Room' not registered")
      assert.deepStrictEqual(yield* cluster.counts, { failed: 1, replied: 1, waiting: 0 })
    })
  )

  it.effect("is not there beyond the number that a runner may have, and its requests wait for their turn", () =>
    Effect.gen(function* () {
      const { entities, inside, leave } = rooms({ maxIdleTime: "500 millis", concurrency: 2 })
      const cluster = yield* started(1, entities, { maxResidentEntities: 3 })
      const call = yield* cluster.clientOf(Room)
      const { sharding } = the(cluster.runners[0])
      const ids = ["a", "b", "c"]
      const staying = yield* Effect.forEach(ids, (id) =>
        Effect.forkChild(call(id).Stay({ id }), { startImmediately: true })
      )
      yield* inside(...ids)
      for (let n = 0; n < 6; n++) yield* call(`late-${n}`).Enter({ id: `late-${n}` }, { discard: true })
      // Those who are there go on.
      assert.strictEqual((yield* call("a").Enter({ id: "again" })).visits, 1)
      assert.strictEqual(yield* sharding.activeEntityCount, 3)
      assert.isAtLeast((yield* cluster.counts).waiting, 6)
      yield* leave.open
      for (const fiber of staying) yield* Fiber.join(fiber)
      yield* until(
        "all had their turn",
        Effect.gen(function* () {
          assert.isAtMost(yield* sharding.activeEntityCount, 3)
          const { failed, waiting } = yield* cluster.counts
          return failed === 0 && waiting === 0
        })
      )
    })
  )
})

describeFleet("A runner that stops", (it) => {
  it.effect.each([
    { stored: false, preemptiveShutdown: false },
    { stored: false, preemptiveShutdown: true },
    { stored: true, preemptiveShutdown: false },
    { stored: true, preemptiveShutdown: true }
  ])("sends what its entities leave behind, and ends: %o", ({ preemptiveShutdown, stored }) =>
    Effect.gen(function* () {
      const Heir = Entity.make("Heir", [Rpc.make("Receive").annotate(ClusterSchema.Persisted, stored)])
      const Giver = Entity.make("Giver", [Rpc.make("Wake").annotate(ClusterSchema.Persisted, false)])
      const leaving = Latch.makeUnsafe()
      const goOn = Latch.makeUnsafe()
      let sent: Exit.Exit<void, unknown> | undefined
      const entities = Layer.merge(
        Heir.toLayer({ Receive: () => Effect.void }),
        Giver.toLayer(
          Effect.gen(function* () {
            const heir = yield* Heir.client
            yield* Effect.addFinalizer(() =>
              Effect.uninterruptible(
                Effect.gen(function* () {
                  yield* leaving.open
                  yield* goOn.await
                  sent = yield* Effect.exit(heir("h1").Receive(undefined, { discard: true }))
                })
              )
            )
            return { Wake: () => Effect.void }
          })
        )
      )
      const cluster = yield* started(1, entities, { preemptiveShutdown })
      yield* (yield* cluster.clientOf(Giver))("g1").Wake()
      const stopping = yield* Effect.forkChild(the(cluster.runners[0]).stop, { startImmediately: true })
      yield* leaving.await
      yield* goOn.open
      yield* Fiber.join(stopping)
      assert.isTrue(sent !== undefined && Exit.isSuccess(sent))
      assert.strictEqual((yield* cluster.counts).waiting, stored ? 1 : 0)
    })
  )
})

describeFleet("What there is once in a cluster", (it) => {
  it.effect("a singleton runs on one runner, and on another one when that was killed", () =>
    Effect.gen(function* () {
      const runs = { now: 0, most: 0, all: 0 }
      const singleton = Singleton.make(
        "keeper",
        Effect.acquireRelease(
          Effect.sync(() => {
            runs.all++
            runs.most = Math.max(runs.most, ++runs.now)
          }),
          () => Effect.sync(() => runs.now--)
        )
      )
      const { entities } = rooms()
      const cluster = yield* started(3, Layer.merge(entities, singleton))
      yield* until(
        "it runs",
        Effect.sync(() => runs.now === 1)
      )
      const before = runs.all
      yield* the(cluster.ownerOf(Room, "keeper")).kill
      yield* until(
        "it runs again",
        Effect.sync(() => runs.all > before && runs.now === 1)
      )
      assert.strictEqual(runs.most, 1)
    })
  )

  it.effect("a resource of an entity outlives its move, and goes when it is closed", () =>
    Effect.gen(function* () {
      const Keeper = Entity.make("Keeper", [
        Rpc.make("Get", { success: Schema.Number }),
        Rpc.make("Close", { success: Schema.Void })
      ])
      const resources = { acquired: 0, released: 0 }
      const entities = Keeper.toLayer(
        Effect.gen(function* () {
          const resource = yield* EntityResource.make({
            acquire: Effect.gen(function* () {
              const scope = yield* EntityResource.CloseScope
              return yield* Effect.acquireRelease(
                Effect.sync(() => ++resources.acquired),
                () => Effect.sync(() => resources.released++)
              ).pipe(Scope.provide(scope))
            })
          })
          return { Get: () => Effect.scoped(resource.get), Close: () => resource.close }
        })
      )
      const cluster = yield* started(2, entities)
      const call = yield* cluster.clientOf(Keeper)
      assert.strictEqual(yield* call("k1").Get(), 1)
      yield* the(cluster.ownerOf(Keeper, "k1")).stop
      yield* cluster.settled
      assert.deepStrictEqual([resources.released, yield* call("k1").Get()], [0, 2])
      yield* call("k1").Close()
      yield* until(
        "it was released",
        Effect.sync(() => resources.released === 1)
      )
    })
  )
})

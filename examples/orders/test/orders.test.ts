import { RetryPolicy } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Option, Queue, Schedule } from "effect"
import { HttpServer } from "effect/http"
import { HttpApiTest } from "effect/http-api"
import { TestClock } from "effect/testing"
import * as Desk from "../src/Desk.ts"
import * as Http from "../src/Http.ts"
import * as Orders from "../src/Orders.ts"
import { source } from "../src/Schema.ts"

/** A database of this file's own, at the latest version, and the services on it. */
const Services = Layer.mergeAll(Orders.layer, Desk.layer).pipe(Layer.provideMerge(Testing.layer({ source })))

const tea = { customer: "Ada", item: "tea", quantity: 1 }

layer(Services, { timeout: "1 minute" })("the order service", (it) => {
  it.effect("places an order and finds it again", () =>
    Effect.gen(function* () {
      const orders = yield* Orders.Orders
      const placed = yield* orders.place(tea)
      assert.deepStrictEqual(yield* orders.find(placed.id), placed)
    })
  )

  it.effect("sells the last one once, however many want it", () =>
    Effect.gen(function* () {
      const orders = yield* Orders.Orders
      const wanted = ["Ada", "Bob"].map((customer) =>
        Effect.result(orders.place({ customer, item: "coffee", quantity: 1 }))
      )
      const both = yield* Effect.all(wanted, { concurrency: "unbounded" }).pipe(
        // Whoever comes second tries again at once.
        Effect.provideService(Orders.Patience, RetryPolicy.make({ base: 0 }))
      )
      assert.sameMembers(
        both.map((result) => (result._tag === "Failure" ? result.failure._tag : "sold")),
        ["sold", "OutOfStock"]
      )
    })
  )

  it.effect("waits as its policy says before it places an order again, and places it once", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      yield* control.reset
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1, 2] })

      // The policy tells of each wait before it begins.
      const waits = yield* Queue.unbounded<Duration.Duration>()
      const policy = RetryPolicy.make({ base: "1 second", jitter: "none" }).pipe(
        Schedule.tap(({ duration }) => Queue.offer(waits, duration))
      )
      const orders = yield* Orders.Orders
      const placing = yield* orders.place(tea).pipe(Effect.provideService(Orders.Patience, policy), Effect.forkChild)

      for (const seconds of [1, 2]) {
        assert.strictEqual(Duration.toSeconds(yield* Queue.take(waits)), seconds)
        yield* TestClock.adjust(Duration.seconds(seconds))
      }
      yield* Fiber.join(placing)
      assert.strictEqual((yield* control.counts()).commits, 1)
    })
  )

  it.effect("knows that an order was placed although the answer to its COMMIT was lost", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      yield* control.inject({ on: "commit", fault: "cut-after", nth: [1] })
      const orders = yield* Orders.Orders
      const placed = yield* orders.place(tea)
      assert.deepStrictEqual(yield* orders.find(placed.id), placed)
      assert.deepInclude(yield* control.happened, { "cut-after@commit": 1 })
    })
  )

  it.effect("ships from the desk that was taken last, and from no other", () =>
    Effect.gen(function* () {
      const orders = yield* Orders.Orders
      const { id } = yield* orders.place(tea)
      const before = yield* Desk.Desk
      // Another process starts.
      yield* Effect.gen(function* () {
        const refused = yield* Effect.flip(before.ship(id))
        assert.strictEqual(refused._tag, "DeskTaken")
        const after = yield* Desk.Desk
        assert.isTrue(Option.isSome((yield* after.ship(id)).shipped))
      }).pipe(Effect.provide(Layer.fresh(Desk.layer)))
    })
  )

  it.layer(Layer.merge(Http.handlers, HttpServer.layerServices))("over HTTP", (it) => {
    it.effect("says that it sells no more than it has", () =>
      Effect.gen(function* () {
        const client = yield* HttpApiTest.groups(Http.Api, ["orders"])
        const placed = yield* client.place({ payload: tea })
        assert.strictEqual((yield* client.find({ params: { id: placed.id } })).customer, "Ada")
        const refused = yield* Effect.flip(client.place({ payload: { ...tea, quantity: 1_000 } }))
        assert.strictEqual(refused._tag, "OutOfStock")
      })
    )
  })
})

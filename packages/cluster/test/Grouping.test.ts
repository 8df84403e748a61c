import { DsqlClient, DsqlError } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { ClusterError } from "effect/cluster"
import { TestCluster } from "../../../test/database.ts"
import * as Grouping from "../src/internal/messages/grouping.ts"

const lengthOf = (request: string) => {
  if (request === "immeasurable") throw new Error(request)
  return request.length
}

layer(TestCluster())("requests that go in groups", (it) => {
  it.effect("are answered beside one that cannot be measured", () =>
    Effect.gen(function* () {
      const client = yield* DsqlClient.DsqlClient
      const ask = yield* Grouping.make(client, { namesOf: (request: string) => [request], lengthOf }, (group) =>
        Effect.succeed(group)
      )
      const exits = yield* Effect.forEach(["immeasurable", "one", "two"], (each) => Effect.exit(ask(each)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [false, true, true])
    })
  )

  it.effect("have landed when whoever was interrupted goes on", () =>
    Effect.gen(function* () {
      const client = yield* DsqlClient.DsqlClient
      const [sent, answer] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const ended: Array<string> = []
      const ask = yield* Grouping.make(client, { namesOf: (request: string) => [request], lengthOf }, (group) =>
        Deferred.succeed(sent, undefined).pipe(
          Effect.andThen(Deferred.await(answer)),
          Effect.andThen(Effect.sync(() => ended.push("landed"))),
          Effect.as(group)
        )
      )
      const fiber = yield* Effect.forkChild(ask("one"))
      yield* Deferred.await(sent)
      const interrupted = yield* Effect.forkChild(
        Effect.andThen(
          Fiber.interrupt(fiber),
          Effect.sync(() => ended.push("interrupted"))
        )
      )
      yield* Effect.yieldNow
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(interrupted)
      assert.deepStrictEqual(ended, ["landed", "interrupted"])
    })
  )

  it.effect("hear each of itself where one of them conflicts for good", () =>
    Effect.gen(function* () {
      const client = yield* DsqlClient.DsqlClient
      const ask = yield* Grouping.make(client, { namesOf: (request: string) => [request], lengthOf }, (group) =>
        group.includes("hot")
          ? Effect.fail(new ClusterError.PersistenceError({ cause: conflicting }))
          : Effect.succeed(group)
      )
      const exits = yield* Effect.forEach(["first", "one", "hot", "two", "three"], (each) => Effect.exit(ask(each)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, true, false, true, true])
    })
  )

  it.effect("never go together where they have a name in common", () =>
    Effect.gen(function* () {
      const client = yield* DsqlClient.DsqlClient
      const begun: Array<ReadonlyArray<string>> = []
      const [sent, answer] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const namesOf = (request: string) => [...request]
      const ask = yield* Grouping.make(client, { namesOf, lengthOf }, (group) =>
        Effect.suspend(() => {
          begun.push(group)
          return Deferred.succeed(sent, undefined).pipe(Effect.andThen(Deferred.await(answer)), Effect.as(group))
        })
      )
      const fibers = yield* Effect.forEach(["ab", "b", "c", "bd"], (each) => Effect.forkChild(ask(each)))
      yield* Deferred.await(sent)
      assert.deepStrictEqual(begun, [["ab", "c"]])
      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(begun, [["ab", "c"], ["b"], ["bd"]])
    })
  )

  it.effect("go on when those who asked are interrupted before anything was sent", () =>
    Effect.gen(function* () {
      const client = yield* DsqlClient.DsqlClient
      const ask = yield* Grouping.make(client, { namesOf: (request: string) => [request], lengthOf }, (group) =>
        Effect.succeed(group)
      )
      for (const each of ["one", "two", "three", "four"]) {
        const fiber = yield* Effect.forkChild(ask(each), { startImmediately: true })
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(yield* ask("five"), "five")
    })
  )
})

const conflicting = new DsqlError.ConflictRetriesExhausted({
  operation: "SaveRequest",
  attempts: 10,
  elapsed: 1_000,
  last: new DsqlError.SerializationConflict({ code: "OC000", message: "a conflict" })
})

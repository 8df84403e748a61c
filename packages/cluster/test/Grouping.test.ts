import { DsqlClient } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
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
      const ask = yield* Grouping.make(client, { nameOf: (request: string) => request, lengthOf }, (group) =>
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
      const ask = yield* Grouping.make(client, { nameOf: (request: string) => request, lengthOf }, (group) =>
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
})

import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as Renewals from "../src/internal/runners/renewals.ts"

/** Renewals that wait for an answer each, and keep every shard but `lost`. */
const renewals = Effect.gen(function* () {
  const confirmed = new Set<string>()
  const asked: Array<ReadonlyArray<string>> = []
  const answers = [yield* Deferred.make<void, string>(), yield* Deferred.make<void, string>()] as const
  const made = Renewals.make<string>(
    {
      isConfirmed: (shardId) => confirmed.has(shardId),
      renew: (shardIds) =>
        Effect.suspend(() => {
          const answer = answers[asked.push(shardIds) - 1]
          if (answer === undefined) return Effect.die(new Error(`asked once more, of ${shardIds.join(", ")}`))
          const kept = shardIds.filter((shardId) => shardId !== "lost")
          return Effect.as(Deferred.await(answer), kept)
        })
    },
    yield* Effect.scope
  )
  const confirm = (shardId: string) => Effect.forkChild(made.confirm(shardId), { startImmediately: true })
  return { asked, answers, confirm, confirmed }
})

describe("renewals of shards", () => {
  it.effect("are one for all who asked while another was under way, whether they wait for it or not", () =>
    Effect.gen(function* () {
      const { answers, asked, confirm } = yield* renewals
      const first = yield* confirm("a")
      yield* Effect.yieldNow
      for (const shardId of ["b", "lost", "c", "b"]) yield* Fiber.interrupt(yield* confirm(shardId))
      const [kept, lost] = [yield* confirm("b"), yield* confirm("lost")]
      yield* Deferred.succeed(answers[0], undefined)
      yield* Deferred.succeed(answers[1], undefined)
      assert.deepStrictEqual(yield* Fiber.joinAll([first, kept, lost]), [true, true, false])
      assert.deepStrictEqual(asked, [["a"], ["b", "lost", "c"]])
    })
  )

  it.effect("leave out what has been confirmed meanwhile", () =>
    Effect.gen(function* () {
      const { answers, asked, confirm, confirmed } = yield* renewals
      const first = yield* confirm("a")
      yield* Effect.yieldNow
      const others = [yield* confirm("b"), yield* confirm("c")]
      confirmed.add("b")
      yield* Deferred.succeed(answers[0], undefined)
      yield* Deferred.succeed(answers[1], undefined)
      assert.deepStrictEqual(yield* Fiber.joinAll([first, ...others]), [true, true, true])
      assert.deepStrictEqual(asked, [["a"], ["c"]])
    })
  )

  it.effect("go on after one that failed, which all of its shards hear", () =>
    Effect.gen(function* () {
      const { answers, asked, confirm } = yield* renewals
      const failed = [yield* confirm("a"), yield* confirm("b")]
      yield* Deferred.fail(answers[0], "the connection was cut")
      const exits = yield* Effect.forEach(failed, Fiber.await)
      assert.deepStrictEqual(exits, [Exit.fail("the connection was cut"), Exit.fail("the connection was cut")])
      const next = yield* confirm("a")
      yield* Deferred.succeed(answers[1], undefined)
      assert.strictEqual(yield* Fiber.join(next), true)
      assert.deepStrictEqual(asked, [["a", "b"], ["a"]])
    })
  )

  it.effect("end for whoever asks when the storage is gone", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { answers, asked, confirm } = yield* Effect.provideService(renewals, Scope.Scope, scope)
      const waiting = [yield* confirm("a"), yield* confirm("b")]
      yield* Effect.yieldNow
      waiting.push(yield* confirm("c"))
      yield* Scope.close(scope, Exit.void)
      waiting.push(yield* confirm("d"), yield* confirm("e"))
      const exits = yield* Effect.forEach(waiting, Fiber.await)
      assert.deepStrictEqual(exits.map(Exit.hasInterrupts), [true, true, true, true, true])
      assert.deepStrictEqual(asked, [["a", "b"]])
      yield* Deferred.succeed(answers[0], undefined)
    })
  )
})

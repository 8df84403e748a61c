import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber } from "effect"
import * as VirtualTime from "../src/internal/virtualTime.ts"

describe("virtual time", () => {
  it.effect("goes to whoever wakes next, and those who wake together wake in the order in which they slept", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const sleeper = (name: string, millis: number) =>
        Effect.gen(function* () {
          yield* Effect.sleep(millis)
          seen.push(`${name} ${yield* Clock.currentTimeMillis}`)
        })
      yield* VirtualTime.run(
        Effect.all([sleeper("a", 30), sleeper("b", 10), sleeper("c", 30), sleeper("d", 3_600_000)], {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual(seen, ["b 10", "a 30", "c 30", "d 3600000"])
    })
  )

  it.effect("forgets who is interrupted while he sleeps", () =>
    Effect.gen(function* () {
      const now = yield* VirtualTime.run(
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(Effect.sleep(1_000), { startImmediately: true })
          yield* Effect.sleep(10)
          yield* Fiber.interrupt(fiber)
          yield* Effect.sleep(10)
          return yield* Clock.currentTimeMillis
        })
      )
      assert.strictEqual(now, 20)
    })
  )

  it.effect("is a defect where nobody can go on", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(VirtualTime.run(Effect.never))
      assert.isTrue(Exit.isFailure(exit))
    })
  )
})

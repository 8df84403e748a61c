/**
 * Groups of which a part is refused.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as Grouped from "../src/internal/grouped.ts"

const numbers = Array.from({ length: 9 }, (_, n) => n)

describe("a group", () => {
  it.effect("that is refused for some of it is sent in halves, down to those", () =>
    Effect.gen(function* () {
      const sent: Array<ReadonlyArray<number>> = []
      const send = (group: ReadonlyArray<number>) =>
        group.includes(2) || group.includes(7) ? Effect.fail("refused") : Effect.sync(() => void sent.push(group))
      const exits = yield* Grouped.apart(numbers, send, (error) => error === "refused")
      assert.deepStrictEqual(
        numbers.filter((n) => Exit.isFailure(exits[n] ?? Exit.void)),
        [2, 7]
      )
      assert.deepStrictEqual(sent.flat(), [0, 1, 3, 4, 5, 6, 8])
    })
  )

  it.effect("that fails for another reason fails as one", () =>
    Effect.gen(function* () {
      let times = 0
      const send = () => Effect.suspend(() => (times++, Effect.fail("lost")))
      const exits = yield* Grouped.apart(numbers, send, (error) => error === "refused")
      assert.isTrue(exits.length === 9 && exits.every(Exit.isFailure))
      assert.strictEqual(times, 1)
    })
  )
})

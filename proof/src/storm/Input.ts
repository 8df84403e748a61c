/**
 * What a process of the storm hears from the one that started it: a word, when it is to come to its end. Where its input
 * ends, nobody is left to work for, and it ends at once.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/** The word. */
export const word = new TextEncoder().encode("end\n")

/** Opens as soon as the word is there. For as long as the scope is open the process ends with its input. */
export const told = Effect.gen(function* () {
  const heard = Latch.makeUnsafe()
  const leave = () => process.exit(1)
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      process.stdin
        .once("data", () => heard.openUnsafe())
        .once("end", leave)
        .once("error", leave)
    ),
    // A process that listens does not end.
    () => Effect.sync(() => process.stdin.destroy())
  )
  return heard
})

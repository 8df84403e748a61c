/**
 * Stops this process in the midst of a step, when it has been told to: after it has looked whether the step was done,
 * and before it says that it is.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { writeSync } from "node:fs"

/** A step of a request, as it is said in a line. */
const Said = Schema.fromJsonString(Schema.Struct({ op: Schema.String, step: Schema.String }))

export type Step = (typeof Said)["Type"]

const encode = Schema.encodeSync(Said)

/** The step that is said. */
export const decode = Schema.decodeUnknownSync(Said)

/** Tells a runner to stop in the step that comes next. */
export const signal = "SIGUSR2"

export class Brake extends Context.Service<
  Brake,
  {
    /** Runs the rest of a step. Where the process stops before, it says which step it is, and a word when it has gone on. */
    readonly during: <A, E, R>(step: Step, rest: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  }
>()("proof/storm/Brake") {}

const say = (line: string) => void writeSync(1, `${line}\n`)

export const layer = Layer.effect(
  Brake,
  Effect.gen(function* () {
    let isPulled = false
    const pull = () => {
      isPulled = true
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on(signal, pull)),
      () => Effect.sync(() => process.off(signal, pull))
    )
    return Brake.of({
      during: (step, rest) =>
        Effect.suspend(() => {
          if (!isPulled) return rest
          isPulled = false
          say(encode(step))
          // It goes on behind this line when somebody wakes it.
          process.kill(process.pid, "SIGSTOP")
          return Effect.ensuring(
            rest,
            Effect.sync(() => say("went on"))
          )
        })
    })
  })
)

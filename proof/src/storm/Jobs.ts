/**
 * Offers jobs to one queue and does those that come, together with everybody else who does.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import { Scribe } from "./Scribe.ts"
import { type IsOver, repeated } from "./Tenure.ts"

/** The queue that all workers share. */
export const queueName = "jobs"

/** How long a job is its worker's: longer than a storm, so that none is given to two. */
export const lease = "1 hour"

const queue = PersistedQueue.make({ name: queueName, schema: Schema.String })

/** Offers jobs, one after the other. */
export const offer = (isOver: IsOver) =>
  repeated(
    isOver,
    Effect.gen(function* () {
      const scribe = yield* Scribe
      const op = yield* scribe.op
      yield* scribe.attempt(op, { _tag: "Offer" }, (yield* queue).offer(op, { id: op }))
    })
  )

/** Does jobs, one after the other. None is broken off when it is over: it would be given to somebody else. */
export const work = Effect.fnUntraced(function* (isOver: IsOver) {
  const scribe = yield* Scribe
  let state: "waiting" | "working" | "closed" = "waiting"
  const one = Effect.gen(function* () {
    const [work, completed] = [yield* scribe.op, yield* scribe.op]
    const job = yield* (yield* queue).take((job) =>
      Effect.suspend(() => {
        if (state === "closed") return Effect.interrupt
        state = "working"
        return Effect.as(scribe.attempt(work, { _tag: "Work", job }, Effect.sleep("5 millis")), job)
      })
    )
    yield* scribe.attempt(completed, { _tag: "Completed", job }, Effect.void)
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        if (state === "working") state = "waiting"
      })
    )
  )
  const fiber = yield* Effect.forkChild(repeated(Effect.succeed(false), one))
  const isClosed = Effect.map(isOver, (isOver) => {
    if (isOver && state === "waiting") state = "closed"
    return state === "closed"
  })
  yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => isClosed })
  yield* Fiber.interrupt(fiber)
})

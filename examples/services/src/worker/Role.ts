/**
 * The worker role: it decides what workflows do next, and does what they ask for.
 */
import { Identifiers } from "@effect-dsql/persistence"
import { Effect, Layer, Schedule } from "effect"
import { HttpApiClient } from "effect/http-api"
import { MatchingApi, type Work } from "../api/MatchingApi.ts"
import * as Order from "../domain/Order.ts"
import { workQueue } from "../matching/Queues.ts"
import * as Owner from "../Owner.ts"
import * as Service from "../Service.ts"
import * as Settings from "../Settings.ts"

/** Tasks that a worker does at a time. */
const concurrency = 4

const working = Layer.effectDiscard(
  Effect.gen(function* () {
    const matching = yield* HttpApiClient.make(MatchingApi, { baseUrl: yield* Settings.matching })
    const owner = yield* Owner.Owner
    const params = { queue: workQueue }

    const perform = (work: Work) =>
      owner.call(Identifiers.ShardId.make(work.shardId), (history) =>
        Effect.gen(function* () {
          const { id, runId } = work
          if (work._tag === "Decide") {
            const events = yield* history.history({ params: { id, runId } })
            const commands = Order.decide(events)
            return yield* history.decided({ payload: { id, runId, seen: events.length, commands } })
          }
          const result = Order.activities[work.name]?.(work.input) ?? null
          const { kind, scheduled } = work
          yield* history.activityDone({ payload: { kind, id, runId, scheduled, result } })
        })
      )

    const once = Effect.gen(function* () {
      const given = yield* matching.poll({ params })
      if (given === null) return
      // A run that is gone needs nobody any more.
      yield* Effect.catchTag(perform(given.work), "NotFound", () => Effect.void)
      yield* matching.acknowledge({ params, payload: { taskId: given.taskId } })
    })

    const loop = once.pipe(
      // The task will be given out again.
      Effect.catch((error) =>
        Effect.andThen(Effect.logWarning("a task was not done", error), Effect.sleep("100 millis"))
      ),
      Effect.repeat(Schedule.forever)
    )
    yield* Effect.forEach(Array.from({ length: concurrency }), () => Effect.forkScoped(loop), { discard: true })
  })
)

export const layer = Service.layer("worker", working.pipe(Layer.provide(Owner.layer)))

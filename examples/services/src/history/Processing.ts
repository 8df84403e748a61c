/**
 * What a shard's owner does without being asked: it hands transfer tasks to matching, and fires timers.
 *
 * A task is taken away only after it has been handed on, so a process that dies in between hands it on again; what
 * comes twice is recognised where it arrives.
 */
import { HistoryTask, HistoryTasks } from "@effect-dsql/persistence"
import { Clock, Effect, Schedule, Stream } from "effect"
import type { HttpApiClient } from "effect/http-api"
import type { MatchingApi } from "../api/MatchingApi.ts"
import { workQueue } from "../matching/Queues.ts"
import { Engine } from "./Engine.ts"
import { type Owned, Ownership } from "./Ownership.ts"
import * as State from "./State.ts"

/** How long new tasks may wait to be seen. */
const pace = Schedule.spaced("25 millis")

const forEver = 2n ** 63n - 1n

export const make = Effect.fnUntraced(function* (matching: HttpApiClient.ForApi<typeof MatchingApi>) {
  const tasks = yield* HistoryTasks.HistoryTasks
  const engine = yield* Engine
  const ownership = yield* Ownership

  const transfers = ({ rangeId, shardId }: Owned) =>
    tasks.immediate.stream({ shardId, category: HistoryTask.transfer, min: 0n, max: forEver }).pipe(
      Stream.runForEach(({ category, task, taskId }) =>
        Effect.gen(function* () {
          const transfer = yield* State.transfers.decode(task)
          yield* matching.add({ params: { queue: workQueue }, payload: { work: [{ ...transfer, shardId }] } })
          yield* tasks.immediate.delete({ shardId, rangeId, category, taskId })
        })
      )
    )

  const timers = ({ rangeId, shardId }: Owned) =>
    Effect.gen(function* () {
      const max = State.fireTime(yield* Clock.currentTimeMillis)
      const due = tasks.scheduled.stream({ shardId, category: HistoryTask.timer, min: State.fireTime(0), max })
      yield* Stream.runForEach(due, ({ category, fireTime, task, taskId }) =>
        Effect.gen(function* () {
          yield* Effect.catchTag(engine.fire(yield* State.timers.decode(task)), "NotFound", () => Effect.void)
          yield* tasks.scheduled.delete({ shardId, rangeId, category, fireTime, taskId })
        })
      )
    })

  /** Goes on whatever happens, as long as the shard is owned. */
  const repeated = <E extends { readonly _tag: string }>(name: string, owned: Owned, effect: Effect.Effect<void, E>) =>
    effect.pipe(
      Effect.catch((error) =>
        error._tag === "ShardOwnershipLost"
          ? ownership.lost(owned)
          : Effect.logWarning(`${name} will be tried again`, error).pipe(
              Effect.annotateLogs({ shardId: owned.shardId, rangeId: String(owned.rangeId) })
            )
      ),
      Effect.repeat(pace)
    )

  return (owned: Owned): Effect.Effect<void> =>
    Effect.all([repeated("transfer", owned, transfers(owned)), repeated("timer", owned, timers(owned))], {
      concurrency: "unbounded",
      discard: true
    })
})

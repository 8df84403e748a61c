/**
 * A day in the life of the backend: orders of several rounds and an activity that stands alone, while the shards move
 * from one process to the other and back.
 */
import { Effect, Fiber, Latch, Random, Schedule } from "effect"
import { randomUUID } from "node:crypto"
import type { Description } from "./api/HistoryApi.ts"
import type { Backend } from "./Backend.ts"

export interface Options {
  readonly orders: number
  /** Rounds of each order: one run each. */
  readonly rounds: number
}

/** What happened. */
export interface Outcome {
  readonly orders: ReadonlyArray<Description>
  /** The runs that each order had, in their order. */
  readonly runs: ReadonlyArray<ReadonlyArray<string>>
  readonly activity: Description
  /** How often a shard was taken. */
  readonly moves: number
}

/** What cannot be done just now is asked for again; whatever arrives twice is done once. */
const insisting = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, {
    while: ({ _tag }) => _tag === "Unavailable" || _tag === "HttpClientError",
    schedule: Schedule.spaced("100 millis"),
    times: 100
  })

/** How often what has happened is looked at. */
const pace = Schedule.spaced("50 millis")

/** Runs an order to its end: whenever a run waits to be told to ship, it is told, but not before a shard has moved. */
const order = Effect.fnUntraced(function* ({ frontend }: Backend, moved: Latch.Latch, id: string, rounds: number) {
  const params = { kind: "workflow", id } as const
  const input = { item: id, round: 1, rounds }
  yield* insisting(frontend.start({ params, payload: { name: "order", input, requestId: randomUUID() } }))
  const runs = new Set<string>()
  const told = new Set<string>()
  const look = Effect.gen(function* () {
    const seen = yield* insisting(frontend.describe({ params }))
    runs.add(seen.runId)
    if (seen.events.includes("TimerFired") && !told.has(seen.runId)) {
      yield* moved.await
      // The same signal sent twice is one.
      const payload = { runId: seen.runId, signalId: "ship", value: null }
      yield* insisting(frontend.signal({ params: { id, name: "ship" }, payload }))
      yield* insisting(frontend.signal({ params: { id, name: "ship" }, payload })).pipe(
        // The run may be over already: then the first one did it.
        Effect.catchTag("NotFound", () => Effect.void)
      )
      told.add(seen.runId)
    }
    return seen
  })
  const last = yield* Effect.repeat(look, { schedule: pace, until: ({ status }) => status === "Completed" })
  return { last, runs: [...runs] }
})

const activity = Effect.fnUntraced(function* ({ frontend }: Backend) {
  const params = { kind: "activity", id: "greeting" } as const
  yield* insisting(frontend.start({ params, payload: { name: "greet", input: "world", requestId: randomUUID() } }))
  return yield* Effect.repeat(insisting(frontend.describe({ params })), {
    schedule: pace,
    until: ({ status }) => status === "Completed"
  })
})

/** Moves shards between the history processes, one after the other. */
const moving = Effect.fnUntraced(function* ({ histories }: Backend, moved: Effect.Effect<unknown>) {
  const one = Effect.gen(function* () {
    const shardId = yield* Random.nextIntBetween(1, 4)
    const to = yield* Random.nextIntBetween(0, histories.length - 1)
    yield* Effect.ignore(Effect.andThen(histories[to]?.acquire({ params: { shardId } }) ?? Effect.void, moved))
  })
  yield* Effect.repeat(one, Schedule.spaced("250 millis"))
})

/** Runs everything at once, and gives what came of it. */
export const run = Effect.fnUntraced(function* (backend: Backend, { orders, rounds }: Options) {
  let moves = 0
  const moved = Latch.makeUnsafe()
  const count = Effect.sync(() => moves++)
  const mover = yield* Effect.forkChild(moving(backend, Effect.andThen(count, moved.open)))
  const [ended, greeting] = yield* Effect.all(
    [
      Effect.forEach(
        Array.from({ length: orders }, (_, number) => `order-${number + 1}`),
        (id) => order(backend, moved, id, rounds),
        { concurrency: "unbounded" }
      ),
      activity(backend)
    ],
    { concurrency: "unbounded" }
  )
  yield* Fiber.interrupt(mover)
  const outcome: Outcome = {
    orders: ended.map(({ last }) => last),
    runs: ended.map((one) => one.runs),
    activity: greeting,
    moves
  }
  return outcome
})

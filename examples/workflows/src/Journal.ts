/**
 * Everything that happened, in the order in which it was seen.
 */
import { Clock, Context, Deferred, Effect, Layer } from "effect"
import type { Saying } from "./Saying.ts"

/** A shard's row, as it became. */
export interface Held {
  readonly _tag: "Held"
  readonly shard: string
  readonly fence: bigint
  /** Who holds it; nobody where it was given back. */
  readonly runner: string | undefined
  /** Whether the lease is not over. */
  readonly live: boolean
}

/** What was done to a process. */
export interface Done {
  readonly _tag: "Started" | "Killed" | "Stopped" | "Woken" | "Finished"
  readonly name: string
}

export type What = Saying | Held | Done

export interface Event {
  /** Milliseconds since the beginning. */
  readonly at: number
  readonly what: What
}

export class Journal extends Context.Service<
  Journal,
  {
    readonly note: (what: What) => Effect.Effect<void>
    readonly events: ReadonlyArray<Event>
    /** Completes as soon as what has happened until then is enough. */
    readonly until: (enough: (events: ReadonlyArray<Event>) => boolean) => Effect.Effect<void>
  }
>()("workflows/Journal") {}

/** Provides an empty one; `heard` is told of each event. */
export const layer = (heard: (event: Event) => Effect.Effect<void> = () => Effect.void) =>
  Layer.effect(
    Journal,
    Effect.gen(function* () {
      const begin = yield* Clock.currentTimeMillis
      const events: Array<Event> = []
      const waiting = new Map<Deferred.Deferred<void>, (events: ReadonlyArray<Event>) => boolean>()
      return Journal.of({
        events,
        note: Effect.fnUntraced(function* (what: What) {
          const event = { at: (yield* Clock.currentTimeMillis) - begin, what }
          events.push(event)
          yield* heard(event)
          for (const [deferred, enough] of waiting) {
            if (enough(events)) yield* Deferred.succeed(deferred, undefined)
          }
        }),
        until: Effect.fnUntraced(function* (enough) {
          if (enough(events)) return
          const deferred = yield* Deferred.make<void>()
          waiting.set(deferred, enough)
          yield* Effect.ensuring(
            Deferred.await(deferred),
            Effect.sync(() => waiting.delete(deferred))
          )
        })
      })
    })
  )

/** Each shard's row, as it was at a time. */
export const heldAt = (events: ReadonlyArray<Event>, at = Number.POSITIVE_INFINITY): ReadonlyMap<string, Held> => {
  const held = new Map<string, Held>()
  for (const event of events) {
    if (event.at > at) break
    if (event.what._tag === "Held") held.set(event.what.shard, event.what)
  }
  return held
}

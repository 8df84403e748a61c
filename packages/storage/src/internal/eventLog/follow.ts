/**
 * Reads a log as it grows, in the order of its numbers and without a gap: what is new is always read from the
 * database, whoever has written it. A write of this process says that there is something; for those of others the
 * reader looks now and then.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Who is told that a log has grown. */
export interface Signals {
  readonly tell: (log: string) => Effect.Effect<void>
  readonly listen: (log: string) => Effect.Effect<PubSub.Subscription<void>, never, Scope.Scope>
}

/** Signals within this process. */
export const signals: Effect.Effect<Signals, never, Scope.Scope> = Effect.map(
  RcMap.make<string, PubSub.PubSub<void>, never, Scope.Scope>({
    // Whoever is behind needs to hear once that there is more.
    lookup: () => Effect.acquireRelease(PubSub.sliding<void>(1), PubSub.shutdown),
    idleTimeToLive: "1 minute"
  }),
  (logs) => ({
    tell: (log) => Effect.scoped(Effect.flatMap(RcMap.get(logs, log), (pubsub) => PubSub.publish(pubsub, undefined))),
    listen: (log) => Effect.flatMap(RcMap.get(logs, log), PubSub.subscribe)
  })
)

/** What is in a log from a number on, and then what comes. */
export const follow = <A>(
  signals: Signals,
  {
    backlog,
    every,
    from,
    log,
    next,
    read,
    size
  }: {
    readonly log: string
    readonly from: number
    /** So many entries from a number on, in order, or all that there are. */
    readonly read: (from: number, size: number) => Effect.Effect<ReadonlyArray<A>>
    /** Entries that are read at once. */
    readonly size: number
    /** The number behind an entry. */
    readonly next: (entry: A) => number
    /** What is made of all entries that are there at first. Left out: they are given as they are, page by page. */
    readonly backlog?: ((entries: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<A>>) | undefined
    readonly every: Duration.Input
  }
): Stream.Stream<A> =>
  Stream.unwrap(
    Effect.gen(function* () {
      // Before anything is read: what is written while it is, is told of.
      const told = yield* signals.listen(log)
      const grown = Effect.raceFirst(PubSub.take(told), Effect.sleep(every))
      const pageAt = (start: number) =>
        Effect.map(read(start, size), (entries) => {
          const last = entries.at(-1)
          return { entries, end: last === undefined ? start : next(last), isLast: entries.length < size }
        })
      const pages = (start: number, isRead: boolean) =>
        Stream.paginate({ end: start, isLast: isRead }, ({ end, isLast }) =>
          Effect.map(
            isLast ? Effect.andThen(grown, pageAt(end)) : pageAt(end),
            (page) => [page.entries, Option.some(page)] as const
          )
        )
      if (backlog === undefined) return pages(from, false)
      let page = yield* pageAt(from)
      const there = [...page.entries]
      while (!page.isLast) {
        page = yield* pageAt(page.end)
        there.push(...page.entries)
      }
      return Stream.concat(Stream.fromArray(yield* backlog(there)), pages(page.end, true))
    })
  )

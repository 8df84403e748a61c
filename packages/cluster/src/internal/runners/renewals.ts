/**
 * Renewals of one process, one after the other: each of them renews the runner's slot, so two at once would conflict.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

export interface Renewals {
  /** Renews when no other renewal is under way. */
  readonly inTurn: <A, E>(renewal: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /**
   * Whether one shard is kept. Those who ask while a renewal is under way wait for it, and the next one is of all their
   * shards; whoever finds then that his has been confirmed asks no more.
   */
  readonly confirm: <E>(
    shardId: string,
    isConfirmed: () => boolean,
    renew: (shardIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, E>
  ) => Effect.Effect<boolean, E>
}

export const make = (): Renewals => {
  const { withPermit } = Semaphore.makeUnsafe(1)
  const asked = new Set<string>()
  return {
    inTurn: withPermit,
    confirm: (shardId, isConfirmed, renew) =>
      Effect.suspend(() => {
        asked.add(shardId)
        const confirmed = Effect.suspend(() => {
          if (isConfirmed()) return Effect.succeed(true)
          const shardIds = [...asked.add(shardId)]
          asked.clear()
          return Effect.map(renew(shardIds), (kept) => kept.includes(shardId))
        })
        return Effect.ensuring(
          withPermit(confirmed),
          Effect.sync(() => asked.delete(shardId))
        )
      })
  }
}

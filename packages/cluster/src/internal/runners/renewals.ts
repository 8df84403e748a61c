/**
 * Renewals of one process, one after the other: each of them renews the runner's slot, so two at once would conflict.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

export interface Renewals<E> {
  /** Renews when no other renewal is under way. */
  readonly inTurn: <A, E2>(renewal: Effect.Effect<A, E2>) => Effect.Effect<A, E2>
  /**
   * Whether one shard is kept. Those who ask while a renewal is under way wait for it, and then for the next one, which
   * is of the shards of all of them that are not confirmed by then. Whoever waits no more leaves it to the others.
   */
  readonly confirm: (shardId: string) => Effect.Effect<boolean, E>
}

interface Options<E> {
  readonly isConfirmed: (shardId: string) => boolean
  /** Renews shards, and says which of them are kept. */
  readonly renew: (shardIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, E>
}

/** The next renewal: the shards that it is asked for, and what will say which of them are kept. */
interface Next<E> {
  readonly shardIds: Set<string>
  readonly kept: Effect.Effect<ReadonlySet<string>, E>
}

/** Makes renewals that go on until the scope is closed: whoever asks then is interrupted. */
export const make = <E>({ isConfirmed, renew }: Options<E>, scope: Scope.Scope): Renewals<E> => {
  const { withPermit } = Semaphore.makeUnsafe(1)
  let next: Next<E> | undefined

  const begun = (shardIds: ReadonlySet<string>): Effect.Effect<ReadonlySet<string>, E> =>
    Effect.suspend(() => {
      next = undefined
      const left = [...shardIds].filter((shardId) => !isConfirmed(shardId))
      if (left.length === 0) return Effect.succeed(shardIds)
      const asked = new Set(left)
      const confirmed = [...shardIds].filter((shardId) => !asked.has(shardId))
      return Effect.map(renew(left), (kept) => new Set([...confirmed, ...kept]))
    })

  return {
    inTurn: withPermit,
    confirm: (shardId) =>
      Effect.suspend(() => {
        if (next !== undefined) {
          next.shardIds.add(shardId)
          return next.kept
        }
        const shardIds = new Set([shardId])
        return Effect.flatMap(Effect.forkIn(withPermit(begun(shardIds)), scope), (fiber) => {
          const kept = Fiber.join(fiber)
          next = { shardIds, kept }
          return kept
        })
      }).pipe(Effect.map((kept) => kept.has(shardId)))
  }
}

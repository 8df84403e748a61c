/**
 * Work that is done for as long as something is owned, and begun anew until time is up.
 */
import * as Effect from "effect/Effect"

/** Ids of a range's own, which grow from range to range, as the owners of shards and queues give them out. */
export const ids = (rangeId: bigint): (() => bigint) => {
  let next = rangeId * 2n ** 20n
  return () => next++
}

/** Whether time is up. */
export type IsOver = Effect.Effect<boolean>

/**
 * Repeats a tenure, which ends with an error as soon as it does not go on: then nothing that it believed to own is
 * believed any more. Only between writes is it looked whether time is up.
 */
export const repeated = <A, E, R>(isOver: IsOver, tenure: Effect.Effect<A, E, R>) =>
  Effect.repeat(
    Effect.catch(Effect.asVoid(tenure), () => Effect.sleep("20 millis")),
    { until: () => isOver }
  )

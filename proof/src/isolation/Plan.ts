/**
 * What sessions are to do, decided before any of them begins, so that a seed decides it whatever comes first.
 */
import { Effect, Random } from "effect"

/** `Meet` waits until every session has come to its transaction of the same number. */
export type Step =
  | { readonly _tag: "Read"; readonly list: number }
  | { readonly _tag: "Append"; readonly list: number }
  | { readonly _tag: "Meet" }

/** The steps of one transaction. */
export type Plan = ReadonlyArray<Step>

const read = (list: number): Step => ({ _tag: "Read", list })

const append = (list: number): Step => ({ _tag: "Append", list })

const meet: Step = { _tag: "Meet" }

/** How much sessions do. */
export interface Size {
  readonly sessions: number
  /** Transactions of each session. */
  readonly transactions: number
  /** Operations of each transaction. */
  readonly operations: number
  readonly lists: number
}

/**
 * Transactions of random operations, by session. The first of each session reads a list, meets the others' and appends
 * to it: one of them commits, and all others conflict.
 */
export const random = (size: Size): Effect.Effect<ReadonlyArray<ReadonlyArray<Plan>>> => {
  const step = Effect.gen(function* () {
    const list = yield* Random.nextIntBetween(1, size.lists)
    return (yield* Random.nextBoolean) ? append(list) : read(list)
  })
  return Effect.replicateEffect(
    Effect.map(
      Effect.replicateEffect(Effect.replicateEffect(step, size.operations), size.transactions),
      (plans): ReadonlyArray<Plan> => [[read(1), meet, append(1)], ...plans]
    ),
    size.sessions
  )
}

/**
 * Write skew: each session reads every list, as many as there are sessions, and appends to its own when all have read.
 * The order in which it reads is random.
 */
export const skewed = (sessions: number, transactions: number): Effect.Effect<ReadonlyArray<ReadonlyArray<Plan>>> => {
  const lists = Array.from({ length: sessions }, (_, index) => index + 1)
  return Effect.forEach(lists, (own) =>
    Effect.replicateEffect(
      Effect.map(Random.shuffle(lists), (order): Plan => [...order.map(read), meet, append(own)]),
      transactions
    )
  )
}

/**
 * An event log with two writers and a reader, stepped through every order in which they commit and look.
 */
import type { DsqlClient } from "@effect-dsql/core"
import { assert } from "@effect/vitest"
import { Effect, Exit, Layer, Stream } from "effect"
import type { EventLogMessage } from "effect/eventlog"
import { randomUUID } from "node:crypto"
import { interleave, type Rewrite } from "../../../../test/sessions.ts"

type StoreId = EventLogMessage.StoreId

/** A log as it is under test: what is written to it, and the numbers that a reader is given. */
export interface Log<R, E> {
  readonly layer: Layer.Layer<R, E, DsqlClient.DsqlClient>
  readonly write: (store: StoreId, name: string) => Effect.Effect<unknown, never, R>
  readonly changes: (store: StoreId, startSequence: number) => Stream.Stream<number, never, R>
}

/** Any text is a store's id. */
export const newStore = () => randomUUID() as StoreId

/** Both have written: every order in which they commit, and the reader looks twice. */
const orders = permutations(["a", "b", "r", "r"]).map((order) => ["a", "b"].concat(order))

// A storage is built in six steps; then a writer takes its snapshot and writes, and commits; a reader reads in three.
const stepsOf = (order: ReadonlyArray<string>): ReadonlyArray<number> => {
  const begun = new Set<string>()
  const steps = order.flatMap((who) => {
    if (who === "r") return [2, 2, 2]
    const session = who === "a" ? 0 : 1
    const step = begun.has(who) ? [session] : [session, session]
    begun.add(who)
    return step
  })
  return [...[0, 1, 2].flatMap((session) => Array.from({ length: 6 }, () => session)), ...steps]
}

/** The orders in which the reader goes past an entry that it has not seen. */
export const missed = Effect.fnUntraced(function* <R, E>(log: Log<R, E>, rewrite: Rewrite, among = orders) {
  const fresh = Layer.fresh(Layer.orDie(log.layer))
  const misses: Array<string> = []
  for (const order of among) {
    const store = newStore()
    yield* log.write(store, "first")
    const seen: Array<number> = []
    const writing = (name: string) => Effect.provide(log.write(store, name), fresh)
    const programs = [writing("a"), writing("b"), Effect.provide(reading(log, store, seen), fresh)]
    const exits = yield* interleave<unknown, unknown>(programs, stepsOf(order), rewrite)
    assert.deepStrictEqual(exits.filter(Exit.isFailure), [])
    const all = yield* Stream.runCollect(Stream.take(log.changes(store, 1), 3))
    if (all.some((number) => number < Math.max(...seen) && !seen.includes(number))) misses.push(order.join(""))
  }
  return misses
})

/** Looks twice, as a client does: from the last number on that it has seen. */
const reading = <R, E>(log: Log<R, E>, store: StoreId, seen: Array<number>) =>
  Effect.gen(function* () {
    for (let look = 0; look < 2; look++) {
      const pull = yield* Stream.toPull(log.changes(store, seen.at(-1) ?? 1))
      seen.push(...(yield* pull).filter((number) => !seen.includes(number)))
    }
  }).pipe(Effect.scoped, Effect.orDie)

/** Every order of some letters, each once. */
function permutations(letters: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> {
  if (letters.length === 0) return [[]]
  return [...new Set(letters)].flatMap((letter) => {
    const rest = letters.toSpliced(letters.indexOf(letter), 1)
    return permutations(rest).map((order) => [letter].concat(order))
  })
}

/** One that commits late, after the reader has seen the number behind its own. */
export const late = ["a", "b", "b", "r", "a", "r"]

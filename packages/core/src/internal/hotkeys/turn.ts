/**
 * The keys that a transaction has, from before its first attempt to after its last one: who lost a conflict to another
 * process keeps its turn, so of each process the one that came first is in the field.
 *
 * Keys that are known before are waited for before a connection is taken. A fence says its key only when it runs, and
 * then there may be a connection: if somebody else has the key, the attempt ends there, gives everything back, waits for
 * all keys that it has named, and begins anew. Who waits has taken keys in the order of their names and in no other, so
 * no two wait for each other.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { type Key, type Named, named } from "./key.ts"
import type { Holder, Lines } from "./lines.ts"

/** The turn of a transaction. */
export class Turn implements Holder {
  readonly #lines: Lines
  readonly #held = new Set<string>()
  readonly #wanted = new Map<string, Named>()
  /** The attempt named a key that somebody else has: nothing of it may be committed. */
  isOver = false

  constructor(lines: Lines, keys: ReadonlyArray<Key>) {
    this.#lines = lines
    for (const key of keys) this.#want(named(key))
  }

  given(name: string): void {
    this.#held.add(name)
  }

  /** What it has named so far. */
  get keys(): ReadonlyArray<Named> {
    return [...this.#wanted.values()]
  }

  /** Takes all that it has named, as far as nobody else has it: gives the rest, in the order in which it is to be taken. */
  takeNow(): ReadonlyArray<Named> {
    if (this.#wanted.size === 0) return []
    const sorted = this.keys.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const first = sorted.findIndex(({ name }) => !this.#lines.takeNow(name, this))
    return first === -1 ? [] : sorted.slice(first)
  }

  /** Waits for what it has not got. */
  take<E>(rest: ReadonlyArray<Named>, onFull: (one: Named, waiting: number) => E): Effect.Effect<void, E> {
    return Effect.forEach(rest, (one) => this.#lines.take(one.name, this, (waiting) => onFull(one, waiting)), {
      discard: true
    })
  }

  /** Takes a key on the way, if nobody else has it; or is over. */
  goesOnWith(key: Key): boolean {
    const one = named(key)
    if (this.#held.has(one.name)) return true
    this.#want(one)
    this.isOver ||= !this.#lines.takeNow(one.name, this)
    return !this.isOver
  }

  /** Gives back all that it has. */
  release(): void {
    for (const name of this.#held) this.#lines.release(name)
    this.#held.clear()
  }

  #want(one: Named): void {
    this.#wanted.set(one.name, one)
  }
}

/** The turn of the transaction that runs, where its fences name keys. */
export const Current = Context.Reference<Turn | undefined>("@effect-dsql/core/internal/hotkeys/Current", {
  defaultValue: () => undefined
})

/** Nobody sees it but a body that catches defects: whoever runs the attempt sees that the turn is over. */
export const over: Effect.Effect<never> = Effect.die(
  new Error("another transaction of this process has the key: the attempt begins anew after it")
)

/** Says that the attempt is about to take a row for itself; ends it where another one of this process has it. */
export const name = (key: Key): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const turn = fiber.getRef(Current)
    return turn === undefined || turn.goesOnWith(key) ? Effect.void : over
  })

/** Ends what a body goes on with after its turn was over. */
export const unlessOver = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => (fiber.getRef(Current)?.isOver === true ? over : effect))

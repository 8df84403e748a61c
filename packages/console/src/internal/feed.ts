/**
 * What a page is sent: what changed, as fast as it takes it, and once a second how everything stands. Nothing is kept for
 * a page that is slow; it gets what is newest then.
 */
import type { Emulator } from "@effect-dsql/emulator/Emulator"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Message from "../Message.ts"

/** Milliseconds between two words about how everything stands. */
const beat = 1_000

/** Milliseconds in which changes are told together. */
const together = 50

/** Transactions of one event. */
const atOnce = 500

/** Texts whose cost is told: those that cost most. */
const dearest = 100

const encodeTransactions = Schema.encodeEffect(Schema.fromJsonString(Message.Transactions))
const encodeState = Schema.encodeEffect(Schema.fromJsonString(Message.State))

const event = (name: string, data: string, id?: number): string =>
  `event: ${name}\n${id === undefined ? "" : `id: ${id}\n`}data: ${data}\n\n`

/** How an emulator stands. */
export const state = Effect.fnUntraced(function* (
  emulator: Emulator,
  setting: { readonly seed: number; readonly url: string }
): Effect.fn.Return<Message.State> {
  const { control } = emulator
  const holdings = yield* emulator.holdings
  const all = yield* control.spent()
  const total = ({ cost }: (typeof all)[number]) => cost.read + cost.write
  const spent = all.toSorted((a, b) => total(b) - total(a)).slice(0, dearest)
  // Nobody's label asks for all of them.
  const labels = new Set(spent.flatMap(({ label }) => (label === "" ? [] : [label])))
  const roundTrips = yield* Effect.forEach(labels, (label) =>
    Effect.map(control.counts(label), (counts) => [label, counts.roundTrips] as const)
  )
  return {
    // By the clock that transactions are told by.
    now: performance.timeOrigin + performance.now(),
    ...setting,
    parameters: yield* control.keepsParameters,
    connections: holdings.connections,
    sessions: holdings.sessions,
    open: holdings.transactions,
    parked: holdings.parked,
    counts: yield* control.counts(),
    databases: yield* emulator.databases,
    happened: yield* control.happened,
    refused: yield* control.refused,
    spent,
    roundTrips: Object.fromEntries(roundTrips)
  }
})

/** The events for one page, from a revision on. */
export const events = (
  emulator: Emulator,
  setting: { readonly seed: number; readonly url: string },
  from: number
): Stream.Stream<string> => {
  const transactions = Stream.paginate(from, (after) =>
    Effect.gen(function* () {
      yield* emulator.control.changes(after)
      yield* Effect.sleep(together)
      const changed = (yield* emulator.control.transactions(after)).slice(0, atOnce)
      const last = changed.at(-1)?.revision ?? after
      // An event that its own schema does not have is a defect of this package.
      const data = yield* Effect.orDie(encodeTransactions(changed))
      return [[event("transactions", data, last)], Option.some(last)] as const
    })
  )
  const states = Stream.fromEffectRepeat(
    Effect.flatMap(state(emulator, setting), (value) => Effect.orDie(encodeState(value)))
  ).pipe(
    Stream.map((data) => event("state", data)),
    (all) =>
      Stream.concat(
        Stream.take(all, 1),
        Stream.mapEffect(all, (each) => Effect.as(Effect.sleep(beat), each))
      )
  )
  return Stream.merge(transactions, states)
}

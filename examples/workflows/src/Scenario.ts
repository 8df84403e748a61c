/**
 * What happens: orders are placed, a runner is killed while it charges one, another one is stopped past its lease while
 * it ships one, and woken.
 */
import { Effect } from "effect"
import { type Event, heldAt, Journal } from "./Journal.ts"
import type { Step } from "./Order.ts"
import { Processes } from "./Processes.ts"
import type { Saying } from "./Saying.ts"
import { shards } from "./Settings.ts"

/** What became of it. */
export interface Outcome {
  readonly orders: ReadonlyArray<string>
  readonly killed: string
  readonly stopped: string
  /** The exit code of the client. */
  readonly client: number
}

type Begins = Extract<Saying, { readonly _tag: "Begins" }>

const begun = (events: ReadonlyArray<Event>, step: Step): Begins | undefined => {
  for (const { what } of events) if (what._tag === "Begins" && what.step === step) return what
  return undefined
}

const isDone = (events: ReadonlyArray<Event>, step: Step, order: string, except?: string) =>
  events.some(({ what }) => what._tag === "Done" && what.step === step && what.of === order && what.runner !== except)

/** Whether all shards are held, each of these runners has some, and nobody else has any. */
const areHeldBy =
  (...runners: ReadonlyArray<string>) =>
  (events: ReadonlyArray<Event>) => {
    const held = [...heldAt(events).values()]
    return (
      held.length === shards &&
      held.every(({ live, runner }) => live && runner !== undefined && runners.includes(runner)) &&
      runners.every((name) => held.some(({ runner }) => runner === name))
    )
  }

export const run = Effect.fnUntraced(function* (options: { readonly orders: number }) {
  const journal = yield* Journal
  const processes = yield* Processes
  const orders = Array.from({ length: options.orders }, (_, index) => `order-${index + 1}`)
  const first = yield* Effect.all([processes.runner("runner-1"), processes.runner("runner-2")], { concurrency: 2 })
  yield* journal.until(areHeldBy("runner-1", "runner-2"))
  const client = yield* processes.client("client", orders)

  /** Waits until a runner begins a step, and gives which one it is. */
  const beginning = Effect.fnUntraced(function* (step: Step) {
    yield* journal.until((events) => begun(events, step) !== undefined)
    const { of, runner } = begun(journal.events, step) ?? { of: "", runner: "" }
    return { order: of, name: runner }
  })

  const killed = yield* beginning("charge")
  const dead = first.filter(({ name }) => name === killed.name)
  yield* Effect.forEach(dead, ({ kill }) => kill)
  const left = [...first.filter(({ name }) => name !== killed.name), yield* processes.runner("runner-3")]
  yield* journal.until(areHeldBy(...left.map(({ name }) => name)))
  yield* journal.until((events) => orders.every((order) => isDone(events, "charge", order)))

  yield* client.tell
  const stopped = yield* beginning("ship")
  const sleepers = left.filter(({ name }) => name === stopped.name)
  const others = left.filter(({ name }) => name !== stopped.name).map(({ name }) => name)
  const wakers = yield* Effect.forEach(sleepers, ({ stop }) => stop)
  yield* journal.until(areHeldBy(...others))
  yield* journal.until((events) => isDone(events, "ship", stopped.order, stopped.name))
  yield* Effect.forEach(wakers, (wake) => wake)
  // It goes on where it was.
  yield* journal.until((events) =>
    events.some(
      ({ what }) =>
        (what._tag === "Refused" || what._tag === "Done") &&
        what.step === "ship" &&
        what.of === stopped.order &&
        what.runner === stopped.name
    )
  )
  const code = yield* client.ended
  // And takes part again.
  yield* journal.until(areHeldBy(...left.map(({ name }) => name)))
  yield* Effect.forEach(left, ({ finish }) => finish, { concurrency: "unbounded" })
  const outcome: Outcome = { orders, killed: killed.name, stopped: stopped.name, client: code }
  return outcome
})

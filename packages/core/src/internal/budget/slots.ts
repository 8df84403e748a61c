/**
 * The slots that this process holds: more are claimed when room is short, and all are renewed until they are given back.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { randomUUID } from "node:crypto"
import type { ConnectionBudget } from "../../ConnectionBudget.ts"
import { DsqlClient } from "../../DsqlClient.ts"
import { TooManyConnections, type TransactionError } from "../../DsqlError.ts"
import * as rareLog from "../metrics/rareLog.ts"
import * as Monotonic from "../time/monotonic.ts"
import * as measure from "./measure.ts"
import { full, use } from "./room.ts"
import * as SlotTable from "./slotTable.ts"

/** How the budget is cut, and for how long a slot is held without a sign of life. */
export interface Options {
  readonly limit: number
  readonly slotSize: number
  readonly ttlMillis: number
}

/** Makes a budget of the slots that there are. */
export const make = Effect.fnUntraced(function* ({
  limit,
  slotSize,
  ttlMillis
}: Options): Effect.fn.Return<ConnectionBudget, never, DsqlClient | Scope.Scope> {
  const client = yield* DsqlClient
  const slots = { count: Math.ceil(limit / slotSize), ttlMillis }
  /** The last one is smaller where the limit is no multiple. */
  const roomOf = (slot: number) => Math.min(slotSize, limit - slot * slotSize)
  const offset = yield* Random.nextIntBetween(0, slots.count)
  const claiming = Semaphore.makeUnsafe(1)
  const state = { used: 0 }
  let held: SlotTable.Leases = new Map()
  /** Those that nobody may lease any more, until it is known that they have been given back. */
  let leaving: SlotTable.Leases = new Map()
  /** Of the next claim, until one is answered with a slot: what a claim took whose answer was lost is found by it. */
  let name = randomUUID()
  const roomIn = (some: Iterable<number>) => [...some].reduce((sum, slot) => sum + roomOf(slot), 0)
  const clock = yield* Clock.Clock
  let renewedAt = Monotonic.millisOf(clock)
  // Who was not heard of for so long may have lost its room to others, and does not know.
  const isStale = () => held.size > 0 && Monotonic.millisOf(clock) - renewedAt >= ttlMillis
  const room = () => (isStale() ? 0 : roomIn(held.keys()))
  const asked = <A>(effect: Effect.Effect<A, TransactionError, DsqlClient>) =>
    Effect.provideService(effect, DsqlClient, client)

  const claim = Effect.gen(function* () {
    if (isStale()) return yield* stale
    const now = Monotonic.millisOf(clock)
    const slot = yield* asked(SlotTable.claim(slots, name, offset)).pipe(
      Effect.mapError(
        (cause) =>
          new TooManyConnections({
            message: `no room could be leased in dsql_connection_slots: ${cause.message}`,
            cause
          })
      )
    )
    if (slot === undefined) return yield* full(limit)
    if (held.size === 0) renewedAt = now
    held = new Map([...held, [slot, name]])
    name = randomUUID()
  })

  const renew = Effect.gen(function* () {
    if (held.size === 0) return
    const now = Monotonic.millisOf(clock)
    const renewed = yield* asked(SlotTable.renew(slots, held))
    renewedAt = now
    yield* measure.lost([...held.keys()].filter((slot) => !renewed.has(slot)).length)
    held = renewed
    yield* Effect.ignore(Effect.whileLoop({ while: () => room() < state.used, body: () => claim, step: () => {} }))
    const inOrder = [...held.keys()].toSorted((one, other) => one - other)
    const surplus = new Set(inOrder.filter((_, index) => roomIn(inOrder.slice(0, index)) >= state.used))
    const all = [...held]
    held = new Map(all.filter(([slot]) => !surplus.has(slot)))
    leaving = new Map([...leaving, ...all.filter(([slot]) => surplus.has(slot))])
    yield* asked(SlotTable.release(leaving))
    leaving = new Map()
  }).pipe(
    claiming.withPermit,
    Effect.catch((error) =>
      Effect.andThen(
        measure.renewFailed,
        rareLog.log("Warn", "connection budget not renewed", { error: error._tag, reason: error.message })
      )
    )
  )

  yield* measure.register(() => ({ limit, leased: room(), used: state.used }))
  // What does not come through in time runs out by itself.
  const giveBack = Effect.suspend(() => asked(SlotTable.release(new Map([...leaving, ...held]))))
  yield* Effect.addFinalizer(() => Effect.ignore(Effect.interruptible(Effect.timeout(giveBack, "5 seconds"))))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(ttlMillis / 3), renew)))
  const inRoom = use(state, room)
  const more: ConnectionBudget["lease"] = Effect.flatMap(inRoom, (had) =>
    had
      ? Effect.void
      : Effect.andThen(
          claim,
          Effect.suspend(() => more)
        )
  )
  return { lease: Effect.flatMap(inRoom, (had) => (had ? Effect.void : claiming.withPermit(more))) }
})

/** What had been leased may be somebody else's by now. */
const stale = Effect.andThen(
  measure.refused,
  Effect.fail(new TooManyConnections({ message: "the connection budget was not renewed in time" }))
)

/**
 * The desk of an emulator: what was asked of it, what its clients have done, and which faults are due.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Control from "../../Control.ts"
import * as Log from "../watch/log.ts"
import * as Faults from "./faults.ts"

/** What the emulator keeps of one connection. */
export interface Connection {
  readonly id: number
  readonly opened: number
  label: string
  roundTrips: number
  statements: number
  commits: number
  readonly cut: () => void
}

/** The side of the control that the emulator works with. */
export interface Desk extends Control.Control {
  readonly faults: Faults.Faults
  /** Where transactions are told of; undefined while nobody watches. */
  readonly log: Log.Log | undefined
  /** Whether DETAIL says of a conflict who was first, and where. */
  readonly explains: boolean
  readonly open: (label: string, cut: () => void) => Connection
  readonly close: (connection: Connection) => void
  readonly connections: () => number
  readonly arrive: (connection: Connection, sql: string, inTransaction: boolean) => void
  readonly delay: (label: string) => number
  /** Milliseconds; goes faster than time when advanced. */
  readonly now: () => number
  /** Waits for so many milliseconds of `now`. */
  readonly sleep: (millis: number) => Effect.Effect<void>
  readonly request: (connection: Connection, request: Control.Request) => Effect.Effect<unknown>
}

/** Statements that are kept, and characters of them. */
const logged = { statements: 100_000, characters: 32 * 1024 * 1024 }

const nothing: Control.Counts = { connections: 0, roundTrips: 0, statements: 0, commits: 0 }

const sum = (a: Control.Counts, b: Control.Counts): Control.Counts => ({
  connections: a.connections + b.connections,
  roundTrips: a.roundTrips + b.roundTrips,
  statements: a.statements + b.statements,
  commits: a.commits + b.commits
})

const matches = (label: string | undefined) => (each: { readonly label: string }) =>
  label === undefined || label === "" || each.label === label

/** Makes a desk that nobody has come to. */
export const make = (options: {
  readonly seed: number
  readonly log: boolean
  readonly watch: boolean
  readonly explain: boolean
}): Desk => {
  let log = options.watch || options.explain ? Log.make() : undefined
  const faults = Faults.make(options.seed)
  const open = new Set<Connection>()
  /** What connections did that are closed, by label. */
  let past = new Map<string, Control.Counts>()
  let arrivals: Array<Control.Arrival> = []
  let characters = 0
  let ids = 0
  let ahead = 0
  let advanced = Deferred.makeUnsafe<void>()
  const latencies = new Map<string | undefined, number>()
  const until = (end: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const left = end - desk.now()
      if (left <= 0) return Effect.void
      return Effect.andThen(Effect.raceFirst(Effect.sleep(left), Deferred.await(advanced)), until(end))
    })
  const desk: Desk = {
    faults,
    get log() {
      return log
    },
    explains: options.explain,
    open: (label, cut) => {
      const connection = { id: ++ids, opened: desk.now(), label, roundTrips: 0, statements: 0, commits: 0, cut }
      open.add(connection)
      return connection
    },
    close: (connection) => {
      open.delete(connection)
      past.set(connection.label, sum(past.get(connection.label) ?? nothing, { ...connection, connections: 1 }))
    },
    connections: () => open.size,
    arrive: (connection, sql, inTransaction) => {
      connection.statements++
      if (!options.log) return
      characters += sql.length
      if (arrivals.length >= logged.statements || characters > logged.characters) {
        arrivals = arrivals.slice(Math.ceil(arrivals.length / 2))
        characters = arrivals.reduce((total, arrival) => total + arrival.sql.length, sql.length)
      }
      arrivals.push({ label: connection.label, connection: connection.id, sql, inTransaction })
    },
    delay: (label) => latencies.get(label) ?? latencies.get(undefined) ?? 0,
    now: () => performance.now() + ahead,
    sleep: (millis) => Effect.suspend(() => until(desk.now() + millis)),
    inject: (rule) => Effect.sync(() => faults.inject(rule)),
    clear: Effect.sync(() => {
      faults.clear()
      latencies.clear()
    }),
    latency: (millis, label) => Effect.sync(() => void latencies.set(label, millis)),
    advance: (millis) =>
      Effect.suspend(() => {
        const before = advanced
        ahead += millis
        advanced = Deferred.makeUnsafe()
        return Effect.asVoid(Deferred.succeed(before, undefined))
      }),
    counts: (label) =>
      Effect.sync(() => {
        let total = nothing
        for (const [closed, counts] of past) if (matches(label)({ label: closed })) total = sum(total, counts)
        for (const each of open) if (matches(label)(each)) total = sum(total, { ...each, connections: 1 })
        return log === undefined ? total : { ...total, cost: log.cost(label) }
      }),
    watch: ({ parameters } = {}) =>
      Effect.sync(() => {
        log ??= Log.make()
        if (parameters !== undefined) log.parameters = parameters
      }),
    keepsParameters: Effect.sync(() => log?.parameters === true),
    transactions: (after = 0) => Effect.sync(() => log?.transactions(after) ?? []),
    changes: (after) => Effect.suspend(() => log?.awaitChange(after) ?? Effect.never),
    conflicts: (label) => Effect.sync(() => log?.conflicts(label) ?? []),
    refused: Effect.sync(() => log?.refused() ?? []),
    spent: (label) => Effect.sync(() => log?.spent(label) ?? []),
    statements: (label) => Effect.sync(() => arrivals.filter(matches(label))),
    happened: Effect.sync(faults.happened),
    reset: Effect.sync(() => {
      arrivals = []
      characters = 0
      past = new Map()
      log?.reset()
      for (const each of open) Object.assign(each, { roundTrips: 0, statements: 0, commits: 0 })
    }),
    cut: (label) =>
      Effect.sync(() => {
        const own = [...open].filter(matches(label))
        for (const each of own) each.cut()
        return own.length
      }),
    request: Effect.fnUntraced(function* (connection, request) {
      if (request.label !== undefined) connection.label = request.label
      if (request.clear === true) yield* desk.clear
      if (request.inject !== undefined) yield* desk.inject(request.inject)
      if (request.latency !== undefined) yield* desk.latency(request.latency.millis, request.latency.for)
      if (request.advance !== undefined) yield* desk.advance(request.advance)
      if (request.reset === true) yield* desk.reset
      if (request.watch !== undefined) yield* desk.watch(request.watch)
      if (request.transactions !== undefined) {
        const { after, wait = 0 } = request.transactions
        if (wait > 0) yield* Effect.timeoutOption(desk.changes(after), Math.min(wait, 60_000))
        return yield* desk.transactions(after)
      }
      if (request.conflicts !== undefined) return yield* desk.conflicts(request.conflicts)
      if (request.cut !== undefined) return yield* desk.cut(request.cut)
      if (request.happened === true) return yield* desk.happened
      if (request.statements !== undefined) return yield* desk.statements(request.statements)
      if (request.counts !== undefined) return yield* desk.counts(request.counts)
      return "ok"
    })
  }
  return desk
}

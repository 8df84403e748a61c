/**
 * What a test, or another process, asks of a running emulator: faults, latency,
 * time, counts of round trips, the statements that arrived.
 *
 * In the emulator's own process it is an object. From anywhere else it is SQL:
 * `CALL emulator.control('{"inject": {"on": "commit", "fault": "conflict", "nth": [1]}}')`, which answers with one
 * row of one column, JSON, and is not itself counted or logged.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Faults from "./Faults.ts"

/**
 * What a client's connections did.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counts {
  /** Connections that were opened. */
  readonly connections: number
  /** Times that a client spoke after everything it had asked was answered; what it sent together is one. */
  readonly roundTrips: number
  readonly statements: number
  /** COMMITs, and autocommitted statements that changed or locked rows, that took effect. */
  readonly commits: number
}

/**
 * A statement that arrived.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arrival {
  readonly label: string
  readonly connection: number
  readonly sql: string
  /** Whether it was in a transaction that the client began. */
  readonly inTransaction: boolean
}

/**
 * A request in the form that SQL carries it.
 *
 * @since 0.1.0
 * @category models
 */
export const Request = Schema.Struct({
  /** Adds a rule for faults. */
  inject: Schema.optional(Faults.Rule),
  /** Takes all rules away. */
  clear: Schema.optional(Schema.Boolean),
  /** Milliseconds that each round trip takes from now on; `for` limits it to one label. */
  latency: Schema.optional(Schema.Struct({ millis: Schema.Number, for: Schema.optional(Schema.String) })),
  /** Moves the emulator's clock forward by milliseconds: transactions and connections age at once. */
  advance: Schema.optional(Schema.Number),
  /** Names this connection, in place of its application_name. */
  label: Schema.optional(Schema.String),
  /** Answers with the counts of a label, or of all for an empty string. */
  counts: Schema.optional(Schema.String),
  /** Answers with the statements of a label, or of all for an empty string. */
  statements: Schema.optional(Schema.String),
  /** Makes a database, from another one if that is named; DSQL itself has no CREATE DATABASE. */
  createDatabase: Schema.optional(Schema.Struct({ name: Schema.String, template: Schema.optional(Schema.String) })),
  /** Drops a database, whoever uses it. */
  dropDatabase: Schema.optional(Schema.String),
  /** Answers with how often each fault happened. */
  happened: Schema.optional(Schema.Boolean),
  /** Begins counting and logging anew. */
  reset: Schema.optional(Schema.Boolean),
  /** Cuts the connections with this label, or all for an empty string. */
  cut: Schema.optional(Schema.String)
})
export type Request = typeof Request.Type

/**
 * The control of one emulator.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  readonly inject: (rule: Faults.Rule) => Effect.Effect<void>
  readonly clear: Effect.Effect<void>
  /** Milliseconds per round trip, for all connections or those with a label. */
  readonly latency: (millis: number, label?: string) => Effect.Effect<void>
  /** Milliseconds by which transactions and connections get older at once. */
  readonly advance: (millis: number) => Effect.Effect<void>
  readonly counts: (label?: string) => Effect.Effect<Counts>
  readonly statements: (label?: string) => Effect.Effect<ReadonlyArray<Arrival>>
  /** How often each fault happened since the emulator began, by its name and its event: `cut@commit`. */
  readonly happened: Effect.Effect<Faults.Happened>
  readonly reset: Effect.Effect<void>
  /** Cuts connections as a broken network does; gives how many. */
  readonly cut: (label?: string) => Effect.Effect<number>
}

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
export interface Desk extends Control {
  readonly faults: Faults.Faults
  readonly open: (label: string, cut: () => void) => Connection
  readonly close: (connection: Connection) => void
  readonly connections: () => number
  readonly arrive: (connection: Connection, sql: string, inTransaction: boolean) => void
  readonly delay: (label: string) => number
  /** Milliseconds; goes faster than time when advanced. */
  readonly now: () => number
  readonly request: (connection: Connection, request: Request) => Effect.Effect<unknown>
}

/** Statements that are kept, and characters of them. */
const logged = { statements: 100_000, characters: 32 * 1024 * 1024 }

const nothing: Counts = { connections: 0, roundTrips: 0, statements: 0, commits: 0 }

const sum = (a: Counts, b: Counts): Counts => ({
  connections: a.connections + b.connections,
  roundTrips: a.roundTrips + b.roundTrips,
  statements: a.statements + b.statements,
  commits: a.commits + b.commits
})

const matches = (label: string | undefined) => (each: { readonly label: string }) =>
  label === undefined || label === "" || each.label === label

/**
 * Makes a control.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: { readonly seed: number; readonly log: boolean }): Desk => {
  const faults = Faults.make(options.seed)
  const open = new Set<Connection>()
  /** What connections did that are closed, by label. */
  let past = new Map<string, Counts>()
  let arrivals: Array<Arrival> = []
  let characters = 0
  let ids = 0
  let ahead = 0
  const latencies = new Map<string | undefined, number>()
  const desk: Desk = {
    faults,
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
    inject: (rule) => Effect.sync(() => faults.inject(rule)),
    clear: Effect.sync(faults.clear),
    latency: (millis, label) => Effect.sync(() => void latencies.set(label, millis)),
    advance: (millis) =>
      Effect.sync(() => {
        ahead += millis
      }),
    counts: (label) =>
      Effect.sync(() => {
        let total = nothing
        for (const [closed, counts] of past) if (matches(label)({ label: closed })) total = sum(total, counts)
        for (const each of open) if (matches(label)(each)) total = sum(total, { ...each, connections: 1 })
        return total
      }),
    statements: (label) => Effect.sync(() => arrivals.filter(matches(label))),
    happened: Effect.sync(faults.happened),
    reset: Effect.sync(() => {
      arrivals = []
      characters = 0
      past = new Map()
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
      if (request.cut !== undefined) return yield* desk.cut(request.cut)
      if (request.happened === true) return yield* desk.happened
      if (request.statements !== undefined) return yield* desk.statements(request.statements)
      if (request.counts !== undefined) return yield* desk.counts(request.counts)
      return "ok"
    })
  }
  return desk
}

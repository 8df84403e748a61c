/**
 * What a test, or another process, asks of a running emulator: faults, latency,
 * time, counts of round trips, the statements that arrived.
 *
 * In the emulator's own process it is an object. From anywhere else it is SQL:
 * `CALL emulator.control('{"inject": {"on": "commit", "fault": "conflict", "nth": [1]}}')`, which answers with one
 * row of one column, JSON, and is not itself counted or logged.
 *
 * @since 0.1.0
 * @stability stable
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Faults from "./Faults.ts"
import type * as Watch from "./Watch.ts"

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
  /** What its transactions cost at least, in DPU; left out where the emulator does not watch. */
  readonly cost?: Watch.Cost
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
  /** Takes all rules away, and the latencies of all labels. */
  clear: Schema.optional(Schema.Boolean),
  /** Milliseconds that each round trip takes from now on; `for` limits it to one label. */
  latency: Schema.optional(Schema.Struct({ millis: Schema.Number, for: Schema.optional(Schema.String) })),
  /** Moves the emulator's clock forward by milliseconds: transactions, connections and jobs age at once. */
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
  /** Watches from now on; `parameters` keeps what statements were called with, too. */
  watch: Schema.optional(Schema.Struct({ parameters: Schema.optional(Schema.Boolean) })),
  /**
   * Answers with the transactions that have changed since a revision, as `Watch.Transaction` is encoded; waits up to so
   * many milliseconds for one that does.
   */
  transactions: Schema.optional(Schema.Struct({ after: Schema.Int, wait: Schema.optional(Schema.Number) })),
  /** Answers with the conflicts that a label lost, or of all for an empty string. */
  conflicts: Schema.optional(Schema.String),
  /** Begins counting and logging anew. */
  reset: Schema.optional(Schema.Boolean),
  /** Cuts the connections with this label, or all for an empty string. */
  cut: Schema.optional(Schema.String)
})
/**
 * A request in the form that SQL carries it.
 *
 * @since 0.1.0
 * @category models
 */
export type Request = typeof Request.Type

/**
 * The control of one emulator.
 *
 * @since 0.1.0
 * @category models
 */
export interface Control {
  readonly inject: (rule: Faults.Rule) => Effect.Effect<void>
  /** Takes all rules away, and the latencies of all labels. */
  readonly clear: Effect.Effect<void>
  /** Milliseconds per round trip, for all connections or those with a label. */
  readonly latency: (millis: number, label?: string) => Effect.Effect<void>
  /** Milliseconds by which transactions, connections and jobs get older at once. */
  readonly advance: (millis: number) => Effect.Effect<void>
  readonly counts: (label?: string) => Effect.Effect<Counts>
  readonly statements: (label?: string) => Effect.Effect<ReadonlyArray<Arrival>>
  /** How often each fault happened since the emulator began, by its name and its event: `cut@commit`. */
  readonly happened: Effect.Effect<Faults.Happened>
  readonly reset: Effect.Effect<void>
  /** Watches from now on, if the emulator does not yet; `parameters` keeps what statements were called with, too. */
  readonly watch: (options?: { readonly parameters?: boolean | undefined }) => Effect.Effect<void>
  /** Whether it keeps what statements are called with. */
  readonly keepsParameters: Effect.Effect<boolean>
  /** Transactions that have changed since a revision, in the order of their revisions; those that are kept, from 0. */
  readonly transactions: (after?: number) => Effect.Effect<ReadonlyArray<Watch.Transaction>>
  /** Is over when a transaction has changed since a revision. */
  readonly changes: (after: number) => Effect.Effect<void>
  /** Who met whom on which row, for the losers with a label or all; nothing where the emulator does not watch. */
  readonly conflicts: (label?: string) => Effect.Effect<ReadonlyArray<Watch.Conflict>>
  /** Statements that Aurora DSQL refuses, the last 500 of them. */
  readonly refused: Effect.Effect<ReadonlyArray<Watch.Refused>>
  /** What statements cost, by label and shape. */
  readonly spent: (label?: string) => Effect.Effect<ReadonlyArray<Watch.Spent>>
  /** Cuts connections as a broken network does; gives how many. */
  readonly cut: (label?: string) => Effect.Effect<number>
}

/**
 * One transaction of a client: how it stands, what it has done, and what is to be done again to bring it back.
 *
 * It runs in its session's backend at REPEATABLE READ above a base savepoint.
 */
import type { Dialect } from "@effect-dsql/dialect"
import type { RowLocks } from "../database/rowLocks.ts"
import type { Prepared } from "../statement/prepared.ts"
import * as Phase from "./phase.ts"

/** A statement with what it was called with. */
export interface Call {
  readonly prepared: Prepared
  /** The rest of the Bind message and the types of the Parse message; undefined in the simple protocol. */
  readonly bound: { readonly rest: Buffer; readonly types: Buffer } | undefined
  /** The messages with the rows of COPY FROM STDIN. */
  readonly rows?: ReadonlyArray<Buffer>
  /** Another's commit is in its way, and not in its snapshot: it is done in private copies, and what it did brought home. */
  readonly detour?: boolean
  /** It may be given values that it would not be given again. */
  readonly draws?: boolean
}

/** What has to be done again to bring a transaction back. */
export type Entry =
  | { readonly _tag: "Call"; readonly call: Call; readonly digest: string; readonly drawn: ReadonlyArray<string> }
  | { readonly _tag: "Script"; readonly sql: string }

/**
 * What a transaction spans: a single `statement` that commits by itself and is never parked, a `message` of several
 * statements, or a `block` that the client began.
 */
export type Span = "statement" | "message" | "block"

/** A row that was changed or locked, by its primary key. */
export interface Touch {
  readonly target: string
  readonly key: string
  /** Against whoever only keeps the key. */
  readonly takesKey: boolean
}

/** A transaction that a client has open. */
export interface Transaction {
  /** A message becomes a block where BEGIN stands in it. */
  span: Span
  readonly readOnly: boolean
  /** Milliseconds, by the emulator's clock. */
  readonly since: number
  /** Changed by `enter` alone. */
  phase: Phase.Phase
  /** The catalogue version that it began with. */
  catalogue: number | undefined
  /** Whether it has defined something or changed rows. */
  mix: Dialect.Mix
  rows: number
  bytes: number
  /** It may have written more bytes than the client sent. */
  inflates: boolean
  /** Rows that it has locked and not changed; hidden where only PostgreSQL knows which. */
  locks: ReadonlyArray<RowLocks> | "hidden"
  /** Rows that it has changed or locked; hidden where only PostgreSQL knows which. */
  touched: ReadonlyArray<Touch> | "hidden"
  /** Tables that it took keys out of, and those that it put keys into. */
  readonly removes: Set<string>
  readonly adds: Set<string>
  journal: Array<Entry>
  jobs: Array<string>
  /** The call that met a commit which it cannot see. */
  beaten: Call | undefined
}

/** Begins a transaction that PostgreSQL hears of with its first statement. */
export const make = (since: number, span: Span, readOnly = false): Transaction => ({
  span,
  readOnly,
  since,
  phase: Phase.unbegun,
  catalogue: undefined,
  mix: "empty",
  rows: 0,
  bytes: 0,
  inflates: false,
  locks: [],
  touched: [],
  removes: new Set(),
  adds: new Set(),
  journal: [],
  jobs: [],
  beaten: undefined
})

/** Lets something happen to a transaction; gives how it stands then. */
export const enter = (transaction: Transaction, event: Phase.Event): Phase.Phase => {
  transaction.phase = Phase.after(transaction.phase, event)
  return transaction.phase
}

/** Whether it waits for its client to end it. */
export const isFailed = (transaction: Transaction | undefined): boolean => transaction?.phase._tag === "Failed"

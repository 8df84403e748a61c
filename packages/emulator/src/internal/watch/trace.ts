/**
 * One transaction while it is watched: what it has done so far, with what is needed to tell whom it met.
 */
import type * as Watch from "../../Watch.ts"

/** A row by its table and its primary key, spelled in one way only, with the statement that wrote or locked it. */
export interface Touched {
  readonly target: string
  readonly key: string
  readonly sql: string
  /** It only kept the row's key, against whoever takes it. */
  readonly isWeak: boolean
}

/** What a watched transaction has come to. */
export interface Trace {
  readonly id: number
  revision: number
  readonly database: string
  readonly label: string
  readonly connection: number
  readonly explicit: boolean
  readonly began: number
  /** The last commit that it can see. */
  since: number
  /** Its place in the order of commits that changed something. */
  sequence: number | undefined
  snapshot: number | undefined
  ended: number | undefined
  outcome: Watch.Outcome
  statements: Array<Watch.Statement>
  omitted: number
  roundTrips: number
  rows: number
  bytes: number
  /** Charged bytes of each statement, by its shape. */
  readonly charges: Map<string, Charge>
  cost: Watch.Cost
  first: number
  attempt: number
  fault: string | undefined
  sqlstate: string | undefined
  message: string | undefined
  conflict: Watch.Conflict | undefined
  readonly touched: Array<Touched>
  /** Whether it changed or locked rows that only PostgreSQL can name. */
  hidden: boolean
  /** PostgreSQL's ids of it, where it asked for them. */
  ids: ReadonlyArray<string>
  /** What it defined, as its last statement that did. */
  definition: string | undefined
}

/** What statements of one shape have read and written in one transaction. */
export interface Charge {
  times: number
  rows: number
  millis: number
  read: number
  write: number
}

/** A transaction that has done nothing yet. */
export const make = (
  begun: Pick<Trace, "database" | "label" | "connection" | "explicit" | "began" | "since">
): Omit<Trace, "id" | "revision" | "first" | "attempt"> => ({
  ...begun,
  sequence: undefined,
  snapshot: undefined,
  ended: undefined,
  outcome: "open",
  statements: [],
  omitted: 0,
  roundTrips: 1,
  rows: 0,
  bytes: 0,
  charges: new Map(),
  cost: { write: 0, read: 0 },
  fault: undefined,
  sqlstate: undefined,
  message: undefined,
  conflict: undefined,
  touched: [],
  hidden: false,
  ids: [],
  definition: undefined
})

/** Statements of one transaction that are kept. */
export const statementsAtMost = 100

/** Characters of a text that are kept. */
const longest = 4_000

/** A text, cut if it is long; by way of bytes, because a slice of a string keeps all of it in memory. */
export const cut = (text: string): string =>
  text.length <= longest ? text : `${Buffer.from(text.slice(0, longest - 1), "utf16le").toString("utf16le")}…`

/** Characters that a trace takes, about. */
export const sizeOf = ({ conflict, label, message = "", statements, touched }: Trace): number =>
  statements.reduce(
    (total, { message = "", parameters, sql }) =>
      total + sql.length + message.length + (parameters?.reduce((sum, each) => sum + (each?.length ?? 0), 0) ?? 0),
    400 +
      label.length +
      message.length +
      (conflict?.statement?.length ?? 0) +
      (conflict?.rival?.statement?.length ?? 0) +
      touched.reduce((total, { key, sql }) => total + key.length + sql.length, 0)
  )

/** What others are told of it. */
export const told = (trace: Trace): Watch.Transaction => ({
  id: trace.id,
  revision: trace.revision,
  database: trace.database,
  label: trace.label,
  connection: trace.connection,
  explicit: trace.explicit,
  began: trace.began,
  ...(trace.snapshot !== undefined && { snapshot: trace.snapshot }),
  ...(trace.ended !== undefined && { ended: trace.ended }),
  outcome: trace.outcome,
  statements: [...trace.statements],
  omitted: trace.omitted,
  roundTrips: trace.roundTrips,
  rows: trace.rows,
  bytes: trace.bytes,
  cost: trace.cost,
  first: trace.first,
  attempt: trace.attempt,
  ...(trace.fault !== undefined && { fault: trace.fault }),
  ...(trace.sqlstate !== undefined && { sqlstate: trace.sqlstate }),
  ...(trace.message !== undefined && { message: trace.message }),
  ...(trace.conflict !== undefined && { conflict: trace.conflict })
})

/**
 * What an emulator that watches itself knows of its transactions: what they read and wrote, how they ended, what they
 * cost, and of each conflict who met whom, on which row, with which two statements.
 *
 * Aurora DSQL tells the loser of a conflict 40001 and no more. The emulator decides the conflict, so it knows.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"

/**
 * A row by its primary key: columns and their values, as text.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Key = Schema.Record(Schema.String, Schema.String)

/**
 * What AWS's published formulas make of something, in DPU. Rows that were looked at and not given, the time that
 * processing took, and what it costs to lock a row or to write in vain are not in it: nobody outside the service can
 * know them. So it is the least that it costs.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Cost = Schema.Struct({ write: Schema.Number, read: Schema.Number })
/**
 * What AWS's published formulas make of something.
 *
 * @since 0.1.0
 * @category models
 */
export type Cost = typeof Cost.Type

/**
 * A statement that a transaction ran.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Statement = Schema.Struct({
  /** Its text; a long one is cut. */
  sql: Schema.String,
  /** Milliseconds since the transaction began, and until it was answered. */
  at: Schema.Number,
  millis: Schema.Number,
  /** Rows that it gave or changed, as its tag counts them. */
  rows: Schema.Int,
  /** Bytes of its parameters, and of the rows that it gave. */
  sent: Schema.Int,
  received: Schema.Int,
  /** The tables that it names, and those among them that it writes. */
  tables: Schema.Array(Schema.String),
  writes: Schema.Array(Schema.String),
  /** Only where it was asked for: they may be secrets. */
  parameters: Schema.optionalKey(Schema.Array(Schema.NullOr(Schema.String))),
  /** What it failed with. */
  sqlstate: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String)
})
/**
 * A statement that a transaction ran.
 *
 * @since 0.1.0
 * @category models
 */
export type Statement = typeof Statement.Type

/**
 * Why a transaction heard 40001.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Conflict = Schema.Struct({
  /** OC000: another changed or locked a row; OC001: another changed the catalogue. */
  code: Schema.Literals(["OC000", "OC001"]),
  /** A fault that was asked for: there is no rival. */
  injected: Schema.Boolean,
  /** The transaction that lost, and its label. */
  transaction: Schema.Int,
  label: Schema.String,
  /** The loser's statement that met the rival. */
  statement: Schema.optionalKey(Schema.String),
  /** The transaction that had committed first; left out where nobody knows it any more. */
  rival: Schema.optionalKey(
    Schema.Struct({ transaction: Schema.Int, label: Schema.String, statement: Schema.optionalKey(Schema.String) })
  ),
  table: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Key),
  /** Whether they may have met on other rows of the table too. */
  more: Schema.optionalKey(Schema.Boolean),
  /** Milliseconds of the epoch. */
  at: Schema.Number
})
/**
 * Why a transaction heard 40001.
 *
 * @since 0.1.0
 * @category models
 */
export type Conflict = typeof Conflict.Type

/**
 * How a transaction stands or ended: `cut` means that its connection ended first, without effect.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Outcome = Schema.Literals(["open", "committed", "rolled back", "conflict", "failed", "cut"])
/**
 * How a transaction stands or ended.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = typeof Outcome.Type

/**
 * A transaction, which may be a single statement.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Transaction = Schema.Struct({
  id: Schema.Int,
  /** Goes up with every change of any transaction. */
  revision: Schema.Int,
  database: Schema.String,
  /** The client's application_name, or what `control` called it. */
  label: Schema.String,
  connection: Schema.Int,
  /** Whether the client began it; else it is a statement, or a message, that commits by itself. */
  explicit: Schema.Boolean,
  /** Milliseconds of the epoch. */
  began: Schema.Number,
  /** Milliseconds from then until its snapshot, and its end, was known to the client. */
  snapshot: Schema.optionalKey(Schema.Number),
  ended: Schema.optionalKey(Schema.Number),
  outcome: Outcome,
  statements: Schema.Array(Statement),
  /** Statements that there were too many of to be kept. */
  omitted: Schema.Int,
  /** A round trip that two transactions share counts for both. */
  roundTrips: Schema.Int,
  /** Rows that it changed. */
  rows: Schema.Int,
  /** Bytes that its client sent in parameters. */
  bytes: Schema.Int,
  cost: Cost,
  /**
   * The first attempt of what this is taken to try again, and which attempt it is, from 1: it began after one with the
   * same label had lost, with the same first statement, and the same parameters or on the same connection.
   */
  first: Schema.Int,
  attempt: Schema.Int,
  /** A fault that was asked for and struck it, as `--fault` writes it. */
  fault: Schema.optionalKey(Schema.String),
  sqlstate: Schema.optionalKey(Schema.String),
  message: Schema.optionalKey(Schema.String),
  conflict: Schema.optionalKey(Conflict)
})
/**
 * A transaction, which may be a single statement.
 *
 * @since 0.1.0
 * @category models
 */
export type Transaction = typeof Transaction.Type

/**
 * A statement that Aurora DSQL refuses, with how to write it instead.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Refused = Schema.Struct({
  sql: Schema.String,
  label: Schema.String,
  /** The linter's name of the rule; left out for what is only known when a statement runs. */
  rule: Schema.optionalKey(Schema.String),
  sqlstate: Schema.String,
  message: Schema.String,
  hint: Schema.optionalKey(Schema.String),
  times: Schema.Int,
  /** Milliseconds of the epoch, the last time. */
  at: Schema.Number
})
/**
 * A statement that Aurora DSQL refuses, with how to write it instead.
 *
 * @since 0.1.0
 * @category models
 */
export type Refused = typeof Refused.Type

/**
 * What statements of one shape cost, with one label; they differ in their values alone: each has the part of its transactions' cost that its bytes are.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Spent = Schema.Struct({
  label: Schema.String,
  /** The text with `?` for its values; empty for all that there was no room to tell apart. */
  sql: Schema.String,
  times: Schema.Int,
  /** Rows, as their tags count them. */
  rows: Schema.Int,
  millis: Schema.Number,
  cost: Cost
})
/**
 * What statements of one text cost, with one label.
 *
 * @since 0.1.0
 * @category models
 */
export type Spent = typeof Spent.Type

/**
 * A conflict in words, as `dev --watch` and a failed test print it.
 *
 * @example
 * ```ts
 * import { Watch } from "@effect-dsql/emulator"
 *
 * Watch.conflictText({
 *   code: "OC000",
 *   injected: false,
 *   transaction: 8,
 *   label: "orders",
 *   statement: "UPDATE accounts SET balance = balance - 1 WHERE id = 7",
 *   rival: { transaction: 5, label: "billing", statement: "UPDATE accounts SET balance = 0 WHERE id = 7" },
 *   table: "accounts",
 *   key: { id: "7" },
 *   at: 0
 * })
 * // "on accounts (id=7): #5 billing committed `UPDATE accounts SET balance = 0 WHERE id = 7` before `UPDATE accounts …`"
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const conflictText = (conflict: Conflict): string => {
  if (conflict.injected) return `${conflict.code} was asked for: there is no rival`
  const where = conflict.table === undefined ? "" : `on ${rowText(conflict)}: `
  const { rival, statement } = conflict
  const own = statement === undefined ? "" : ` before ${quoted(statement)}`
  if (rival === undefined) return `${where}somebody committed first${own}`
  return `${where}${nameText(rival)} committed${rival.statement === undefined ? "" : ` ${quoted(rival.statement)}`}${own}`
}

/**
 * The row of a conflict in words: a table, and its key where that is known.
 *
 * @since 0.1.0
 * @category conversions
 */
export const rowText = ({ key, more, table = "" }: Pick<Conflict, "key" | "more" | "table">): string => {
  if (key === undefined) return lineText(table, 63)
  const columns = Object.entries(key).map(([column, value]) => `${lineText(column, 63)}=${lineText(value, 100)}`)
  return `${lineText(table, 63)} (${columns.join(", ")})${more === true ? " and others" : ""}`
}

/**
 * A transaction's number and label.
 *
 * @since 0.1.0
 * @category conversions
 */
export const nameText = ({ label, transaction }: { readonly transaction: number; readonly label: string }): string =>
  label === "" ? `#${transaction}` : `#${transaction} ${lineText(label, 63)}`

const quoted = (sql: string): string => `\`${lineText(sql, 160)}\``

/** What a terminal obeys rather than shows, and what turns the direction of what follows. */
const unseen = /[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu

const spelled = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/**
 * A statement on one line, cut to so many characters.
 *
 * @since 0.1.0
 * @category conversions
 */
export const lineText = (sql: string, longest: number): string => {
  const line = sql.replaceAll(/\s+/g, " ").trim().replaceAll(unseen, spelled)
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`
}

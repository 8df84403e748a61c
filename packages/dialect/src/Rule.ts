/**
 * One thing that Aurora DSQL refuses although PostgreSQL 16 accepts it.
 *
 * A rule says which construct it is about, what the server answers, how to
 * write it instead, where that is known from, and between which dates the
 * service behaved so: DSQL lifts restrictions every few weeks.
 *
 * @since 0.1.0
 * @stability stable
 */
import type * as Source from "./Source.ts"

/**
 * A day of the service's calendar, `YYYY-MM-DD`: such texts compare as the days do.
 *
 * @since 0.1.0
 * @category models
 */
export type ServiceDate = `${number}-${number}-${number}`

/**
 * The newest day that these rules know of. Nothing that AWS announced after it is in them.
 * Source: Aurora DSQL release notes, newest entry 2026-09-15; a cluster's answers recorded up to 2026-09-18; others'
 * reports of clusters up to 2026-10-10; and AWS's page about PL/pgSQL, which has no date and was read on this day.
 *
 * @since 0.1.0
 * @category constants
 */
export const newest: ServiceDate = "2026-11-28"

/**
 * How a rule is known: `recorded` is what a cluster answered, word for word; `documented` is AWS's documentation, or the
 * report of somebody who met it, with the text they give; `inferred` means that AWS does not list the construct among
 * what is supported, but nobody recorded the answer, so that the text follows the pattern of its neighbours; `unknown`
 * means that nobody recorded or documented whether it works, and that it is refused so that nobody relies on a guess.
 *
 * @since 0.1.0
 * @category models
 */
export type Evidence = "recorded" | "documented" | "inferred" | "unknown"

/**
 * A rule, as data: what a table of the dialect shows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule {
  /** Its name, as lint comments and reports use it, for example `temporary-table`. */
  readonly id: string
  /** The construct, as SQL. */
  readonly construct: string
  /** What the server answers. */
  readonly sqlstate: string
  /** What the server says; a name in braces stands for what the statement has there. */
  readonly message: string
  /** How to write it instead: one sentence. */
  readonly hint: string
  readonly evidence: Evidence
  /** An address, or the name of the record. */
  readonly source: string
  /** The first day that it was in force; left out if always. */
  readonly since?: ServiceDate | undefined
  /** The first day that it was not in force any more; left out if it still is. */
  readonly until?: ServiceDate | undefined
}

/**
 * What the server would answer to a statement, and why.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  /** The rule's id. */
  readonly rule: string
  readonly sqlstate: string
  /** The server's message, complete. */
  readonly message: string
  readonly hint: string
  /** The place of the construct in the source; left out where the parse tree does not say. */
  readonly location?: Source.Place | undefined
}

/**
 * Whether the service had this restriction on a day.
 *
 * @since 0.1.0
 * @category conditions
 */
export const inForce = (rule: Rule, at: ServiceDate = newest): boolean =>
  (rule.since === undefined || rule.since <= at) && (rule.until === undefined || at < rule.until)

/**
 * What a cluster is asked: statements of one session or of two, in an order, each with the answer that the toolkit
 * relies on.
 */

import { Claim } from "@effect-dsql/dialect"

/** An answer that is relied on: what comes back, as PostgreSQL writes it, an error, or what a claim says. */
export type Expected =
  | { readonly ok: string; readonly rows?: ReadonlyArray<ReadonlyArray<string | null>> | undefined }
  | { readonly sqlstate: string; readonly message?: string | undefined }
  | { readonly claim: Claim.Answer }

/** One statement. */
export interface Step {
  readonly sql: string
  /** The arrays that are bound to its parameters. */
  readonly params?: ReadonlyArray<ReadonlyArray<number | Uint8Array>> | undefined
  /** Left out where whatever comes back is right. */
  readonly expected?: Expected | undefined
}

/** How the first steps of a question are sent, if not one by one. */
export interface Together {
  /**
   * In how many round trips: all with COMMIT in one, all in one and COMMIT in another, or behind a BEGIN that is refused;
   * or while the rows of the first are read a page at a time.
   */
  readonly how: "with COMMIT" | "at once" | "behind a refused BEGIN" | "amid a stream"
  readonly steps: number
}

/** A question. */
export interface Probe {
  readonly id: string
  readonly group: string
  /** What it asks, in a few words. */
  readonly asks: string
  readonly sessions: readonly [ReadonlyArray<Step>] | readonly [ReadonlyArray<Step>, ReadonlyArray<Step>]
  /** How the first steps are sent, where that is not one after the other. */
  readonly together?: Together | undefined
  /** Which session's next step comes; one session's are in their own order. */
  readonly order: ReadonlyArray<0 | 1>
}

/** What one step was answered; `unread` are rows of a type that the driver cannot read. */
export type Answer =
  | { readonly unread: string }
  | { readonly ok: string; readonly rows: ReadonlyArray<ReadonlyArray<string | null>> | null }
  | { readonly sqlstate: string; readonly message: string }

/** A question of one session. */
export const alone = (group: string, id: string, asks: string, steps: ReadonlyArray<Step>): Probe => ({
  id,
  group,
  asks,
  sessions: [steps],
  order: steps.map(() => 0)
})

const said = (steps: ReadonlyArray<readonly [session: 0 | 1, step: Step]>, who: 0 | 1): ReadonlyArray<Step> =>
  steps.filter(([session]) => session === who).map(([, step]) => step)

/** A question of two sessions, as pairs of a session and what it says. */
export const beside = (
  group: string,
  id: string,
  asks: string,
  steps: ReadonlyArray<readonly [session: 0 | 1, step: Step]>
): Probe => ({
  id,
  group,
  asks,
  sessions: [said(steps, 0), said(steps, 1)],
  order: steps.map(([session]) => session)
})

/** A step that is answered with this command tag, and these rows where they matter. */
export const answers = (sql: string, ok: string, rows?: ReadonlyArray<ReadonlyArray<string | null>>): Step => ({
  sql,
  expected: { ok, rows }
})

/** A step that is refused. */
export const refused = (sql: string, sqlstate: string, message?: string): Step => ({
  sql,
  expected: { sqlstate, message }
})

/** How an answer differs from what is relied on; undefined where it does not. */
export const difference = (expected: Expected | undefined, answer: Answer): string | undefined => {
  if (expected === undefined || "unread" in answer) return undefined
  if ("claim" in expected) return Claim.difference(expected.claim, answer)
  const found = "ok" in answer ? `accepted: ${answer.ok}` : `${answer.sqlstate} ${answer.message}`
  if ("sqlstate" in expected) {
    const same =
      "sqlstate" in answer &&
      answer.sqlstate === expected.sqlstate &&
      (expected.message === undefined || answer.message.includes(expected.message))
    return same ? undefined : found
  }
  if (!("ok" in answer) || answer.ok !== expected.ok) return found
  if (expected.rows === undefined) return undefined
  const [got, wanted] = [answer.rows ?? [], expected.rows].map((rows) =>
    rows
      .map((row) => JSON.stringify(row))
      .toSorted()
      .join()
  )
  return got === wanted ? undefined : `rows ${got}`
}

/** What is relied on, in a few words. */
export const wanted = (expected: Expected): string => {
  if ("claim" in expected) return claimed(expected.claim)
  return "ok" in expected
    ? `${expected.ok}${expected.rows === undefined ? "" : ` ${JSON.stringify(expected.rows)}`}`
    : `${expected.sqlstate}${expected.message === undefined ? "" : ` ${expected.message}`}`
}

const claimed = (claim: Claim.Answer): string => {
  switch (claim._tag) {
    case "Accepted":
      return "accepted"
    case "Refused":
      return [claim.sqlstate ?? "refused", claim.message ?? ""].join(" ").trimEnd()
    case "Value":
    case "Text":
      return claim.text
  }
}

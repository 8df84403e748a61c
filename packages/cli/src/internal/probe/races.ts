/**
 * The conflict matrix, write skew and a schema that changes: two sessions, and which COMMIT fails.
 *
 * Source: AWS's pages about concurrency control and foreign keys, and recordings of a cluster until 2026-09-18.
 */
import type { Probe, Step } from "./probe.ts"
import { answers, beside } from "./probe.ts"

type Kind = "update" | "key_update" | "delete" | "for_update" | "for_key_share" | "child"

const kinds: ReadonlyArray<Kind> = ["update", "key_update", "delete", "for_update", "for_key_share", "child"]

/** What a session does to the row of `fences` with this id; `who` keeps two sessions apart where both insert. */
const statement = (kind: Kind, id: number, who: 0 | 1): string => {
  switch (kind) {
    case "update":
      return `UPDATE fences SET note = '${who}' WHERE id = ${id}`
    case "key_update":
      return `UPDATE fences SET code = code + ${1000 * (who + 1)} WHERE id = ${id}`
    case "delete":
      return `DELETE FROM fences WHERE id = ${id}`
    case "for_update":
      return `SELECT id FROM fences WHERE id = ${id} FOR UPDATE`
    case "for_key_share":
      return `SELECT id FROM fences WHERE id = ${id} FOR KEY SHARE`
    case "child":
      return `INSERT INTO parts (id, fence) VALUES (${2 * id + who + 1000}, ${id})`
  }
}

const shares: ReadonlySet<Kind> = new Set(["for_key_share", "child"])

/** Whether the later of two commits fails: all do but what only keeps the key, beside its like or an update beside keys. */
const conflicts = (first: Kind, second: Kind): boolean =>
  !((shares.has(first) && (shares.has(second) || second === "update")) || (shares.has(second) && first === "update"))

const begin: Step = answers("BEGIN", "BEGIN")
const commits: Step = answers("COMMIT", "COMMIT")
const fails: Step = { sql: "COMMIT", expected: { sqlstate: "40001", message: "(OC000)" } }

const pair = (first: Kind, second: Kind, id: number): Probe =>
  beside(
    "matrix",
    `${first}_then_${second}`,
    `${first.replaceAll("_", " ")}, then ${second.replaceAll("_", " ")} of one row`,
    [
      [0, begin],
      [1, begin],
      [0, { sql: statement(first, id, 0) }],
      [1, { sql: statement(second, id, 1) }],
      [0, commits],
      [1, conflicts(first, second) ? fails : commits]
    ]
  )

/** Ids of `fences` that no other question uses. */
const firstId = 40

const matrix = kinds.flatMap((first, i) =>
  kinds.map((second, j) => pair(first, second, firstId + i * kinds.length + j))
)

const offCall = (doctor: number, other: number, lock: string): ReadonlyArray<Step> => [
  begin,
  {
    sql: `SELECT count(*) FROM (SELECT id FROM shifts WHERE id IN (${doctor}, ${other}) AND on_call ${lock}) both_on_call`
  },
  answers(`UPDATE shifts SET on_call = false WHERE id = ${doctor}`, "UPDATE 1")
]

const skew = (id: string, asks: string, one: number, lock: string, last: Step): Probe => {
  const [first, second] = [offCall(one, one + 1, lock), offCall(one + 1, one, lock)]
  return beside("skew", id, asks, [
    ...first.map((step) => [0, step] as const),
    ...second.map((step) => [1, step] as const),
    [0, commits],
    [1, last]
  ])
}

const inserts = (id: number) => answers(`INSERT INTO fences (id, token) VALUES (${id}, 0)`, "INSERT 0 1")
const deletes = (id: number) => answers(`DELETE FROM fences WHERE id = ${id}`, "DELETE 1")

/**
 * A key that others have put in and taken out again since the snapshot. Both have changed it, and nothing is left of the
 * one change: what COMMIT says nobody has recorded, so nothing relies on it.
 */
const gone = (id: string, asks: string, key: number, others: ReadonlyArray<Step>): Probe =>
  beside("matrix", id, asks, [
    [1, begin],
    [1, answers(`SELECT count(*) FROM fences WHERE id = ${key}`, "SELECT 1", [["0"]])],
    ...others.map((step) => [0, step] as const),
    [1, inserts(key)],
    [1, { sql: "COMMIT" }]
  ])

export const races: ReadonlyArray<Probe> = [
  ...matrix,
  gone("insert_after_insert_and_delete", "insert of a key that was inserted and deleted since: not known", 900, [
    inserts(900),
    deletes(900)
  ]),
  gone("insert_after_both_in_one", "the same where one transaction did both: not known", 901, [
    begin,
    inserts(901),
    deletes(901),
    commits
  ]),
  skew("write_skew", "two sessions read both rows and each changes one: both commit", 1, "", commits),
  skew("write_skew_for_update", "the same under FOR UPDATE: the later one fails", 3, "FOR UPDATE", fails),
  beside("schema", "stale_catalogue", "a transaction below which the schema changes meets OC001 at COMMIT", [
    [1, begin],
    [1, answers("UPDATE work SET n = 3 WHERE id = 14", "UPDATE 1")],
    [0, answers("ALTER TABLE shifts ADD COLUMN note text", "ALTER TABLE")],
    [1, { sql: "COMMIT", expected: { sqlstate: "40001", message: "(OC001)" } }]
  ])
]

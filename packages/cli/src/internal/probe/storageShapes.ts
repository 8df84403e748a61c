/**
 * Shapes that the stores, the storages and the cluster send beside guards on single rows: pages of many lists at once,
 * groups of which each member is judged by itself, leases with a fence, deletion up to a key.
 */
import type { Probe } from "./probe.ts"
import { alone, answers, beside } from "./probe.ts"

const group = "shape"

export const created: ReadonlyArray<string> = [
  `CREATE TABLE leases (id integer PRIMARY KEY, fence bigint NOT NULL, owner integer, expires_at timestamptz NOT NULL,
    UNIQUE (id, fence))`,
  "CREATE TABLE lists (list integer NOT NULL, place integer NOT NULL, said text NOT NULL, PRIMARY KEY (list, place))"
]

/** Rows for the questions: leases that are over, but for the last one, and two lists. */
export const filled = [
  answers(
    `INSERT INTO leases SELECT g, 1, 1, CASE WHEN g = 9 THEN 'infinity' ELSE '-infinity' END::timestamptz
    FROM generate_series(1, 9) g`,
    "INSERT 0 9"
  ),
  answers("INSERT INTO lists SELECT g % 2, g, 'said ' || g FROM generate_series(1, 12) g", "INSERT 0 12")
]

/** Takes a lease that is over, or one's own, whose fence stays, and tells whether another one had it. */
const taken = (id: number, owner: number) => `
  INSERT INTO leases AS held (id, fence, owner, expires_at)
  SELECT wanted.id, 1, ${owner}, now() + 60000::double precision * interval '1 millisecond'
  FROM unnest(ARRAY[${id}]) AS wanted (id)
  ON CONFLICT (id) DO UPDATE SET fence = held.fence + CASE WHEN held.owner = excluded.owner THEN 0 ELSE 1 END,
    owner = excluded.owner, expires_at = excluded.expires_at
  WHERE held.owner = excluded.owner OR held.expires_at < now()
  RETURNING held.id, held.fence,
    EXISTS (SELECT 1 FROM leases AS before WHERE before.id = held.id AND (before.owner <> ${owner}) IS TRUE)`

/** Writes of a group those that are new, and says of each what it found. */
const judged = `
  WITH judged AS MATERIALIZED (
    SELECT array_to_string(array_agg(one.line ORDER BY one.place), E'\\n') AS lines, bool_or(one.line = 'new') AS is_any
    FROM (
      SELECT asked.place, CASE WHEN known.said IS NULL THEN 'new' ELSE 'same' || E'\\t' || known.said END AS line
      FROM unnest((SELECT $1::integer[]), (SELECT $2::integer[])) WITH ORDINALITY AS asked (list, number, place)
      LEFT JOIN LATERAL (
        SELECT lists.said FROM lists WHERE lists.list = asked.list AND lists.place = asked.number LIMIT 1
      ) AS known ON TRUE) AS one),
  held AS MATERIALIZED (SELECT 1 FROM judged WHERE is_any),
  written AS (
    INSERT INTO lists (list, place, said) SELECT fresh.list, fresh.number, 'new'
    FROM held, unnest(string_to_array((SELECT lines FROM judged)::text, E'\\n'), (SELECT $1::integer[]),
      (SELECT $2::integer[])) AS fresh (line, list, number)
    WHERE fresh.line = 'new' RETURNING 1)
  SELECT replace(replace(lines, E'\\n', '/'), E'\\t', ' '), (SELECT count(*) FROM written)::integer FROM judged`

/** The keys of the first rows of a list, so many at most, as they are told as text. */
const firstKeys = (after: string, rows: number) => `SELECT list, place, ARRAY[list::text, place::text]::text AS told
        FROM lists WHERE list = 1 AND ${after} ORDER BY list, place LIMIT (SELECT ${rows}::bigint)`

/** A key that was told. */
const keyOf = (told: "first" | "last") =>
  `(((SELECT ${told} FROM told)::text[])[1])::integer, (((SELECT ${told} FROM told)::text[])[2])::integer`

/** Deletes from the first row of a list up to the second one, whose keys it tells, as `Removal` does. */
const drained = (after: string) => `
  WITH told AS MATERIALIZED (
    SELECT (SELECT told FROM (${firstKeys(after, 1)}) AS first) AS first,
      (SELECT told FROM (${firstKeys(after, 2)}) AS first ORDER BY list DESC, place DESC LIMIT 1) AS last),
  gone AS (
    DELETE FROM lists WHERE list = 1 AND (list, place) >= (${keyOf("first")}) AND (list, place) <= (${keyOf("last")})
    RETURNING 1)
  SELECT (SELECT last FROM told), (SELECT count(*) FROM gone)::integer`

/** Holds the fence of a lease as replies do, and writes below it. */
const heldBelow = (id: number) => [
  [0, answers("BEGIN", "BEGIN")] as const,
  [0, answers(`SELECT fence FROM leases WHERE id = ${id} FOR KEY SHARE`, "SELECT 1", [["1"]])] as const,
  [0, answers(`INSERT INTO log (id, n) VALUES (${40_000 + id}, 1)`, "INSERT 0 1")] as const
]

export const storageShapes: ReadonlyArray<Probe> = [
  alone(group, "lateral_walk", "the first rows of several lists, by unnest and LATERAL, and no more than are wanted", [
    {
      sql: `SELECT row.place FROM unnest($1::integer[]) AS walk (list) CROSS JOIN LATERAL (
        SELECT place FROM lists WHERE list = walk.list ORDER BY place LIMIT (SELECT 2::bigint)
      ) AS row LIMIT 3`,
      params: [[0, 1]],
      expected: { ok: "SELECT 3", rows: [["2"], ["4"], ["1"]] }
    }
  ]),
  alone(group, "group_judged", "a group of which each is judged by itself, and those that are new are written", [
    {
      sql: judged,
      params: [
        [0, 2],
        [2, 1]
      ],
      expected: { ok: "SELECT 1", rows: [["same said 2/new", "1"]] }
    },
    answers("SELECT said FROM lists WHERE list = 2", "SELECT 1", [["new"]])
  ]),
  alone(group, "lease_taken", "a lease that is over is taken, and its fence moves", [
    answers(taken(1, 2), "INSERT 0 1", [["1", "2", "t"]]),
    answers(taken(1, 2), "INSERT 0 1", [["1", "2", "f"]]),
    answers(taken(9, 2), "INSERT 0 0", [])
  ]),
  beside(group, "lease_taken_below", "a fence in a unique key moves beside somebody who holds it FOR KEY SHARE", [
    ...heldBelow(2),
    [1, answers(taken(2, 2), "INSERT 0 1")],
    [0, { sql: "COMMIT", expected: { sqlstate: "40001", message: "(OC000)" } }]
  ]),
  beside(group, "lease_renewed_below", "a lease is renewed beside somebody who holds its fence FOR KEY SHARE", [
    ...heldBelow(3),
    [1, answers("UPDATE leases SET expires_at = now() + interval '1 minute' WHERE id = ANY (ARRAY[3])", "UPDATE 1")],
    [0, answers("COMMIT", "COMMIT")]
  ]),
  alone(group, "slot_taken", "of numbered slots the one that has been free for longest", [
    answers(
      `SELECT count(*)::integer FROM (SELECT slot.id FROM generate_series(1, 9) AS slot (id) LEFT JOIN leases AS held ON held.id = slot.id
      WHERE held.id IS NULL OR held.owner = 1 OR held.expires_at < now()
      ORDER BY held.owner = 1 DESC NULLS LAST, held.expires_at NULLS FIRST, random() LIMIT 1) AS free`,
      "SELECT 1",
      [["1"]]
    )
  ]),
  alone(group, "leases_given_back", "an UPDATE of so many rows as an inner SELECT with LIMIT finds", [
    answers(
      `UPDATE leases AS held SET fence = held.fence + 1, owner = NULL, expires_at = '-infinity'
      WHERE (held.owner = 1) IS TRUE AND held.id IN (SELECT id FROM leases WHERE owner = 1 AND id > 4 LIMIT 2)
      RETURNING held.fence`,
      "UPDATE 2",
      [["2"], ["2"]]
    )
  ]),
  alone(group, "latest_of_each", "DISTINCT ON, and rows that are compared with a list of rows", [
    answers(
      `SELECT DISTINCT ON (list) list, place FROM lists
      WHERE (list, said) IN (SELECT * FROM unnest(ARRAY[0, 0, 1], ARRAY['said 2', 'said 4', 'said 3']))
      ORDER BY list, place DESC`,
      "SELECT 2",
      [
        ["0", "4"],
        ["1", "3"]
      ]
    )
  ]),
  alone(group, "drained", "a DELETE up to a key that the same statement finds, and another one behind it", [
    answers(drained("true"), "SELECT 1", [["{1,3}", "2"]]),
    answers(drained("(list, place) > (1, 3)"), "SELECT 1", [["{1,7}", "2"]]),
    answers(drained("(list, place) > (1, 11)"), "SELECT 1", [[null, "0"]])
  ])
]

/**
 * Each shape of statement that the toolkit sends, from core to the stores and the migrator, on tables of the probe's own.
 * The first ones are those that nobody has recorded of a cluster.
 */
import type { Probe } from "./probe.ts"
import { alone, answers, beside, refused } from "./probe.ts"
import * as Storages from "./storageShapes.ts"

const created: ReadonlyArray<string> = [
  "CREATE TABLE fences (id integer PRIMARY KEY, token bigint NOT NULL, code integer UNIQUE, note text)",
  "CREATE TABLE work (id integer PRIMARY KEY, n integer NOT NULL, data bytea)",
  "CREATE TABLE log (id integer PRIMARY KEY, n integer NOT NULL)",
  "CREATE TABLE parts (id integer PRIMARY KEY, fence integer NOT NULL REFERENCES fences (id))",
  "CREATE TABLE shifts (id integer PRIMARY KEY, doctor integer NOT NULL, on_call boolean NOT NULL)",
  ...Storages.created
]

/** The tables, with a row for each question, so that none disturbs another; one of `fences` each for the matrix. */
export const tables: Probe = alone("setup", "setup", "the tables and rows of the questions", [
  ...created.map((sql) => answers(sql, "CREATE TABLE")),
  answers("INSERT INTO fences (id, token, code) SELECT g, 7, g FROM generate_series(1, 100) g", "INSERT 0 100"),
  answers("INSERT INTO work (id, n) SELECT g, 0 FROM generate_series(1, 100) g", "INSERT 0 100"),
  answers("INSERT INTO shifts SELECT g, g, true FROM generate_series(1, 8) g", "INSERT 0 8"),
  ...Storages.filled
])

/** Locks in a WITH that gate an update, an insert and a delete beside them, as `Guarded` sends them. */
const guarded = (lock: "UPDATE" | "KEY SHARE", fence: number, token: number, row: number) =>
  `WITH held AS MATERIALIZED (SELECT token FROM fences WHERE id = ${fence} FOR ${lock}),
  judged AS MATERIALIZED (SELECT (SELECT token FROM held) = ${token} AS holds),
  updated AS (UPDATE work SET n = n + 1 WHERE id = ${row} AND (SELECT holds FROM judged) RETURNING 1),
  inserted AS (INSERT INTO log (id, n) SELECT ${row}, 1 WHERE (SELECT holds FROM judged)
    ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING 1),
  removed AS (DELETE FROM parts WHERE id = ${row} AND (SELECT holds FROM judged) RETURNING 1)
SELECT (SELECT holds FROM judged)::text AS holds, (SELECT count(*) FROM updated)::integer AS updated,
  (SELECT count(*) FROM inserted)::integer AS inserted, (SELECT count(*) FROM removed)::integer AS removed`

const wrote = [["true", "1", "1", "0"]]
const group = "shape"
const conflict = { sqlstate: "40001", message: "(OC000)" } as const

const raced = (lock: "UPDATE" | "KEY SHARE", fence: number): Probe =>
  beside(
    group,
    `guarded_race_${lock === "UPDATE" ? "update" : "key_share"}`,
    `two guarded writes under FOR ${lock} of one row, both at COMMIT`,
    [
      [0, answers("BEGIN", "BEGIN")],
      [1, answers("BEGIN", "BEGIN")],
      [0, answers(guarded(lock, fence, 7, fence), "SELECT 1", wrote)],
      [1, answers(guarded(lock, fence, 7, fence + 1), "SELECT 1", wrote)],
      [0, answers("COMMIT", "COMMIT")],
      [1, lock === "UPDATE" ? { sql: "COMMIT", expected: conflict } : answers("COMMIT", "COMMIT")]
    ]
  )

export const shapes: ReadonlyArray<Probe> = [
  alone(group, "guarded_update", "FOR UPDATE in a MATERIALIZED WITH gates three writes", [
    answers(guarded("UPDATE", 1, 7, 1), "SELECT 1", wrote)
  ]),
  alone(group, "guarded_key_share", "FOR KEY SHARE in a MATERIALIZED WITH gates three writes", [
    answers(guarded("KEY SHARE", 2, 7, 2), "SELECT 1", wrote)
  ]),
  alone(group, "guarded_refused", "a guard that does not hold lets nothing be written", [
    answers(guarded("UPDATE", 3, 6, 3), "SELECT 1", [["false", "0", "0", "0"]]),
    answers("SELECT n FROM work WHERE id = 3", "SELECT 1", [["0"]])
  ]),
  raced("UPDATE", 4),
  raced("KEY SHARE", 6),
  beside(group, "guarded_against_update", "a guarded write under FOR KEY SHARE beside an update of a non-key column", [
    [0, answers("BEGIN", "BEGIN")],
    [0, answers(guarded("KEY SHARE", 8, 7, 8), "SELECT 1", wrote)],
    [1, answers("UPDATE fences SET note = 'x' WHERE id = 8", "UPDATE 1")],
    [0, answers("COMMIT", "COMMIT")]
  ]),
  beside(group, "guarded_against_token", "a guarded write under FOR UPDATE beside an update of the token", [
    [0, answers("BEGIN", "BEGIN")],
    [0, answers(guarded("UPDATE", 9, 7, 9), "SELECT 1", wrote)],
    [1, answers("UPDATE fences SET token = 8 WHERE id = 9", "UPDATE 1")],
    [0, { sql: "COMMIT", expected: conflict }]
  ]),
  alone(group, "on_conflict_in_with", "ON CONFLICT inside a WITH", [
    answers(
      "WITH written AS (INSERT INTO work (id, n) VALUES (10, 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING n) SELECT n FROM written",
      "SELECT 1",
      [["5"]]
    ),
    answers(
      "WITH written AS (INSERT INTO work (id, n) VALUES (10, 6) ON CONFLICT (id) DO NOTHING RETURNING n) SELECT count(*)::integer FROM written",
      "SELECT 1",
      [["0"]]
    )
  ]),
  alone(group, "unnest_bytea", "unnest of several bound arrays, bytea among them", [
    {
      sql: "INSERT INTO work (id, n, data) SELECT * FROM unnest($1::integer[], $2::integer[], $3::bytea[])",
      params: [
        [201, 202],
        [1, 2],
        [new Uint8Array([0, 255]), new Uint8Array([1])]
      ],
      expected: { ok: "INSERT 0 2" }
    },
    answers("SELECT encode(data, 'hex') FROM work WHERE id = 201", "SELECT 1", [["00ff"]])
  ]),
  alone(group, "not_equal_all", "DELETE of all but the members of a bound array", [
    {
      sql: "DELETE FROM work WHERE id BETWEEN 201 AND 202 AND id <> ALL($1::integer[])",
      params: [[201]],
      expected: { ok: "DELETE 1" }
    }
  ]),
  alone(group, "row_limit_across_with", "the row limit counts what several WITHs write together", [
    refused(
      `WITH a AS (INSERT INTO work (id, n) SELECT g, 0 FROM generate_series(10001, 12000) g RETURNING 1),
  b AS (INSERT INTO log (id, n) SELECT g, 0 FROM generate_series(10001, 11001) g RETURNING 1)
SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)`,
      "54000",
      "transaction row limit exceeded"
    )
  ]),
  alone(group, "clock_guard", "the server's clock decides whether a write happens", [
    answers("UPDATE work SET n = 1 WHERE id = 12 AND clock_timestamp() < '2000-01-01Z'", "UPDATE 0"),
    answers("UPDATE work SET n = 1 WHERE id = 12 AND clock_timestamp() < '9999-01-01Z'", "UPDATE 1"),
    answers("UPDATE work SET n = 2 WHERE id = 12 AND now() < '9999-01-01Z'", "UPDATE 1")
  ]),
  alone(group, "delete_using", "DELETE with USING, UPDATE with FROM", [
    answers("DELETE FROM log USING work WHERE log.id = work.id AND work.id = 1", "DELETE 1"),
    answers("UPDATE work SET n = fences.code FROM fences WHERE work.id = fences.id AND fences.id = 13", "UPDATE 1")
  ]),
  alone(group, "row_comparison", "a page that begins behind a key of two columns", [
    answers("SELECT id FROM fences WHERE (id, token) > (98, 7) ORDER BY id, token LIMIT 2", "SELECT 2", [
      ["99"],
      ["100"]
    ])
  ]),
  alone(group, "transaction_row_limit", "the 3,001st row of a statement is refused", [
    refused(
      "INSERT INTO log (id, n) SELECT g, 0 FROM generate_series(20001, 23001) g",
      "54000",
      "transaction row limit exceeded"
    )
  ])
]

/** Questions that define something, after which sessions have to learn of it: asked last. */
export const definitions: ReadonlyArray<Probe> = [
  alone("migrator", "two_ddl", "one DDL statement per transaction, and no change of rows beside it", [
    answers("BEGIN", "BEGIN"),
    answers("ALTER TABLE log ADD COLUMN a integer", "ALTER TABLE"),
    refused("ALTER TABLE log ADD COLUMN b integer", "0A000", "multiple ddl statements"),
    answers("ROLLBACK", "ROLLBACK"),
    answers("BEGIN", "BEGIN"),
    answers("ALTER TABLE log ADD COLUMN c integer", "ALTER TABLE"),
    refused("INSERT INTO log (id, n) VALUES (9, 9)", "0A000", "ddl and dml"),
    answers("ROLLBACK", "ROLLBACK")
  ]),
  alone("plpgsql", "do_block", "DO in PL/pgSQL runs", [answers("DO $$ BEGIN PERFORM 1; END $$", "DO")]),
  alone("plpgsql", "function", "a function in PL/pgSQL is made, and called", [
    answers("CREATE FUNCTION one() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$", "CREATE FUNCTION"),
    answers("SELECT one()", "SELECT 1", [["1"]])
  ]),
  alone("plpgsql", "exception_block", "EXCEPTION: nobody knows what a cluster does, so the toolkit refuses it", [
    refused("DO $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END $$", "0A000")
  ]),
  alone("plpgsql", "commit_in_procedure", "COMMIT in a procedure: nobody knows, so the toolkit refuses it", [
    refused("CREATE PROCEDURE ends() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$", "0A000")
  ]),
  // Its job changes the catalogue once more, some time later.
  alone("migrator", "index_async", "CREATE INDEX ASYNC answers with a job, which can be waited for", [
    answers("CREATE INDEX ASYNC work_n ON work (n)", "CREATE INDEX"),
    answers("SELECT count(*) > 0 AS submitted FROM sys.jobs WHERE object_name LIKE '%work_n'", "SELECT 1", [["t"]])
  ])
]

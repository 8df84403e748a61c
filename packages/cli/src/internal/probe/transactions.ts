/**
 * What a transaction sends together, asked as the toolkit sends it: only there do BEGIN, statements and COMMIT share a
 * message. `{schema}` stands for the questions' schema.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Core from "@effect-dsql/core/DsqlClient"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { alone, answers, type Probe, type Step, type Together } from "./probe.ts"

/** Sends texts together, and gives the rows of each. */
export const send = (
  texts: ReadonlyArray<string>,
  how: Together["how"]
): Effect.Effect<ReadonlyArray<ReadonlyArray<object>>, unknown, DsqlClient> => {
  const atOnce = (sql: SqlClient.SqlClient) =>
    Effect.forEach(texts, (text) => sql.unsafe<object>(text), { concurrency: "unbounded" })
  switch (how) {
    case "with COMMIT":
      return Transaction.batch((sql) => texts.map((text) => sql.unsafe<object>(text)))
    case "at once":
      return Transaction.run(Effect.flatMap(Transaction.sql, atOnce))
    case "amid a stream":
      return Transaction.run(Effect.flatMap(Transaction.sql, (sql) => amid(sql, texts)))
    case "behind a refused BEGIN":
      return Effect.flatMap(Core.DsqlClient, ({ sql }) =>
        Effect.provideService(
          sql.withTransaction(atOnce(sql)),
          SqlClient.BeginTransaction,
          "BEGIN ISOLATION LEVEL SERIALIZABLE"
        )
      )
  }
}

/** Streams the rows of the first text, and sends the others once one of them is there. Of a stream the last row is told. */
const amid = (sql: SqlClient.SqlClient, [first = "", ...others]: ReadonlyArray<string>) => {
  const send = Effect.forEach(others, (text) => sql.unsafe<object>(text))
  return Stream.runFoldEffect(
    sql.unsafe<object>(first).stream,
    (): ReadonlyArray<ReadonlyArray<object>> => [],
    (answered, row) =>
      answered.length === 0
        ? Effect.map(send, (rows) => [[row], ...rows])
        : Effect.succeed([[row], ...answered.slice(1)])
  )
}

const group = "transaction"

const question = (id: string, asks: string, together: Together, steps: ReadonlyArray<Step>): Probe => ({
  ...alone(group, id, asks, steps),
  together
})

const raised = (id: number) => `UPDATE {schema}.work SET n = n + 1 WHERE id = ${id} RETURNING n`

const added = (id: number) => `INSERT INTO {schema}.log (id, n) VALUES (${id}, 1)`

const none = (id: number) => answers(`SELECT count(*)::integer FROM {schema}.log WHERE id = ${id}`, "SELECT 1", [["0"]])

const amidStream: Together = { how: "amid a stream", steps: 2 }

export const transactions: ReadonlyArray<Probe> = [
  question("begin_rides", "BEGIN and several statements behind one Sync", { how: "at once", steps: 2 }, [
    answers(raised(31), "UPDATE 1", [["1"]]),
    answers(raised(32), "UPDATE 1", [["1"]]),
    answers("SELECT n FROM {schema}.work WHERE id = 31", "SELECT 1", [["1"]])
  ]),
  question("commit_rides", "COMMIT behind a Sync of its own, in the same message", { how: "with COMMIT", steps: 2 }, [
    answers(raised(33), "UPDATE 1", [["1"]]),
    answers(raised(34), "UPDATE 1", [["1"]]),
    answers("SELECT n FROM {schema}.work WHERE id = 34", "SELECT 1", [["1"]])
  ]),
  question("one_fails", "a statement that fails, and COMMIT behind it", { how: "with COMMIT", steps: 3 }, [
    { sql: added(41) },
    { sql: added(41), expected: { sqlstate: "23505" } },
    { sql: added(42) },
    none(41),
    none(42)
  ]),
  question("stream_pages", "a portal that gives 500 rows at a time, and a statement amid", amidStream, [
    answers("SELECT n FROM generate_series(1, 1200) AS n", "SELECT 1200", [["1200"]]),
    answers(raised(35), "UPDATE 1", [["1"]])
  ]),
  question("begin_refused", "statements behind a BEGIN that is refused", { how: "behind a refused BEGIN", steps: 2 }, [
    { sql: added(51), expected: { sqlstate: "0A000" } },
    { sql: added(52), expected: { sqlstate: "0A000" } },
    none(51),
    none(52)
  ])
]

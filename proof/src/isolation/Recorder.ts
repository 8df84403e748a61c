/**
 * Records what transactions do and see on a real database, as the checker reads it.
 *
 * A list is a row of `lists`, a comma after each value. Every attempt is a
 * transaction of its own in the history, with values of its own: what an
 * attempt wrote that conflicted must be seen by nobody.
 */
import { DsqlClient, DsqlError, Transaction } from "@effect-dsql/core"
import { Effect, Random, Ref } from "effect"
import { append, type History, type Operation, readList, type Transaction as Recorded } from "./History.ts"

/** What sessions do. */
export interface Workload {
  readonly sessions: number
  /** Transactions of each session. */
  readonly transactions: number
  /** Operations of each transaction. */
  readonly operations: number
  readonly keys: number
  /** Reads take the row FOR UPDATE, so that what was read cannot change until COMMIT. */
  readonly locking: boolean
}

/** Creates the lists, empty: a lock can only be taken on a row that is there. */
export const lists = Effect.fnUntraced(function* (keys: number) {
  const { sql } = yield* DsqlClient.DsqlClient
  yield* sql`CREATE TABLE lists (key VARCHAR(64) PRIMARY KEY, items TEXT NOT NULL)`
  yield* sql`INSERT INTO lists SELECT 'list ' || number, '' FROM generate_series(1, ${keys}::integer) AS number`
})

/** Runs the workload and gives its history. Which operations run is decided by `Random`. */
export const record = Effect.fnUntraced(function* (workload: Workload) {
  const clock = yield* Ref.make(0)
  const tick = Ref.updateAndGet(clock, (time) => time + 1)
  const finished: Array<Recorded> = []
  const session = Effect.fnUntraced(function* (number: number) {
    for (let transaction = 0; transaction < workload.transactions; transaction++) {
      const plan = yield* planned(workload)
      const attempts: Array<{ readonly id: number; readonly began: number; readonly operations: Array<Operation> }> = []
      const body = Effect.gen(function* () {
        const began = yield* tick
        const operations: Array<Operation> = []
        attempts.push({ id: began, began, operations })
        for (const { key, write } of plan) {
          if (write) {
            const value = yield* tick
            operations.push(append(key, value))
            yield* appended(key, value)
          } else operations.push(readList(key, yield* listed(key, workload.locking)))
        }
      })
      const outcome = yield* Transaction.run(body, { operation: "Append" }).pipe(
        Effect.as("Committed" as const),
        Effect.catch((error) =>
          Effect.succeed(error instanceof DsqlError.CommitOutcomeUnknown ? ("Unknown" as const) : ("Aborted" as const))
        )
      )
      const ended = yield* tick
      for (const [index, attempt] of attempts.entries()) {
        const last = index === attempts.length - 1
        finished.push({ ...attempt, session: number, outcome: last ? outcome : "Aborted", ...(last ? { ended } : {}) })
      }
    }
  })
  yield* Effect.all(
    Array.from({ length: workload.sessions }, (_, number) => session(number)),
    { concurrency: "unbounded", discard: true }
  )
  const history: History = finished
  return history
})

const planned = (workload: Workload) =>
  Effect.replicateEffect(
    Effect.all({
      key: Effect.map(Random.nextIntBetween(1, workload.keys), (number) => `list ${number}`),
      write: Random.nextBoolean
    }),
    workload.operations
  )

const appended = (key: string, value: number) =>
  Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE lists SET items = items || ${`${value},`} WHERE key = ${key}`)

const listed = Effect.fnUntraced(function* (key: string, locking: boolean) {
  const sql = yield* Transaction.sql
  const rows = yield* sql<{ readonly items: string }>`
    SELECT items FROM lists WHERE key = ${key} ${sql.literal(locking ? "FOR UPDATE" : "")}`
  return rows.flatMap(({ items }) => items.split(",").slice(0, -1).map(Number))
})

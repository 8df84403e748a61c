/**
 * Records what transactions do and see on a real database, as the checker reads it.
 *
 * A list is a row of `lists`, a comma after each value. Every attempt is a
 * transaction of its own in the history, with values of its own: what an
 * attempt wrote that conflicted must be seen by nobody.
 */
import { DsqlClient, DsqlError, Transaction } from "@effect-dsql/core"
import { Array as Arr, Effect, Latch, Ref } from "effect"
import { append, type History, type Operation, readList, type Transaction as Recorded } from "./History.ts"
import type { Plan } from "./Plan.ts"

/** What is recorded. */
export interface Workload {
  /** The transactions of each session, in order. */
  readonly plans: ReadonlyArray<ReadonlyArray<Plan>>
  /** Reads take the row FOR UPDATE, so that what was read cannot change until COMMIT. */
  readonly locking: boolean
}

/** Creates the lists, empty: a lock can only be taken on a row that is there. */
export const lists = Effect.fnUntraced(function* (count: number) {
  const { sql } = yield* DsqlClient.DsqlClient
  yield* sql`CREATE TABLE lists (key VARCHAR(64) PRIMARY KEY, items TEXT NOT NULL)`
  yield* sql`INSERT INTO lists SELECT 'list ' || number, '' FROM generate_series(1, ${count}::integer) AS number`
})

/** Runs the workload and gives its history. */
export const record = Effect.fnUntraced(function* ({ locking, plans }: Workload) {
  const clock = yield* Ref.make(0)
  const tick = Ref.updateAndGet(clock, (time) => time + 1)
  const meetings = Array.from({ length: Math.max(...plans.map(({ length }) => length)) }, () => meeting(plans.length))
  const finished: Array<Recorded> = []
  const run = Effect.fnUntraced(function* (session: number, plan: Plan, others: Meeting) {
    const attempts: Array<{ readonly id: number; readonly began: number; readonly operations: Array<Operation> }> = []
    const body = Effect.gen(function* () {
      const began = yield* tick
      const operations: Array<Operation> = []
      attempts.push({ id: began, began, operations })
      for (const step of plan) {
        if (step._tag === "Meet") {
          yield* others.come(session)
          yield* others.open
          continue
        }
        const key = `list ${step.list}`
        if (step._tag === "Append") {
          const value = yield* tick
          operations.push(append(key, value))
          yield* appended(key, value)
        } else operations.push(readList(key, yield* listed(key, locking)))
      }
    })
    const outcome = yield* Transaction.run(body, { operation: "Append" }).pipe(
      Effect.as("Committed" as const),
      Effect.catch((error) =>
        Effect.succeed(error instanceof DsqlError.CommitOutcomeUnknown ? ("Unknown" as const) : ("Aborted" as const))
      )
    )
    yield* others.come(session)
    const ended = yield* tick
    for (const [index, attempt] of attempts.entries()) {
      const last = index === attempts.length - 1
      finished.push({ ...attempt, session, outcome: last ? outcome : "Aborted", ...(last ? { ended } : {}) })
    }
  })
  yield* Effect.forEach(
    plans,
    (own, session) =>
      Effect.forEach(Arr.zip(own, meetings), ([plan, others]) => run(session, plan, others), { discard: true }),
    { concurrency: "unbounded", discard: true }
  )
  const history: History = finished
  return history
})

/** Opens when all sessions have come; who comes again, in another attempt or at the end, is not counted twice. */
const meeting = (sessions: number) => {
  const latch = Latch.makeUnsafe()
  const present = new Set<number>()
  const come = (session: number) =>
    Effect.suspend(() => (present.add(session).size === sessions ? latch.open : Effect.void))
  return { come, open: latch.await }
}

type Meeting = ReturnType<typeof meeting>

const appended = (key: string, value: number) =>
  Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE lists SET items = items || ${`${value},`} WHERE key = ${key}`)

const listed = Effect.fnUntraced(function* (key: string, locking: boolean) {
  const sql = yield* Transaction.sql
  const rows = yield* sql<{ readonly items: string }>`
    SELECT items FROM lists WHERE key = ${key} ${sql.literal(locking ? "FOR UPDATE" : "")}`
  return rows.flatMap(({ items }) => items.split(",").slice(0, -1).map(Number))
})

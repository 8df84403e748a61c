/**
 * The statements of a queue. Each is one round trip and commits by itself, and all times are the database's.
 *
 * A job that is claimed is one that becomes visible when its lease ends, so new, delayed, retried and abandoned jobs
 * are found in one way, and nobody has to look for claims whose owner is gone.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as Buckets from "./buckets.ts"
import type { Claimed, Settlement } from "./job.ts"

const { sql, value, values } = Expression

/** The table that the jobs are in. */
export type Table = Expression.Expression

/** Rows in the order of their columns. */
type Rows = ReadonlyArray<ReadonlyArray<unknown>>

const run = (statement: Expression.Expression): Effect.Effect<Rows, SqlError, Transaction.Transaction> =>
  Effect.flatMap(Transaction.sql, (client) => client`${Expression.fragment(client, statement)}`.values)

export const milliseconds = (millis: number): Expression.Expression =>
  sql`${value("double precision", millis)} * INTERVAL '1 millisecond'`

/**
 * The keys of the first jobs of each bucket in turn that are in a state and visible before some milliseconds ago. Rows are
 * looked up by the whole key of these, and none of it is said again: a plan without statistics would begin there.
 */
const firstOf = (
  table: Table,
  queue: string,
  {
    age = 0,
    buckets,
    size,
    state
  }: {
    readonly state: "pending" | "completed" | "failed"
    readonly buckets: ReadonlyArray<number>
    readonly size: number
    readonly age?: number
  }
): Expression.Expression => {
  const most = value("integer", size)
  return sql`
    SELECT job.* FROM unnest(${values("integer", buckets)}) AS walk(bucket) CROSS JOIN LATERAL (
      SELECT queue_name, bucket, id, visible_at FROM ${table}
      WHERE queue_name = ${value("text", queue)} AND state = '${Expression.literal(state)}' AND bucket = walk.bucket
        AND visible_at <= now() - ${milliseconds(age)}
      ORDER BY visible_at LIMIT ${most}
    ) AS job LIMIT ${most}`
}

/** What a claim asks for. */
export interface Claim {
  readonly queue: string
  readonly claim: string
  readonly size: number
  /** The buckets in the order in which they are looked through. */
  readonly buckets: ReadonlyArray<number>
  readonly maxAttempts: number
  /** Milliseconds. */
  readonly lease: number
}

/**
 * Claims jobs, the one that became visible first to begin with. Two that claim one job change one row: the later
 * committer conflicts. A job whose last attempt ended with its lease becomes a dead letter instead.
 */
export const claim = (table: Table, options: Claim) => {
  const { buckets, claim, lease, maxAttempts, queue, size } = options
  const isAlive = sql`job.attempts < ${value("integer", maxAttempts)}`
  const statement = sql`
    UPDATE ${table} AS job SET
      state = CASE WHEN ${isAlive} THEN 'pending' ELSE 'failed' END,
      attempts = CASE WHEN ${isAlive} THEN job.attempts + 1 ELSE job.attempts END,
      claim = CASE WHEN ${isAlive} THEN ${value("uuid", claim)} END,
      visible_at = CASE WHEN ${isAlive} THEN now() + ${milliseconds(lease)} ELSE now() END,
      last_failure = CASE WHEN ${isAlive} THEN job.last_failure
        ELSE COALESCE(job.last_failure, 'the lease of the last attempt ran out') END
    FROM (${firstOf(table, queue, { state: "pending", buckets, size })}) AS due
    WHERE job.queue_name = due.queue_name AND job.bucket = due.bucket AND job.id = due.id
    RETURNING job.bucket, job.id, job.attempts, job.element, job.state = 'pending', due.visible_at`
  return Effect.map(run(statement), (rows) => {
    // The columns are as the table declares them.
    const found = rows as ReadonlyArray<readonly [number, string, number, string, boolean, Date]>
    const jobs = found
      .filter(([, , , , isAlive]) => isAlive)
      .toSorted(([, , , , , one], [, , , , , other]) => one.getTime() - other.getTime())
      .map(([bucket, id, attempts, element]): Claimed => ({ queue, bucket, id, claim, attempts, element }))
    return { jobs, found: rows.length }
  })
}

/** Milliseconds until the next job of a queue becomes visible: none or fewer where one is; undefined where none will. */
export const untilVisible = (table: Table, queue: string) => {
  const first = sql`
    SELECT visible_at FROM ${table}
    WHERE queue_name = ${value("text", queue)} AND state = 'pending' AND bucket = walk.bucket
    ORDER BY visible_at LIMIT 1`
  const statement = sql`
    SELECT (EXTRACT(EPOCH FROM min(job.visible_at) - now()) * 1000)::double precision
    FROM unnest(${values("integer", Buckets.from(0))}) AS walk(bucket) CROSS JOIN LATERAL (${first}) AS job`
  return Effect.map(run(statement), (rows) => {
    const millis = rows[0]?.[0]
    return typeof millis === "number" ? millis : undefined
  })
}

const keys = { queue: "text", bucket: "integer", id: "text", claim: "uuid" } as const

/** Whether a job is the one that is named, and nobody has claimed it since. */
const isOwned = sql`
  job.queue_name = owned.queue AND job.bucket = owned.bucket AND job.id = owned.id AND job.claim = owned.claim`

/** Says what became of claims. One that has been claimed again is left alone. */
export const settle = (table: Table, settlements: ReadonlyArray<Settlement>) => {
  const columns = { ...keys, state: "text", delay: "double precision", counted: "integer", failure: "text" } as const
  const owned = Expression.records("owned", columns, settlements.map(settled))
  return run(sql`
    UPDATE ${table} AS job SET
      state = owned.state,
      visible_at = now() + owned.delay * INTERVAL '1 millisecond',
      attempts = job.attempts - 1 + owned.counted,
      claim = NULL,
      last_failure = COALESCE(owned.failure, job.last_failure)
    FROM ${owned} WHERE ${isOwned}`)
}

const settled = ({ job: { bucket, claim, id, queue }, outcome }: Settlement) => {
  const row = { queue, bucket, id, claim, delay: 0, counted: 1 }
  switch (outcome._tag) {
    case "Completed":
      return { ...row, state: "completed" }
    case "Failed":
      return { ...row, state: "failed", failure: outcome.failure }
    case "Retried":
      return { ...row, state: "pending", delay: outcome.delay, failure: outcome.failure }
    case "Released":
      return { ...row, state: "pending", counted: 0 }
  }
}

/** Makes leases end so many milliseconds from now. */
export const extend = (table: Table, jobs: ReadonlyArray<Claimed>, lease: number) => {
  const owned = Expression.records(
    "owned",
    keys,
    jobs.map(({ bucket, claim, id, queue }) => ({ queue, bucket, id, claim }))
  )
  return run(sql`UPDATE ${table} AS job SET visible_at = now() + ${milliseconds(lease)} FROM ${owned} WHERE ${isOwned}`)
}

/** Gives back whatever a claim has claimed whose answer was lost: it is among what becomes visible within a lease. */
export const disown = (table: Table, { claim, lease, queue }: Pick<Claim, "claim" | "lease" | "queue">) =>
  run(sql`
    UPDATE ${table} SET visible_at = now(), attempts = attempts - 1, claim = NULL
    WHERE queue_name = ${value("text", queue)} AND state = 'pending' AND bucket = ANY(${values("integer", Buckets.from(0))})
      AND visible_at > now() AND visible_at <= now() + ${milliseconds(lease)} AND claim = ${value("uuid", claim)}`)

/** The name of the first queue behind another one. */
export const nextQueue = (table: Table, after: string) =>
  Effect.map(
    run(sql`
      SELECT queue_name FROM ${table} WHERE queue_name > ${value("text", after)} ORDER BY queue_name LIMIT 1`),
    (rows) => {
      const name = rows[0]?.[0]
      return typeof name === "string" ? name : undefined
    }
  )

/** Removes jobs that were completed, or failed, so many milliseconds ago; gives how many. */
export const remove = (
  table: Table,
  queue: string,
  settled: { readonly state: "completed" | "failed"; readonly age: number; readonly size: number }
) =>
  Effect.map(
    run(sql`
      DELETE FROM ${table} AS job USING (${firstOf(table, queue, { ...settled, buckets: Buckets.from(0) })}) AS old
      WHERE job.queue_name = old.queue_name AND job.bucket = old.bucket AND job.id = old.id
      RETURNING 1`),
    (rows) => rows.length
  )

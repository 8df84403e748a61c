/**
 * Jobs of Aurora DSQL: `CREATE INDEX ASYNC` and `ALTER TABLE ASYNC` answer with
 * the id of one, and do their work in it. `sys.jobs` forgets a job about half an
 * hour after it ended, so an index's own validity is what counts.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Catalogue from "./catalogue.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import type { Name } from "../../SqlStatement.ts"
import * as Rows from "../transaction/rows.ts"

// 26 characters of base32 on the service.
const JobRow = Schema.Struct({ job_id: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,64}$/)) })

/** The id in the answer of an ASYNC statement; undefined where there was nothing to do. */
export const idOf = (rows: ReadonlyArray<unknown>): string | undefined =>
  Schema.is(JobRow)(rows[0]) ? rows[0].job_id : undefined

/** The job that is building an index, if one is under way. */
export const building = (
  { name }: Name,
  { schema }: Catalogue.Relation
): Effect.Effect<string | undefined, TransactionError, DsqlClient> =>
  Effect.map(
    Rows.read(
      JobRow,
      (sql) => sql`SELECT job_id::text AS job_id FROM sys.jobs
        WHERE job_type = 'INDEX_BUILD' AND object_name = ${`${schema}.${name}`}
          AND status IN ('submitted', 'processing')`
    ),
    ([row]) => row?.job_id
  )

/** What the service says about a job; undefined where it says nothing, or has forgotten it. */
export const details = (job: string): Effect.Effect<string | undefined, TransactionError, DsqlClient> =>
  Effect.map(
    Rows.read(
      Schema.Struct({ details: Schema.NullOr(Schema.String) }),
      (sql) => sql`SELECT details::text AS details FROM sys.jobs WHERE job_id = ${job}`
    ),
    ([row]) => row?.details ?? undefined
  )

/** How a job stands, as the service says it. */
export interface Progress {
  /** `unknown` where the service has forgotten it. */
  readonly status: "submitted" | "processing" | "completed" | "failed" | "unknown"
  /** Milliseconds since it was followed. */
  readonly elapsed: number
}

const Status = Schema.Struct({ status: Schema.Literals(["submitted", "processing", "completed", "failed"]) })

/**
 * Follows a job until it ends, however long it takes, and tells how it stands each time that it looks. It looks
 * rather than waits in `sys.wait_for_job`, because a wait is a transaction, which the service ends after 300 seconds.
 */
export const follow = (
  job: string,
  onProgress: (progress: Progress) => Effect.Effect<void>
): Effect.Effect<Progress["status"], TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    const look = Effect.gen(function* () {
      const [row] = yield* reconnecting(
        Rows.read(Status, (sql) => sql`SELECT status::text AS status FROM sys.jobs WHERE job_id = ${job}`)
      )
      const status = row?.status ?? "unknown"
      yield* onProgress({ status, elapsed: Number(((yield* Clock.monotonicTimeNanos) - start) / 1_000_000n) })
      return status
    })
    return yield* Effect.repeat(look, { schedule: pace, until: (status) => !isUnderWay(status) })
  })

// An empty table's index takes a moment, a large one's an hour.
const pace = Schedule.min([Schedule.exponential("50 millis", 1.5), Schedule.spaced("2 seconds")])

const isUnderWay = (status: Progress["status"]): boolean => status === "submitted" || status === "processing"

/**
 * Jobs of Aurora DSQL: `CREATE INDEX ASYNC` and `ALTER TABLE ASYNC` answer with
 * the id of one, and do their work in it. `sys.jobs` forgets a job about half an
 * hour after it ended, so an index's own validity is what counts.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Catalogue from "./Catalogue.ts"
import { JobFailed } from "./SchemaError.ts"
import type { Name } from "./Target.ts"

// CALL takes no parameter here, only a literal. Ids are 26 characters of base32 on the service.
const JobRow = Schema.Struct({ job_id: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,64}$/)) })

/**
 * The id in the answer of an ASYNC statement; undefined where there was nothing to do.
 *
 * @since 0.1.0
 * @category accessors
 */
export const idOf = (rows: ReadonlyArray<unknown>): string | undefined =>
  Schema.is(JobRow)(rows[0]) ? rows[0].job_id : undefined

/**
 * The job that is building an index, if one is under way.
 *
 * @since 0.1.0
 * @category accessors
 */
export const building = (
  { name }: Name,
  { schema }: Catalogue.Relation
): Effect.Effect<string | undefined, TransactionError, DsqlClient> =>
  Effect.map(
    Catalogue.read(
      JobRow,
      (sql) => sql`SELECT job_id::text AS job_id FROM sys.jobs
        WHERE job_type = 'INDEX_BUILD' AND object_name = ${`${schema}.${name}`}
          AND status IN ('submitted', 'processing')`
    ),
    ([row]) => row?.job_id
  )

/**
 * What the service says about a job; undefined where it says nothing, or has forgotten it.
 *
 * @since 0.1.0
 * @category accessors
 */
export const details = (job: string): Effect.Effect<string | undefined, TransactionError, DsqlClient> =>
  Effect.map(
    Catalogue.read(
      Schema.Struct({ details: Schema.NullOr(Schema.String) }),
      (sql) => sql`SELECT details::text AS details FROM sys.jobs WHERE job_id = ${job}`
    ),
    ([row]) => row?.details ?? undefined
  )

// A lost connection is worth a few new ones: the job goes on without it.
const reconnecting = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.upTo({ times: 8 })
)

/**
 * Waits for a job to end, however long it takes, and says whether the service calls it a success.
 *
 * @since 0.1.0
 * @category execution
 */
export const wait = (job: string): Effect.Effect<boolean, TransactionError, DsqlClient> =>
  Transaction.autocommit(
    Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(`CALL sys.wait_for_job('${job}')`).unprepared),
    { operation: "WaitForJob", readOnly: true }
  ).pipe(
    Effect.retry({ schedule: reconnecting, while: (error) => error._tag === "ConnectionLost" }),
    // A build may take longer than the 300 seconds that a transaction may last.
    Effect.catchTag("LimitExceeded", (error) =>
      error.limit === "transaction_age" ? Effect.as(wait(job), []) : Effect.fail(error)
    ),
    Effect.map(([row]) => row === undefined || !Object.values(row).includes(false))
  )

/**
 * Waits for a job to end, and fails where it did not succeed.
 *
 * @since 0.1.0
 * @category execution
 */
export const succeed = (job: string, location: string): Effect.Effect<void, TransactionError | JobFailed, DsqlClient> =>
  Effect.gen(function* () {
    if (yield* wait(job)) return
    return yield* new JobFailed({ job, location, details: yield* details(job) })
  })

/**
 * One statement of a schema, run once. It is looked for in the journal and in
 * the catalogue, run in a transaction of its own where it is missing, and waited
 * for where the service does the work later. Nothing is decided by the text of an
 * error: where it is not known what a statement ended with, the catalogue says
 * whether it ran.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Engine } from "../../Engine.ts"
import { Event } from "../../Event.ts"
import { IndexInvalid, JobFailed, type LeaseLost, type ObjectDiffers, StatementRefused } from "../../MigrationError.ts"
import type { SqlStatement, Target } from "../../SqlStatement.ts"
import * as Journal from "../books/journal.ts"
import type { Keyed } from "../books/key.ts"
import * as Catalogue from "../catalogue/catalogue.ts"
import * as Collisions from "../catalogue/collisions.ts"
import * as Digest from "../catalogue/digest.ts"
import * as Evidence from "../catalogue/evidence.ts"
import * as Job from "../catalogue/job.ts"
import { compared, display, names } from "../sql/target.ts"
import * as Present from "./present.ts"
import * as Differences from "../structure/differences.ts"
import { isLost, reconnecting } from "../transaction/reconnecting.ts"

/** Why a step failed. */
export type StepError = ObjectDiffers | IndexInvalid | JobFailed | StatementRefused | LeaseLost | TransactionError

/** What a step runs with. */
export interface Setting {
  readonly engine: Engine
  /** What is there is compared with what the schema says. */
  readonly schema: Differences.Expected
  readonly journal: Journal.Journal
  readonly emit: (event: Event) => Effect.Effect<void>
}

/** Makes sure that a statement has run, and writes down that it has. What has run does not run again. */
export const run = (step: Keyed, setting: Setting): Effect.Effect<void, StepError, DsqlClient> =>
  Effect.gen(function* () {
    const { emit, journal } = setting
    const { key, statement } = step
    const { location, summary, target } = statement
    const row = journal.find(key)
    if (row !== undefined && row.finished !== null) return yield* emit(Event.Present({ location, summary }))
    const seen = yield* look(statement)
    const isOpen = row !== undefined && Journal.isOpen(row)
    const before = isOpen ? row.catalogue : seen.digest
    if (yield* hasRun(statement, before, seen, setting)) {
      yield* settle(statement, setting, row?.job ?? undefined)
      yield* journal.adopt(step)
      return yield* emit(Event.Present({ location, summary }))
    }
    yield* journal.begin(step, seen.digest)
    if (statement.changesRows) {
      yield* refusing(manipulate(step, setting), step, journal)
    } else {
      const job = yield* refusing(define(statement, isOpen, seen, setting), step, journal)
      if (job !== undefined) yield* journal.attach(key, job)
      yield* settle(statement, setting, job).pipe(
        Effect.tapError((error) =>
          target._tag === "CreateIndex" ? Effect.ignore(journal.refuse(key, error.message)) : Effect.void
        )
      )
      yield* journal.finish(key)
    }
    yield* emit(Event.Applied({ location, summary }))
  })

/** What the catalogue said, as far as a statement is concerned. */
interface Seen {
  readonly snapshot: Catalogue.Snapshot
  /** Of a statement whose effect has no name. */
  readonly digest: string | null
}

const noRelations: Catalogue.Snapshot = { find: () => undefined }

const look = ({ changesRows, target }: SqlStatement): Effect.Effect<Seen, TransactionError, DsqlClient> => {
  if (changesRows) return Effect.succeed({ snapshot: noRelations, digest: null })
  if (target._tag === "Repeatable" || (target._tag === "Other" && target.objects.length === 0)) {
    return Effect.succeed({ snapshot: noRelations, digest: null })
  }
  const body: Effect.Effect<Seen, SqlError, Transaction.Transaction> =
    target._tag === "Other"
      ? Effect.map(Digest.of(target.objects), (digest) => ({ snapshot: noRelations, digest }))
      : Effect.map(Catalogue.lookup(names(target)), (snapshot) => ({ snapshot, digest: null }))
  return reconnecting(Transaction.autocommit(body, { operation: "ReadCatalogue", readOnly: "proven" }))
}

/** Whether the catalogue shows that a statement has run, where it did not show it `before`. */
const hasRun = (
  statement: SqlStatement,
  before: string | null,
  { digest, snapshot }: Seen,
  { schema }: Setting
): Effect.Effect<boolean, ObjectDiffers | TransactionError, DsqlClient> => {
  if (statement.changesRows) return Effect.succeed(false)
  if (digest !== null) return Effect.succeed(Digest.isOwn(before) && digest !== before)
  if (!Evidence.shows(statement.target, snapshot)) return Effect.succeed(false)
  const about = compared(statement.target)
  if (about.length === 0) return Effect.succeed(true)
  return reconnecting(Transaction.run(Differences.thereOf(about), { operation: "ReadCatalogue", readOnly: true })).pipe(
    Effect.flatMap((there) => Present.ensure(statement, schema, snapshot, there)),
    Effect.as(true)
  )
}

/** The connection was lost and the catalogue shows that nothing happened: worth another try. */
class Again extends Data.TaggedError("Again")<{ readonly error: TransactionError }> {}

const again = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.upTo({ times: 6 })
)

const retrying = <A, E, R>(effect: Effect.Effect<A, E | Again, R>) =>
  effect.pipe(
    Effect.retry({ schedule: again, while: (error) => error instanceof Again }),
    Effect.mapError((error) => (error instanceof Again ? error.error : error))
  )

/**
 * Runs DDL in a transaction of its own, and gives the job that it started, if any. What the server has refused has not
 * run, and what is there by then is somebody else's; unless it was sent before, by this run or an earlier one, and how
 * that ended is not known.
 */
const define = (statement: SqlStatement, wasSent: boolean, before: Seen, setting: Setting) => {
  const { engine, journal } = setting
  let isInDoubt = wasSent
  return retrying(
    Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        const rows = yield* send(sql, statement, engine === "dsql" ? statement.text : statement.postgres)
        // As late as it can be asked: see Lease for what this rules out.
        yield* journal.renew
        return statement.async ? Job.idOf(rows) : undefined
      }),
      { operation: "MigrateSchema" }
    ).pipe(
      Effect.catch(
        Effect.fnUntraced(function* (error) {
          if (error._tag === "LeaseLost") return yield* error
          isInDoubt ||= error._tag === "CommitOutcomeUnknown"
          // What has a name is compared with the schema, so it may be another migrator's: several create the books at once.
          const isAsked = isInDoubt || compared(statement.target).length > 0
          if (isAsked && (yield* hasRun(statement, before.digest, yield* look(statement), setting))) return undefined
          return yield* isLost(error) ? new Again({ error }) : Effect.fail(error)
        })
      )
    )
  )
}

/** Sends a statement. A span has its text, so there is none of what is not shown whole. */
const send = (sql: SqlClient, { shown, text }: SqlStatement, sent: string) =>
  Effect.withTracerEnabled(sql.unsafe(sent).unprepared, text === shown)

/** Changes rows, and writes down that it did, in one transaction. */
const manipulate = ({ key, statement }: Keyed, { journal }: Setting) => {
  const { committed } = journal
  return retrying(
    Transaction.run(
      Effect.gen(function* () {
        yield* journal.commit(key)
        yield* send(yield* Transaction.sql, statement, statement.text)
      }),
      {
        operation: "MigrateSchema",
        ...(committed !== undefined && {
          verify: () =>
            Effect.map(committed(key), (is) => (is ? Transaction.committed<void>(undefined) : Transaction.notCommitted))
        })
      }
    ).pipe(Effect.mapError((error) => (error._tag === "ConnectionLost" ? new Again({ error }) : error)))
  )
}

/** Says which statement was refused, and writes it down. */
const refusing = <A, R>(
  effect: Effect.Effect<A, LeaseLost | ObjectDiffers | TransactionError, R>,
  { key, statement }: Keyed,
  journal: Journal.Journal
) =>
  Effect.catch(
    effect,
    Effect.fnUntraced(function* (cause) {
      if (cause._tag === "LeaseLost" || cause._tag === "ObjectDiffers") return yield* Effect.fail(cause)
      const { location, summary } = statement
      const problem = problemOf(statement, cause)
      // Of a lost connection nothing is known for certain, so the row stays open.
      if (!isLost(cause)) yield* Effect.ignore(journal.refuse(key, problem))
      return yield* new StatementRefused({ location, summary, problem, cause })
    })
  )

/** What the database says, but for a value that it repeats from a row, or from what is not shown: in quotes, at the end. */
const problemOf = ({ changesRows, shown, text }: SqlStatement, { message }: TransactionError): string =>
  changesRows || shown !== text ? message.replace(/: ".*"$/s, ': "***"') : message

/** Waits for what a job still has to do, and makes sure that it did. */
const settle = Effect.fnUntraced(function* (
  { location, summary, target }: SqlStatement,
  { emit, engine }: Setting,
  started: string | undefined
) {
  if (engine === "postgres" && !isIndex(target)) return
  const found = isIndex(target) ? yield* reconnecting(Catalogue.relation(target.name)) : undefined
  if (found?.valid === true) return
  // A run that was killed leaves its job behind; the index says which one that is.
  const job = started ?? (found === undefined || engine === "postgres" ? undefined : yield* underWay(target, found))
  if (job !== undefined) {
    yield* emit(Event.Waiting({ location, summary, job }))
    const status = yield* Job.follow(job, (progress) => emit(Event.Building({ location, summary, job, ...progress })))
    const details = yield* reconnecting(Job.details(job))
    if (isIndex(target)) return yield* valid(target, location, details)
    if (status === "failed") return yield* new JobFailed({ job, location, details })
  } else if (isIndex(target)) yield* valid(target, location, undefined)
})

type Index = Extract<Target, { readonly _tag: "CreateIndex" }>

const isIndex = (target: Target): target is Index => target._tag === "CreateIndex"

const underWay = (target: Target, found: Catalogue.Relation) =>
  isIndex(target) ? reconnecting(Job.building(target.name, found)) : Effect.succeed(undefined)

const valid = Effect.fnUntraced(function* ({ name }: Index, location: string, details: string | undefined) {
  const found = yield* reconnecting(Catalogue.relation(name))
  if (found?.valid === true) return
  const collisions = yield* Collisions.of(name)
  return yield* new IndexInvalid({ index: display(name), location, details, collisions })
})

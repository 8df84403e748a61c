/**
 * One transaction of a client, and what optimistic concurrency makes of it.
 *
 * It runs in its session's backend at REPEATABLE READ above a base savepoint,
 * in one of three states. *Live*: PostgreSQL holds its writes and locks.
 * *Parked*: somebody else wanted a row of it, so it was rolled back to the
 * savepoint, which frees the rows and keeps the snapshot; its journal brings it
 * back. *Doomed*: somebody else committed first; it goes on over private copies
 * of its tables, so that its statements answer from its snapshot as they do on
 * Aurora DSQL, and its COMMIT answers OC000.
 */
import { Limits } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { BackendLost } from "../postgres/backend.ts"
import * as Doom from "./doom.ts"
import * as Jobs from "../database/jobs.ts"
import * as Catalogue from "../database/keys.ts"
import * as Sizes from "../database/sizes.ts"
import * as Keys from "./keys.ts"
import * as Locks from "./locks.ts"
import * as Parking from "./parking.ts"
import * as Refusal from "../statement/refusal.ts"
import { isShared, type Call, type Member, prune, type Transaction } from "./state.ts"
import type { Prepared } from "../statement/prepared.ts"
import { qualified } from "../statement/tables.ts"
import * as Wire from "../protocol/wire.ts"

export const make = (
  since: number,
  options: { readonly explicit: boolean; readonly readOnly?: boolean; readonly brief?: boolean }
): Transaction => ({
  readOnly: false,
  brief: false,
  ...options,
  since,
  started: false,
  failed: false,
  state: "live",
  snapshot: undefined,
  catalogue: undefined,
  ddl: false,
  dml: false,
  rows: 0,
  bytes: 0,
  inflates: false,
  locks: false,
  hidden: false,
  removes: new Set(),
  adds: new Set(),
  journal: [],
  shadow: undefined,
  jobs: []
})

const beginning = Wire.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SAVEPOINT ${Parking.savepoint}`)
const beginningReadOnly = Wire.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SAVEPOINT ${Parking.savepoint}`)
const beginningBrief = Wire.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
const commitFrame = Wire.query("COMMIT")
const rollbackFrame = Wire.query("ROLLBACK")

/** Messages that answer a count: columns, a row, a completion. */
const countFrames = 3

/** Whether the statement may run where the transaction stands. */
const check = (member: Member, transaction: Transaction, prepared: Prepared): Refusal.Refusal | undefined => {
  if (transaction.failed) return Refusal.aborted
  if (member.database.now() - transaction.since > Limits.transactionSeconds * 1000) return Refusal.ageLimit
  const isDdl = prepared.plan._tag === "Ddl"
  const isDml = prepared.plan._tag === "Plain" && prepared.plan.effects === "write"
  if (isDdl && transaction.ddl) return Refusal.manyDdl
  if ((isDdl && transaction.dml) || (isDml && transaction.ddl)) return Refusal.ddlAndDml
  if (transaction.catalogue !== undefined) return undefined
  const stale = isStale(member, prepared)
  transaction.catalogue = member.database.version
  return stale
}

/** A session finds out that its catalogue is old when it next looks something up in it, once for each change. */
export const isStale = (member: Member, prepared: Prepared): Refusal.Refusal | undefined => {
  if (prepared.tables.length === 0 && prepared.plan._tag !== "Ddl") return undefined
  const known = member.catalogue
  member.catalogue = member.database.version
  return known === undefined || known === member.database.version ? undefined : Refusal.schemaConflict
}

/** What begins a transaction, unless it has begun, and how many messages answer that: a completion each. */
const startOf = (
  member: Member,
  transaction: Transaction
): { readonly begin: ReadonlyArray<Buffer>; readonly skipped: number } => {
  transaction.snapshot ??= member.database.sequence
  if (transaction.started) return { begin: [], skipped: 0 }
  transaction.started = true
  return transaction.brief
    ? { begin: [beginningBrief], skipped: 1 }
    : { begin: [transaction.readOnly ? beginningReadOnly : beginning], skipped: 2 }
}

const changedRows = Wire.query(Sizes.changedRows)

/** Runs a client's statement; `preamble` is what the client sent to prepare it, `execution` what makes it run. */
export const run = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>
): Effect.fn.Return<Parking.Outcome, BackendLost> {
  const { plan } = call.prepared
  const refusal = check(member, transaction, call.prepared)
  if (refusal !== undefined) return Doom.refused(refusal)
  if (plan._tag !== "Plain") return { frames: [], error: undefined }
  if (transaction.state === "parked" && transaction.journal.length > 0) yield* Parking.restore(member, transaction)
  if (transaction.state === "parked") transaction.state = "live"
  if (plan.effects === "write") transaction.dml = true

  if (transaction.state === "doomed") {
    const prepared = yield* prepare(member, preamble)
    if (prepared.error !== undefined) return prepared
    const outcome = yield* Doom.runDoomed(member, transaction, call)
    return { frames: [...prepared.frames, ...outcome.frames], error: outcome.error }
  }

  const { tables } = call.prepared
  const references = plan.effects === "write" ? yield* Keys.referencesOf(member) : undefined
  const isIn = (names: ReadonlySet<string> | undefined) => tables.some((table) => names?.has(table.name) === true)
  const counts = plan.compound || (plan.bound === Infinity && isIn(references?.acting))
  const ties = isIn(references?.children)
  transaction.locks ||= plan.locks || ties
  transaction.hidden ||= ties || (plan.locks && plan.locked === undefined)
  if (references !== undefined) Keys.noteKeys(transaction, call.prepared, references)
  const { begin, skipped } = startOf(member, transaction)
  const around = counts ? [changedRows] : []
  const reply = yield* Parking.send(
    member,
    [...begin, ...around, ...preamble, ...execution, ...around],
    begin.length + 1 + 2 * around.length
  )
  if (reply.error !== undefined) {
    const frames = reply.frames.slice(skipped + around.length * countFrames)
    const suspect = yield* Doom.suspicion(member, transaction, call, { ...reply, frames })
    return suspect ?? { frames, error: reply.error }
  }
  if (yield* Keys.hasGhosts(member, transaction))
    return yield* Doom.doom(member, transaction, call, reply.frames.slice(skipped))
  const own = reply.frames.slice(skipped)
  const [frames, rows] = counts ? uncount(own) : [own, Wire.rowsOf(reply.tag ?? "")]
  if (plan.effects === "write") {
    transaction.rows += rows
    transaction.inflates ||= plan.inflates
    for (const bytes of [...preamble, ...execution]) transaction.bytes += bytes.length
    if (transaction.rows > Limits.transactionRows) return Doom.refused(Refusal.rowLimit)
  }
  Parking.note(transaction, call, frames)
  return { frames, error: undefined }
})

/** Sends what prepares a statement without running it. */
export const prepare = Effect.fnUntraced(function* (
  member: Member,
  preamble: ReadonlyArray<Buffer>
): Effect.fn.Return<Parking.Outcome, BackendLost> {
  if (preamble.length === 0) return { frames: [], error: undefined }
  const { transaction } = member
  const { begin, skipped } =
    transaction === undefined || transaction.failed ? { begin: [], skipped: 0 } : startOf(member, transaction)
  const reply = yield* Parking.send(member, [...begin, ...preamble, Wire.sync], begin.length + 1)
  return { frames: reply.frames.slice(skipped), error: reply.error }
})

const countOf = (frame: Wire.Frame | undefined): number => (frame === undefined ? 0 : Number(Wire.readRow(frame)[0]))

/** Takes the two counts out of an answer and gives their difference. */
const uncount = (frames: ReadonlyArray<Wire.Frame>): readonly [ReadonlyArray<Wire.Frame>, number] => [
  frames.slice(countFrames, -countFrames),
  countOf(frames.at(-2)) - countOf(frames[1])
]

/** Runs a statement that defines something, and what goes with it. */
export const define = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  prepared: Prepared
): Effect.fn.Return<Parking.Outcome, BackendLost> {
  const refusal = check(member, transaction, prepared)
  if (refusal !== undefined) return Doom.refused(refusal)
  if (prepared.plan._tag !== "Ddl") return { frames: [], error: undefined }
  const { async, drops } = prepared.plan
  const [table] = prepared.tables
  if (drops.length > 0 && table !== undefined) {
    const [row] = yield* member.backend.query(Catalogue.primaryKeyColumn(qualified(table), drops))
    if (row?.[0] !== undefined) {
      return Doom.refused({ sqlstate: "0A000", message: `cannot drop primary key column ${row[0]}` })
    }
  }
  transaction.ddl = true
  const { begin, skipped } = startOf(member, transaction)
  const statement = async?._tag === "Index" && async.unique ? notUnique(prepared.sql) : prepared.sql
  const text = async?._tag === "Validation" ? "SELECT" : statement
  const reply = yield* Parking.send(member, [...begin, Wire.query(text)], begin.length + 1)
  if (reply.error !== undefined) return { frames: [], error: schemaError(reply.error) }
  const frames = reply.frames.slice(skipped)
  if (async === undefined) {
    transaction.journal.push({ _tag: "Script", sql: text })
    return { frames, error: undefined }
  }
  const columns = Wire.rowDescription(["job_id"])
  const notices = frames.filter((frame) => frame[0] === Wire.code.notice)
  const complete = Wire.commandComplete(async._tag === "Index" ? "CREATE INDEX" : "ALTER TABLE")
  // PostgreSQL has nothing else to notice here than an index that exists.
  if (notices.length > 0) return { frames: [...notices, columns, complete], error: undefined }
  const id = Jobs.makeId()
  const submission = Jobs.submit(id, async)
  const submitted = yield* Parking.send(member, [Wire.query(submission)], 1)
  if (submitted.error !== undefined) return { frames: [], error: submitted.error }
  transaction.journal.push({ _tag: "Script", sql: `${text}; ${submission}` })
  transaction.jobs.push(id)
  return { frames: [columns, Wire.dataRow([id]), complete], error: undefined }
})

// `CREATE UNIQUE` are the first two words of the statement: the grammar has no other place for it.
const notUnique = (sql: string): string => {
  const at = sql.toUpperCase().indexOf("UNIQUE")
  return `${sql.slice(0, at)}      ${sql.slice(at + 6)}`
}

/** Two that define one thing at once meet in PostgreSQL's own catalogue. */
const schemaError = (frame: Wire.Frame): Wire.Frame => {
  const error = Wire.readError(frame)
  const isOwn =
    error.message.includes('unique constraint "pg_') ||
    error.message.startsWith("tuple concurrently") ||
    // A table's row type is made before the table is.
    (error.sqlstate === "42710" && error.message.startsWith("type "))
  return isOwn || Parking.isYield(error) || error.sqlstate === "40001" ? Wire.error(Refusal.schemaConflict) : frame
}

/** Ends a transaction without effect. */
export const rollback = Effect.fnUntraced(function* (member: Member, transaction: Transaction) {
  member.transaction = undefined
  if (transaction.started && !transaction.failed) yield* member.backend.exchange([rollbackFrame])
  prune(member.database)
})

/** Ends the work of a transaction that stays open for its client to end. */
export const fail = Effect.fnUntraced(function* (member: Member, transaction: Transaction) {
  if (transaction.failed) return
  transaction.failed = true
  transaction.journal = []
  transaction.snapshot = undefined
  if (transaction.started) yield* member.backend.exchange([rollbackFrame])
  prune(member.database)
})

/** Why no transaction may commit as late as this, or after what happened to the catalogue. */
const expiry = (member: Member, transaction: Transaction): Refusal.Refusal | undefined => {
  const { database } = member
  if (database.now() - transaction.since > Limits.transactionSeconds * 1000) return Refusal.ageLimit
  if (transaction.catalogue === undefined || transaction.catalogue === database.version) return undefined
  member.catalogue = database.version
  return Refusal.schemaConflict
}

/** Why a transaction that changed or locked something may not commit. */
const objection = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction
): Effect.fn.Return<Refusal.Refusal | undefined, BackendLost> {
  const { database } = member
  if (transaction.state === "parked") yield* Parking.restore(member, transaction)
  if (transaction.state === "doomed") return Refusal.dataConflict
  if (transaction.inflates || transaction.bytes > Limits.transactionBytes / 2) {
    const [row] = yield* member.backend.query(Sizes.changedBytes)
    const bytes = Number(row?.[0])
    if (bytes > Limits.transactionBytes) return Refusal.sizeLimit(bytes)
  }
  const { snapshot } = transaction
  const locks = database.records
    .filter((record) => snapshot !== undefined && record.sequence > snapshot)
    .flatMap((record) => record.locks)
  if (locks.length > 0 && (yield* database.judge(member, locks))) return Refusal.dataConflict
  return undefined
})

/** Commits; an error is what the client gets in place of success. */
export const commit = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction
): Effect.fn.Return<Wire.Frame | undefined, BackendLost> {
  const { database } = member
  if (!transaction.started) {
    member.transaction = undefined
    return undefined
  }
  const changes = transaction.journal.length > 0
  const refusal = expiry(member, transaction) ?? (changes ? yield* objection(member, transaction) : undefined)
  if (refusal !== undefined) {
    yield* rollback(member, transaction)
    return Wire.error(refusal)
  }
  const record = transaction.locks && isShared(member) ? yield* Locks.of(member, transaction) : undefined
  if (record !== undefined) database.records.push(record)
  const reply = yield* Effect.onError(Parking.send(member, [commitFrame], 1), () =>
    // Whether it took effect nobody knows any more: the others take it that it did.
    Effect.sync(() => {
      database.sequence++
      for (const table of transaction.removes) database.removals.set(table, database.sequence)
      if (record !== undefined) record.sequence = database.sequence
    })
  )
  member.transaction = undefined
  if (reply.error !== undefined || reply.tag !== "COMMIT") {
    database.records = database.records.filter((each) => each !== record)
    // Nothing but a statement of the emulator's own can have failed without the client's knowledge.
    if (reply.error === undefined) return Wire.error(Refusal.unavailable)
    const error = Wire.readError(reply.error)
    return error.sqlstate === "40001" || Parking.isYield(error) ? Wire.error(Refusal.dataConflict) : reply.error
  }
  if (changes) database.sequence++
  for (const table of transaction.removes) database.removals.set(table, database.sequence)
  if (record !== undefined) record.sequence = database.sequence
  if (transaction.ddl) {
    database.version++
    member.catalogue = database.version
  }
  prune(database)
  if (transaction.jobs.length > 0) yield* database.work(transaction.jobs)
  return undefined
})

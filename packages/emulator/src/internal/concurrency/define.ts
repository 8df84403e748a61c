/**
 * Running a statement that defines something, with the job that it submits.
 */
import * as Effect from "effect/Effect"
import * as Jobs from "../database/jobs.ts"
import * as Catalogue from "../database/catalogue.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Async } from "../statement/plan.ts"
import type { Prepared } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"
import { qualified } from "../statement/tables.ts"
import * as Begin from "./begin.ts"
import * as Outcome from "./outcome.ts"
import * as Parking from "./parking.ts"
import type { Member } from "./state.ts"
import type { Transaction } from "./transaction.ts"

/** Runs a statement that defines something, and submits its job if it has one. */
export const define = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  prepared: Prepared
): Effect.fn.Return<Outcome.Outcome, BackendLost> {
  const refusal = Begin.objection(member, transaction, prepared) ?? (yield* dependence(member, prepared))
  if (refusal !== undefined) return Outcome.failure(refusal)
  if (prepared.plan._tag !== "Ddl") return Outcome.success([])
  transaction.mix = "ddl"
  const { async, instead = prepared.sql, tag } = prepared.plan
  const text = textOf(instead, async)
  const { error, to } = yield* Parking.sendAll(member, {
    begin: Begin.batch(member, transaction),
    own: [ClientMessage.query(text)]
  })
  if (error !== undefined) return { frames: [], error: schemaError(member, error) }
  if (async !== undefined) return yield* submit(member, transaction, text, async, to.own.frames)
  transaction.journal.push({ _tag: "Script", sql: text })
  return Outcome.success(tag === undefined ? to.own.frames : [ServerMessage.commandComplete(tag)])
})

/** Why something may not be dropped: a part of a primary key, or all of it, and a role that an identity is mapped to. */
const dependence = Effect.fnUntraced(function* (
  member: Member,
  { plan, tables: [table] }: Prepared
): Effect.fn.Return<Refusal.Refusal | undefined, BackendLost> {
  if (plan._tag !== "Ddl") return undefined
  if (plan.removes.length > 0) {
    const [row] = yield* member.backend.query(Catalogue.mappedRole(plan.removes))
    const role = row?.[0]
    if (role !== undefined && role !== null) {
      return { sqlstate: "2BP01", message: `role "${role}" cannot be dropped because some objects depend on it` }
    }
  }
  if (table === undefined) return undefined
  if (plan.drops.length > 0) {
    const [row] = yield* member.backend.query(Catalogue.primaryKeyColumn(qualified(table), plan.drops))
    const column = row?.[0]
    if (column !== undefined && column !== null)
      return { sqlstate: "0A000", message: `cannot drop primary key column ${column}` }
  }
  if (plan.unties.length === 0) return undefined
  const [row] = yield* member.backend.query(Catalogue.primaryKeyConstraint(qualified(table), plan.unties))
  return row === undefined
    ? undefined
    : { sqlstate: "0A000", message: "unsupported ALTER TABLE DROP CONSTRAINT statement" }
})

/** What PostgreSQL does at once: its job checks whether an index is unique, and validates a constraint. */
const textOf = (sql: string, async: Async | undefined): string => {
  if (async?._tag === "Validation") return "SELECT"
  return async?._tag === "Index" && async.unique ? notUnique(sql) : sql
}

// `CREATE UNIQUE` are the first two words of the statement: the grammar has no other place for it.
const notUnique = (sql: string): string => {
  const at = sql.toUpperCase().indexOf("UNIQUE")
  return `${sql.slice(0, at)}      ${sql.slice(at + 6)}`
}

const submit = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  text: string,
  async: Async,
  frames: ReadonlyArray<Frame.Frame>
): Effect.fn.Return<Outcome.Outcome, BackendLost> {
  const columns = ServerMessage.rowDescription(["job_id"])
  const complete = ServerMessage.commandComplete(async._tag === "Index" ? "CREATE INDEX" : "ALTER TABLE")
  const notices = frames.filter((frame) => frame[0] === Frame.code.notice)
  // PostgreSQL has nothing else to notice here than an index that exists.
  if (notices.length > 0) return Outcome.success([...notices, columns, complete])
  const id = Jobs.makeId()
  const submission = Jobs.submit(id, async)
  const submitted = yield* Parking.send(member, [ClientMessage.query(submission)])
  if (submitted.error !== undefined) return { frames: [], error: submitted.error }
  transaction.journal.push({ _tag: "Script", sql: `${text}; ${submission}` })
  transaction.jobs.push(id)
  return Outcome.success([columns, ServerMessage.dataRow([id]), complete])
})

/** Two that define one thing at once meet in PostgreSQL's own catalogue. */
const schemaError = (member: Member, frame: Frame.Frame): Frame.Frame => {
  const error = ServerMessage.readError(frame)
  const isOwn =
    error.message.includes('unique constraint "pg_') ||
    error.message.startsWith("tuple concurrently") ||
    // A table's row type is made before the table is.
    (error.sqlstate === "42710" && error.message.startsWith("type "))
  return isOwn || Parking.isYield(member, error) || error.sqlstate === "40001"
    ? ServerMessage.error(Refusal.schemaConflict)
    : frame
}

/**
 * How a transaction begins: whether a statement may run where it stands, and what tells PostgreSQL of it.
 */
import { Limits } from "@effect-dsql/dialect"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Batch } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import type { Prepared } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"
import { savepoint } from "./parking.ts"
import type { Member } from "./state.ts"
import { enter, isFailed, type Transaction } from "./transaction.ts"

// PostgreSQL takes a snapshot with the first statement that may need one. This is the cheapest, and there is no cursor yet.
const take = "CLOSE ALL"
const batches = {
  statement: [ClientMessage.query("BEGIN ISOLATION LEVEL REPEATABLE READ")],
  readWrite: [ClientMessage.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SAVEPOINT ${savepoint}; ${take}`)],
  readOnly: [ClientMessage.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SAVEPOINT ${savepoint}; ${take}`)]
}

/** What begins a transaction, unless it has begun. */
export const batch = (member: Member, transaction: Transaction): Batch | undefined => {
  if (transaction.phase._tag !== "Unbegun") return undefined
  enter(transaction, { _tag: "Begun", snapshot: member.database.sequence })
  if (transaction.span === "statement") return batches.statement
  return transaction.readOnly ? batches.readOnly : batches.readWrite
}

/**
 * Asks for the snapshot of a client's transaction, unless it has one. Nobody waits for it but who commits: whoever is
 * told of BEGIN sees no later commit.
 */
export const snapshot = (member: Member): void => {
  const { backend, database, transaction } = member
  const begin = transaction?.span === "block" ? batch(member, transaction) : undefined
  if (begin === undefined) return
  const opened = Deferred.makeUnsafe<void>()
  database.opening.add(opened)
  backend.post(begin, () => {
    database.opening.delete(opened)
    Deferred.doneUnsafe(opened, Effect.void)
  })
}

/** Waits until those who were told of BEGIN have their snapshots, before something is committed that they must not see. */
export const opened = ({ database: { opening } }: Member): Effect.Effect<void> =>
  opening.size === 0 ? Effect.void : Effect.forEach([...opening], Deferred.await, { discard: true })

/** A session finds out that its catalogue is old when it next looks something up in it, once for each change. */
export const isStale = (member: Member, prepared: Prepared): Refusal.Refusal | undefined => {
  if (prepared.tables.length === 0 && prepared.plan._tag !== "Ddl") return undefined
  const known = member.catalogue
  member.catalogue = member.database.version
  return known === undefined || known === member.database.version ? undefined : Refusal.schemaConflict
}

/** Whether a transaction is older than the service lets it be. */
export const isTooOld = (member: Member, transaction: Transaction): boolean =>
  member.database.now() - transaction.since > Limits.transactionSeconds * 1000

/** Why a statement may not run where the transaction stands. */
export const objection = (
  member: Member,
  transaction: Transaction,
  prepared: Prepared
): Refusal.Refusal | undefined => {
  if (isFailed(transaction)) return Refusal.aborted
  if (isTooOld(member, transaction)) return Refusal.ageLimit
  const isDdl = prepared.plan._tag === "Ddl"
  const isDml = prepared.plan._tag === "Plain" && prepared.plan.effects === "write"
  if (isDdl && transaction.mix === "ddl") return Refusal.manyDdl
  if ((isDdl && transaction.mix === "dml") || (isDml && transaction.mix === "ddl")) return Refusal.ddlAndDml
  if (transaction.catalogue !== undefined) return undefined
  const stale = isStale(member, prepared)
  transaction.catalogue = member.database.version
  return stale
}

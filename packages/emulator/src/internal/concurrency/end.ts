/**
 * How a transaction ends: COMMIT with all that may stand against it, ROLLBACK, or an error that its client has to answer.
 */
import { Limits } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import * as Sizes from "../database/sizes.ts"
import type { Answer, BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import { code, type Frame } from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import * as Refusal from "../statement/refusal.ts"
import * as Begin from "./begin.ts"
import * as Locks from "./locks.ts"
import * as Parking from "./parking.ts"
import { snapshotOf } from "./phase.ts"
import { isShared, type LockRecord, type Member, prune } from "./state.ts"
import { enter, isFailed, type Transaction } from "./transaction.ts"
import * as Witness from "./witness.ts"

const commitRequest = [ClientMessage.query("COMMIT")]
const idsRequest = [
  ClientMessage.query("SELECT unnest(pg_catalog.dsql_emulator_transaction_ids(pg_catalog.pg_backend_pid()))")
]
const rollbackRequest = [ClientMessage.query("ROLLBACK")]

/** Lets PostgreSQL forget a transaction, if it knows it. */
const abandon = (member: Member, transaction: Transaction): Effect.Effect<void, BackendLost> =>
  transaction.phase._tag === "Unbegun" || isFailed(transaction)
    ? Effect.void
    : Effect.asVoid(member.backend.exchange(rollbackRequest))

/** Ends a transaction without effect. */
export const rollback = Effect.fnUntraced(function* (member: Member, transaction: Transaction) {
  member.transaction = undefined
  yield* abandon(member, transaction)
  prune(member.database)
})

/** Ends the work of a transaction that stays open for its client to end. */
export const fail = Effect.fnUntraced(function* (member: Member, transaction: Transaction) {
  const abandoned = abandon(member, transaction)
  enter(transaction, { _tag: "Failed" })
  transaction.journal = []
  yield* abandoned
  prune(member.database)
})

/** Why no transaction may commit as late as this, or after what happened to the catalogue. */
const expiry = (member: Member, transaction: Transaction): Refusal.Refusal | undefined => {
  const { database } = member
  if (Begin.isTooOld(member, transaction)) return Refusal.ageLimit
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
  yield* Parking.restore(member, transaction)
  if (transaction.phase._tag === "Doomed") {
    return yield* Witness.conflict(member, { transaction, call: transaction.beaten })
  }
  if (transaction.inflates || transaction.bytes > Limits.transactionBytes / 2) {
    const [row] = yield* member.backend.query(Sizes.changedBytes)
    const bytes = Number(row?.[0])
    if (bytes > Limits.transactionBytes) return Refusal.sizeLimit(bytes)
  }
  const snapshot = snapshotOf(transaction.phase) ?? Infinity
  const records = database.records.filter(({ sequence }) => sequence > snapshot)
  if (records.length === 0) return undefined
  const locks = records.flatMap(({ locks }) => locks)
  const lock = yield* Locks.broken(member, transaction, locks)
  if (lock === undefined) return undefined
  const sequence = records.find(({ locks }) => locks.includes(lock))?.sequence ?? Infinity
  return yield* Witness.conflict(member, { transaction, call: undefined, lock: { ...lock, sequence } })
})

/** The ids of a transaction, that of its base savepoint included. */
const idsOf = ({ frames }: Answer): ReadonlyArray<string> =>
  frames.flatMap((frame) => (frame[0] === code.dataRow ? (ServerMessage.readRow(frame)[0] ?? []) : []))

/** Makes known what a commit took out of tables and had locked. */
const publish = (member: Member, transaction: Transaction, record: LockRecord | undefined): void => {
  const { database } = member
  for (const table of transaction.removes) database.removals.set(table, database.sequence)
  if (record !== undefined) record.sequence = database.sequence
}

/** Commits; an error is what the client gets in place of success. */
export const commit = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction
): Effect.fn.Return<Frame | undefined, BackendLost> {
  const { database } = member
  if (transaction.phase._tag === "Unbegun") {
    member.transaction = undefined
    return undefined
  }
  const changes = transaction.journal.length > 0
  const refusal = expiry(member, transaction) ?? (changes ? yield* objection(member, transaction) : undefined)
  if (refusal !== undefined) {
    yield* rollback(member, transaction)
    return ServerMessage.error(refusal)
  }
  const record = isShared(member) ? yield* Locks.of(member, transaction) : undefined
  if (record !== undefined) database.records.push(record)
  const isHidden = changes && member.witness?.isHidden() === true
  if (changes) yield* Begin.opened(member)
  const sent = Parking.sendAll(member, { ids: isHidden ? idsRequest : undefined, own: commitRequest })
  const { to } = yield* Effect.onError(sent, () =>
    // Whether it took effect nobody knows any more: the others take it that it did.
    Effect.sync(() => {
      database.sequence++
      publish(member, transaction, record)
    })
  )
  member.transaction = undefined
  const answer = to.own
  if (to.ids !== undefined) member.witness?.identified(idsOf(to.ids))
  if (answer.error !== undefined || answer.tag !== "COMMIT") {
    database.records = database.records.filter((each) => each !== record)
    // Nothing but a statement of the emulator's own can have failed without the client's knowledge.
    if (answer.error === undefined) return ServerMessage.error(Refusal.unavailable)
    const error = ServerMessage.readError(answer.error)
    const lost = error.sqlstate === "40001" || Parking.isYield(member, error)
    if (!lost) return answer.error
    return ServerMessage.error(yield* Witness.conflict(member, { transaction, call: undefined }))
  }
  if (changes) {
    database.sequence++
    member.witness?.committed(database.sequence, transaction.rows)
  }
  publish(member, transaction, record)
  if (transaction.mix === "ddl") {
    database.version++
    member.catalogue = database.version
  }
  prune(database)
  if (transaction.jobs.length > 0) yield* database.work(transaction.jobs)
  return undefined
})

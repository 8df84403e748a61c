/**
 * Running a client's statement in its transaction, and what optimistic concurrency makes of the answer.
 */
import { Limits } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import * as Sizes from "../database/sizes.ts"
import type { Answer, BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Prepared } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"
import * as Begin from "./begin.ts"
import * as Doom from "./doom.ts"
import * as Keys from "./keys.ts"
import * as Locks from "./locks.ts"
import * as Outcome from "./outcome.ts"
import * as Parking from "./parking.ts"
import type { Member, References } from "./state.ts"
import { type Call, isFailed, type Transaction } from "./transaction.ts"

const changedRows = [ClientMessage.query(Sizes.changedRows)]

/** Sends what prepares a statement without running it. */
export const prepare = Effect.fnUntraced(function* (
  member: Member,
  preamble: ReadonlyArray<Buffer>
): Effect.fn.Return<Outcome.Outcome, BackendLost> {
  if (preamble.length === 0) return Outcome.success([])
  const { transaction } = member
  const { error, to } = yield* Parking.sendAll(member, {
    begin: transaction === undefined || isFailed(transaction) ? undefined : Begin.batch(member, transaction),
    preamble: [...preamble, ClientMessage.sync]
  })
  return { frames: to.preamble.frames, error }
})

/** Runs a client's statement; `preamble` is what the client sent to prepare it, `execution` what makes it run. */
export const run = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>
): Effect.fn.Return<Outcome.Outcome, BackendLost> {
  const { plan } = call.prepared
  const refusal = Begin.objection(member, transaction, call.prepared)
  if (refusal !== undefined) return Outcome.failure(refusal)
  if (plan._tag !== "Plain") return Outcome.success([])
  yield* Parking.restore(member, transaction)
  if (plan.effects === "write") transaction.mix = "dml"

  if (transaction.phase._tag === "Doomed") {
    const prepared = yield* prepare(member, preamble)
    if (prepared.error !== undefined) return prepared
    const outcome = yield* Doom.run(member, transaction, call)
    return { frames: [...prepared.frames, ...outcome.frames], error: outcome.error }
  }

  const references = plan.effects === "write" ? yield* Keys.referencesOf(member) : undefined
  const counts = plan.compound || (plan.bound === Infinity && isIn(call.prepared, references?.acting))
  // A foreign key ties it to rows that nobody names.
  if (isIn(call.prepared, references?.children)) transaction.locks = "hidden"
  if (references !== undefined) Keys.noteKeys(transaction, call.prepared, references)
  const count = counts ? changedRows : undefined
  const { error, to } = yield* Parking.sendAll(member, {
    begin: Begin.batch(member, transaction),
    before: count,
    own: [...preamble, ...execution],
    after: count
  })
  if (error !== undefined) {
    const cause = ServerMessage.readError(error)
    const suspect = yield* Doom.suspicion(member, transaction, call, to.own, cause)
    return suspect ?? { frames: to.own.frames, error }
  }
  if (yield* Keys.hasGhosts(member, transaction)) return yield* Doom.doom(member, transaction, call, to.own.frames)
  if (plan.effects === "write") {
    transaction.rows += counts ? countOf(to.after) - countOf(to.before) : ServerMessage.rowsOf(to.own.tag ?? "")
    transaction.inflates ||= plan.inflates
    for (const bytes of [...preamble, ...execution]) transaction.bytes += bytes.length
    if (transaction.rows > Limits.transactionRows) return Outcome.failure(Refusal.rowLimit)
  }
  if (plan.locks) Locks.note(transaction, call, to.own.tag, yield* Keys.referencesOf(member))
  Parking.note(transaction, call, to.own.frames)
  return Outcome.success(to.own.frames)
})

const isIn = ({ tables }: Prepared, names: References["acting"] | undefined): boolean =>
  tables.some(({ name }) => names?.has(name) === true)

/** The one number that an answer holds. */
const countOf = (answer: Answer | undefined): number => {
  const row = answer?.frames.find((frame) => frame[0] === Frame.code.dataRow)
  return row === undefined ? 0 : Number(ServerMessage.readRow(row)[0])
}

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
import * as Drawing from "./drawing.ts"
import * as Keys from "./keys.ts"
import * as Locks from "./locks.ts"
import * as Outcome from "./outcome.ts"
import * as Parking from "./parking.ts"
import type { Member, References } from "./state.ts"
import { type Call, isFailed, type Transaction } from "./transaction.ts"

const changedRows = ClientMessage.aside(Sizes.changedRows)

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
  asked: Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>
): Effect.fn.Return<Outcome.Outcome, BackendLost> {
  const { plan } = asked.prepared
  const refusal = Begin.objection(member, transaction, asked.prepared)
  if (refusal !== undefined) return Outcome.failure(refusal)
  if (plan._tag !== "Plain") return Outcome.success([])
  yield* Parking.restore(member, transaction)
  const writes = plan.effects === "write"
  if (writes) transaction.mix = "dml"

  const references = yield* Keys.referencesOf(member)
  const acts = Keys.mayAct(asked.prepared, references)
  const changes = acts || plan.effects !== "read"
  const call = changes && Keys.mayDraw(asked.prepared, references) ? { ...asked, draws: true } : asked
  if (transaction.phase._tag === "Doomed") {
    const prepared = yield* prepare(member, preamble)
    if (prepared.error !== undefined) return prepared
    const outcome = yield* Doom.run(member, transaction, call)
    return { frames: [...prepared.frames, ...outcome.frames], error: outcome.error }
  }

  const counts = plan.compound || acts || (writes && plan.bound === Infinity && isIn(call.prepared, references.acting))
  // A foreign key ties it to rows that nobody names.
  if (writes && isIn(call.prepared, references.children)) transaction.locks = "hidden"
  if (writes) Keys.noteKeys(transaction, call.prepared, references)
  const count = counts ? changedRows : undefined
  const { start, stop } = Drawing.around(transaction.span === "statement" ? "free" : Drawing.first(call))
  const { error, to } = yield* Parking.sendAll(member, {
    begin: Begin.batch(member, transaction),
    before: count,
    start,
    own: [...preamble, ...execution],
    stop,
    after: count
  })
  const { drawn, frames } = Drawing.separate(to.own.frames)
  const answer: Answer = { ...to.own, frames }
  if (error !== undefined) {
    const cause = ServerMessage.readError(error)
    const suspect = yield* Doom.suspicion(member, transaction, call, answer, cause)
    if (suspect !== undefined && transaction.phase._tag === "Live") {
      // It went through the second time.
      if (acts) noteActs(transaction)
      if (changes) Locks.noteAny(transaction)
      if (writes) transaction.rows += rowsOf(suspect.frames)
    }
    return suspect ?? { frames, error }
  }
  const [before, after] = [countOf(to.before), countOf(to.after)]
  const rows = counts ? after.rows - before.rows : writes ? rowsOf(frames) : 0
  if (acts && after.touched) noteActs(transaction)
  if (yield* Keys.isTorn(member, transaction)) return yield* Doom.doom(member, transaction, call, frames)
  if (rows > 0 && transaction.mix === "ddl") return Outcome.failure(Refusal.ddlAndDml)
  if (writes || rows > 0) {
    transaction.mix = "dml"
    transaction.rows += rows
    transaction.inflates ||= plan.inflates || acts
    for (const bytes of [...preamble, ...execution]) transaction.bytes += bytes.length
    if (transaction.rows > Limits.transactionRows) return Outcome.failure(Refusal.rowLimit)
  }
  if (writes && rows > 0) Locks.noteWrite(transaction, call, references)
  if (plan.locks) Locks.note(transaction, call, answer.tag, references)
  if (plan.effects !== "read" || (acts && after.touched)) Parking.note(transaction, call, frames, drawn)
  return Outcome.success(frames)
})

/** It may have locked any rows, and changed the keys of any table. */
const noteActs = (transaction: Transaction): void => {
  Locks.noteAny(transaction)
  Keys.noteActs(transaction)
}

/** The rows that a write says it has changed. */
const rowsOf = (frames: ReadonlyArray<Frame.Frame>): number => {
  const complete = frames.findLast((frame) => frame[0] === Frame.code.commandComplete)
  return complete === undefined ? 0 : ServerMessage.rowsOf(ServerMessage.readTag(complete))
}

const isIn = ({ tables }: Prepared, names: References["acting"]): boolean => tables.some(({ name }) => names.has(name))

/** The rows that were changed so far, and whether any was changed or locked. */
const countOf = (answer: Answer | undefined): { readonly rows: number; readonly touched: boolean } => {
  const row = answer?.frames.find((frame) => frame[0] === Frame.code.dataRow)
  const [rows, touched] = row === undefined ? [] : ServerMessage.readRow(row)
  return { rows: Number(rows ?? 0), touched: touched === "t" }
}

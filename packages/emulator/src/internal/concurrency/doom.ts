/**
 * A doomed transaction: somebody else committed first what it wrote or locked.
 *
 * Aurora DSQL says so at COMMIT and answers from the snapshot until then.
 * PostgreSQL says so at the statement. So the transaction goes on over private
 * copies of what it changes, made from its snapshot, in which it repeats what it
 * had done; none of it can ever be committed.
 */
import * as Effect from "effect/Effect"
import type { Answer, BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import type { Frame } from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import { unqualified } from "../statement/tables.ts"
import * as Copies from "./copies.ts"
import * as Drawing from "./drawing.ts"
import * as Keys from "./keys.ts"
import * as Outcome from "./outcome.ts"
import * as Parking from "./parking.ts"
import { snapshotOf } from "./phase.ts"
import type { Member } from "./state.ts"
import { type Call, enter, type Transaction } from "./transaction.ts"
import * as Witness from "./witness.ts"

/** Whether an error may come from a commit that the transaction cannot see. */
const isSuspect = (sqlstate: string): boolean =>
  sqlstate === "40001" || sqlstate === "23505" || sqlstate === "23503" || sqlstate === "23P01"

/** Runs a call in what private copies there are. */
const rerun = (member: Member, transaction: Transaction, call: Call, drawing: Drawing.Drawing) => {
  const copies = Copies.of(transaction)
  const copied = call.prepared.tables.filter(({ name }) => copies?.has(name) === true)
  return Parking.rerun(member, call, unqualified(call.prepared.sql, copied), drawing)
}

/** Whether a call is to be done again where the transaction is brought back. */
const lasts = ({ draws, prepared: { plan } }: Call): boolean =>
  plan._tag === "Plain" && (plan.effects !== "read" || draws === true)

/** Whether a call comes to tables that it does not name: no copy stands before those. */
const reachesThrough = ({ database: { references } }: Member, { prepared }: Call): boolean =>
  Keys.mayAct(prepared, references) || prepared.writes.some(({ table }) => !references.unique.has(table))

/** Makes the private copies that a statement needs and, the first time, does in them what had been done. */
const copy = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call
): Effect.fn.Return<Frame | undefined, BackendLost> {
  const { phase } = transaction
  if (phase._tag !== "Doomed") return undefined
  const done = transaction.journal.flatMap((entry) => (entry._tag === "Call" ? [entry] : []))
  const again = phase.copies === undefined ? done : []
  const calls = [...again.map((entry) => entry.call), call]
  const wanted = Copies.wanted(calls, phase.copies ?? new Set(), member.database.references)
  if (wanted.requests.length > 0) {
    const answer = yield* Parking.send(member, [ClientMessage.query(wanted.requests.join("; "))])
    if (answer.error !== undefined) return answer.error
  }
  enter(transaction, { _tag: "Copied", tables: wanted.marks })
  for (const each of again) {
    const answer = yield* rerun(member, transaction, each.call, Drawing.again(each.drawn))
    if (answer.error !== undefined) return answer.error
  }
  return undefined
})

/** Runs a statement in private copies. */
export const run = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call
): Effect.fn.Return<Outcome.Outcome, BackendLost> {
  while (true) {
    const problem = yield* copy(member, transaction, call)
    const answer =
      problem === undefined
        ? yield* rerun(member, transaction, call, Drawing.first(call))
        : { frames: [], error: problem, drawn: [] }
    if (answer.error === undefined) {
      if (lasts(call)) Parking.note(transaction, call, answer.frames, answer.drawn)
      return Outcome.success(answer.frames)
    }
    const error = ServerMessage.readError(answer.error)
    if (!Parking.isYield(member, error)) {
      // A copy that cannot be made, or a function that comes to the tables themselves, leaves one honest answer.
      const isOthers = error.sqlstate === "40001" || (isSuspect(error.sqlstate) && reachesThrough(member, call))
      return problem === undefined && !isOthers
        ? { frames: answer.frames, error: answer.error }
        : Outcome.failure(yield* Witness.conflict(member, { transaction, call: transaction.beaten ?? call }))
    }
    yield* Parking.yieldTurn(member, transaction)
  }
})

/** What was answered before a statement ran, to the messages that prepared it; a simple query has none. */
const preparation = ({ bound }: Call, frames: ReadonlyArray<Frame>): ReadonlyArray<Frame> =>
  bound === undefined ? [] : frames.filter((frame) => !ServerMessage.answersExecute(frame))

/** What an error comes to that may be another's commit, or another's turn; undefined if it is the statement's own. */
export const suspicion = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call,
  answer: Answer,
  error: ServerMessage.ServerError
): Effect.fn.Return<Outcome.Outcome | undefined, BackendLost> {
  const yields = Parking.isYield(member, error)
  const conflicts = yields || error.sqlstate === "40001"
  if (!conflicts && !isSuspect(error.sqlstate)) return undefined
  // Nobody has committed whom it cannot see.
  if (!conflicts && member.database.sequence === snapshotOf(transaction.phase)) return undefined
  if (transaction.span !== "block") {
    return conflicts ? Outcome.failure(yield* Witness.conflict(member, { transaction, call })) : undefined
  }
  yield* Parking.rollToBase(member, transaction)
  const detour = conflicts && !yields && skips(call)
  const second = yields || detour ? yield* retry(member, transaction, { ...call, detour }, answer.frames) : undefined
  return second ?? (yield* runBeaten(member, transaction, call, answer.frames))
})

const skips = ({ prepared: { plan } }: Call): boolean => plan._tag === "Plain" && plan.skips

/** Runs a statement again until it need not yield; gives nothing if the transaction turns out to be beaten. */
const retry = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call,
  frames: ReadonlyArray<Frame>
): Effect.fn.Return<Outcome.Outcome | undefined, BackendLost> {
  while (true) {
    if (call.detour !== true) yield* Effect.sleep(3)
    yield* Parking.restore(member, transaction)
    if (transaction.phase._tag === "Doomed") return undefined
    const answer = yield* Parking.redo(member, call, Drawing.first(call))
    if (answer.error === undefined) {
      if (lasts(call)) Parking.note(transaction, call, answer.frames, answer.drawn)
      return Outcome.success([...preparation(call, frames), ...answer.frames])
    }
    const cause = ServerMessage.readError(answer.error)
    yield* Parking.rollToBase(member, transaction)
    if (Parking.isYield(member, cause)) continue
    return isSuspect(cause.sqlstate) ? undefined : { frames: [], error: answer.error }
  }
})

const runBeaten = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call,
  frames: ReadonlyArray<Frame>
): Effect.fn.Return<Outcome.Outcome, BackendLost> {
  enter(transaction, { _tag: "Beaten" })
  transaction.beaten = call
  const outcome = yield* run(member, transaction, call)
  return {
    frames: [...preparation(call, frames), ...outcome.frames],
    error: outcome.error
  }
})

/** Takes back a statement that PostgreSQL let pass and that the snapshot does not. */
export const doom = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call,
  frames: ReadonlyArray<Frame>
): Effect.fn.Return<Outcome.Outcome, BackendLost> {
  if (transaction.span !== "block") return Outcome.failure(yield* Witness.conflict(member, { transaction, call }))
  yield* Parking.rollToBase(member, transaction)
  const second = skips(call) ? yield* retry(member, transaction, { ...call, detour: true }, frames) : undefined
  return second ?? (yield* runBeaten(member, transaction, call, frames))
})

/**
 * A doomed transaction: somebody else committed first what it wrote or locked.
 *
 * Aurora DSQL says so at COMMIT and answers from the snapshot until then.
 * PostgreSQL says so at the statement. So the transaction goes on over private
 * copies of its tables, made from its snapshot, in which it repeats what it had
 * done; none of it can ever be committed.
 */
import * as Effect from "effect/Effect"
import type { BackendLost, Reply } from "../postgres/backend.ts"
import * as Shadows from "../database/shadows.ts"
import * as Parking from "./parking.ts"
import * as Refusal from "../statement/refusal.ts"
import type { Call, Member, Transaction } from "./state.ts"
import { qualified, unqualified } from "../statement/tables.ts"
import * as Wire from "../protocol/wire.ts"

/** Whether an error may come from a commit that the transaction cannot see. */
const isSuspect = (sqlstate: string): boolean =>
  sqlstate === "40001" || sqlstate === "23505" || sqlstate === "23503" || sqlstate === "23P01"

export const refused = (refusal: Refusal.Refusal): Parking.Outcome => ({ frames: [], error: Wire.error(refusal) })

/** Makes the private copies that a statement needs and, the first time, does in them what had been done. */
const shadow = Effect.fnUntraced(function* (member: Member, transaction: Transaction, call: Call) {
  const fresh = transaction.shadow === undefined
  const known = (transaction.shadow ??= new Set())
  const calls = transaction.journal.flatMap((entry) => (entry._tag === "Call" ? [entry.call] : []))
  const names = new Set([...(fresh ? calls : []), call].flatMap((each) => each.prepared.tables.map(qualified)))
  const missing = [...names].filter((name) => !known.has(name))
  if (missing.length > 0) {
    const reply = yield* Parking.send(member, [Wire.query(Shadows.copy(missing))], 1)
    if (reply.error !== undefined) return reply.error
    for (const name of missing) known.add(name)
  }
  if (!fresh) return undefined
  for (const each of calls) {
    const reply = yield* Parking.rerun(member, each, unqualified(each.prepared.sql, each.prepared.tables))
    if (reply.error !== undefined) return reply.error
  }
  return undefined
})

export const runDoomed = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call
): Effect.fn.Return<Parking.Outcome, BackendLost> {
  while (true) {
    const problem = yield* shadow(member, transaction, call)
    const reply =
      problem === undefined
        ? yield* Parking.rerun(member, call, unqualified(call.prepared.sql, call.prepared.tables))
        : { frames: [], error: problem, tag: undefined }
    if (reply.error !== undefined) {
      const error = Wire.readError(reply.error)
      if (Parking.isYield(error)) {
        yield* Parking.yieldTurn(member, transaction)
        continue
      }
      // A copy that cannot be made leaves one honest answer.
      if (problem !== undefined) return { frames: [], error: Wire.error(Refusal.dataConflict) }
      return { frames: reply.frames, error: reply.error }
    }
    Parking.note(transaction, call, reply.frames)
    return { frames: reply.frames, error: undefined }
  }
})

/** What an error comes to that may be another's commit, or another's turn; undefined if it is the statement's own. */
export const suspicion = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call,
  reply: Reply
): Effect.fn.Return<Parking.Outcome | undefined, BackendLost> {
  const error = Wire.readError(reply.error ?? Wire.error(Refusal.unavailable))
  const yields = Parking.isYield(error)
  if (!yields && !isSuspect(error.sqlstate)) return undefined
  if (!yields && error.sqlstate !== "40001" && member.database.sequence === transaction.snapshot) return undefined
  if (!transaction.explicit) return yields || error.sqlstate === "40001" ? refused(Refusal.dataConflict) : undefined
  const preamble = reply.frames.filter((frame) => !Parking.isResult(frame))
  yield* Parking.toBaseOf(member, transaction)
  if (yields) {
    while (true) {
      yield* Effect.sleep(3)
      yield* Parking.restore(member, transaction)
      if (transaction.state === "doomed") break
      const second = yield* Parking.rerun(member, call, call.prepared.sql)
      if (second.error === undefined) {
        Parking.note(transaction, call, second.frames)
        return { frames: [...preamble, ...second.frames], error: undefined }
      }
      const cause = Wire.readError(second.error)
      yield* Parking.toBaseOf(member, transaction)
      if (!Parking.isYield(cause)) {
        if (!isSuspect(cause.sqlstate)) return { frames: [], error: second.error }
        break
      }
    }
  }
  return yield* runAsDoomed(member, transaction, call, preamble)
})

const runAsDoomed = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call,
  preamble: ReadonlyArray<Wire.Frame>
): Effect.fn.Return<Parking.Outcome, BackendLost> {
  transaction.state = "doomed"
  const outcome = yield* runDoomed(member, transaction, call)
  return {
    frames: [...(call.bound === undefined ? [] : preamble), ...outcome.frames],
    error: outcome.error
  }
})

/** Takes back a statement that PostgreSQL let pass and that the snapshot does not. */
export const doom = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction,
  call: Call,
  frames: ReadonlyArray<Wire.Frame>
): Effect.fn.Return<Parking.Outcome, BackendLost> {
  if (!transaction.explicit) return refused(Refusal.dataConflict)
  yield* Parking.toBaseOf(member, transaction)
  return yield* runAsDoomed(
    member,
    transaction,
    call,
    frames.filter((frame) => !Parking.isResult(frame))
  )
})

/**
 * A statement that is a transaction by itself.
 */
import { Limits } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { Fault } from "../../Faults.ts"
import { isStale } from "../concurrency/begin.ts"
import * as End from "../concurrency/end.ts"
import * as Keys from "../concurrency/keys.ts"
import * as Outcome from "../concurrency/outcome.ts"
import * as Parking from "../concurrency/parking.ts"
import { run } from "../concurrency/run.ts"
import { isShared } from "../concurrency/state.ts"
import * as Transaction from "../concurrency/transaction.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import * as Witness from "../concurrency/witness.ts"
import type { Prepared } from "../statement/prepared.ts"
import { commit } from "./block.ts"
import type { Client } from "./client.ts"
import { due } from "./due.ts"
import { aftermath, type Cut, strike } from "./injection.ts"

/** An answer without the word that its statement is complete. */
const incomplete = (frames: ReadonlyArray<Frame.Frame>): ReadonlyArray<Frame.Frame> =>
  frames.filter((frame) => frame[0] !== Frame.code.commandComplete)

/** A statement in a transaction of its own, which only shows where rows have to be counted or locks remembered. */
const counted = Effect.fnUntraced(function* (
  client: Client,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  decide: () => Fault | undefined
): Effect.fn.Return<Outcome.Outcome, BackendLost | Cut> {
  const transaction = Transaction.make(client.database.now(), "statement")
  client.transaction = transaction
  const outcome = yield* run(client, transaction, call, preamble, execution)
  if (outcome.error !== undefined) {
    yield* End.rollback(client, transaction)
    return outcome
  }
  // What may have changed something and has not only read.
  const changed = transaction.journal.length > 0
  const error = changed ? yield* commit(client, transaction, decide()) : yield* End.commit(client, transaction)
  return error === undefined ? outcome : { frames: incomplete(outcome.frames), error }
})

/** Whether what a statement changes has to be looked at before it takes effect. */
const isWatched = Effect.fnUntraced(function* (
  client: Client,
  prepared: Prepared
): Effect.fn.Return<boolean, BackendLost> {
  const { plan } = prepared
  if (plan._tag !== "Plain") return false
  if (plan.compound || plan.inflates || isShared(client) || client.witness?.isHidden() === true) return true
  const references = yield* Keys.referencesOf(client)
  if (Keys.mayAct(prepared, references)) return true
  return plan.bound > Limits.transactionRows && !Keys.isOneRow(prepared, references)
})

/** Runs a statement, with what may happen when it commits. */
export const autocommit = Effect.fnUntraced(function* (
  client: Client,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>
): Effect.fn.Return<Outcome.Outcome, BackendLost | Cut> {
  const { plan } = call.prepared
  if (plan._tag !== "Plain") return Outcome.success([])
  const stale = isStale(client, call.prepared)
  if (stale !== undefined) return Outcome.failure(stale)
  const decide = () => due(client, "commit")
  if (plan.effects === "read" || plan.effects === "set") {
    const references = yield* Keys.referencesOf(client)
    if (Keys.mayAct(call.prepared, references)) return yield* counted(client, call, preamble, execution, decide)
    const answered = yield* Parking.send(client, [...preamble, ...execution], client.sink)
    return { frames: answered.frames, error: answered.error }
  }
  const fault = decide()
  const refusal = yield* strike(fault)
  if (refusal !== undefined) return Outcome.failure(refusal)
  if (yield* isWatched(client, call.prepared)) return yield* counted(client, call, preamble, execution, () => fault)
  const answered = yield* Effect.onError(Parking.send(client, [...preamble, ...execution]), () =>
    // Whether it took effect nobody knows any more: the others take it that it did.
    Effect.sync(() => void client.database.sequence++)
  )
  if (answered.error !== undefined) {
    const cause = ServerMessage.readError(answered.error)
    const lost = cause.sqlstate === "40001" || Parking.isYield(client, cause)
    if (!lost) return answered
    const refused = yield* Witness.conflict(client, { transaction: undefined, call })
    return { frames: answered.frames, error: ServerMessage.error(refused) }
  }
  client.database.sequence++
  client.witness?.committed(client.database.sequence, undefined)
  client.connection.commits++
  const error = yield* aftermath(fault)
  return error === undefined ? Outcome.success(answered.frames) : { frames: incomplete(answered.frames), error }
})

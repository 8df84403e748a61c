/**
 * A statement that is a transaction by itself.
 */
import { Limits } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { Fault } from "../../Faults.ts"
import { isStale, opened } from "../concurrency/begin.ts"
import * as End from "../concurrency/end.ts"
import * as Keys from "../concurrency/keys.ts"
import * as Outcome from "../concurrency/outcome.ts"
import * as Parking from "../concurrency/parking.ts"
import { run } from "../concurrency/run.ts"
import { isShared, type References } from "../concurrency/state.ts"
import * as Transaction from "../concurrency/transaction.ts"
import type { Answer, BackendLost, Batch } from "../postgres/backend.ts"
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
const isWatched = (client: Client, prepared: Prepared, references: References): boolean => {
  const { plan } = prepared
  if (plan._tag !== "Plain") return false
  if (plan.compound || plan.inflates || isShared(client) || client.witness?.isHidden() === true) return true
  if (Keys.mayAct(prepared, references)) return true
  return plan.bound > Limits.transactionRows && !Keys.isOneRow(prepared, references)
}

/** Runs a statement, with what may happen when it commits. */
export const autocommit = (
  client: Client,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>
): Effect.Effect<Outcome.Outcome, BackendLost | Cut> => {
  const stale = isStale(client, call.prepared)
  if (stale !== undefined) return Effect.succeed(Outcome.failure(stale))
  const references = Keys.known(client)
  return references === undefined
    ? Effect.flatMap(Keys.referencesOf(client), (asked) => by(client, call, preamble, execution, asked))
    : by(client, call, preamble, execution, references)
}

const by = (
  client: Client,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  references: References
): Effect.Effect<Outcome.Outcome, BackendLost | Cut> => {
  const { plan } = call.prepared
  if (plan._tag !== "Plain") return Effect.succeed(Outcome.success([]))
  const decide = () => due(client, "commit")
  if (plan.effects === "read" || plan.effects === "set") {
    return Keys.mayAct(call.prepared, references)
      ? counted(client, call, preamble, execution, decide)
      : Parking.send(client, [...preamble, ...execution], client.sink)
  }
  const fault = decide()
  const isPlain = fault === undefined && !isWatched(client, call.prepared, references)
  return isPlain
    ? write(client, call, [...preamble, ...execution])
    : struck(client, call, preamble, execution, references, fault)
}

/** Changes rows, with a fault that was asked for or a look at what was changed. */
const struck = Effect.fnUntraced(function* (
  client: Client,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  references: References,
  fault: Fault | undefined
): Effect.fn.Return<Outcome.Outcome, BackendLost | Cut> {
  const refusal = yield* strike(fault)
  if (refusal !== undefined) return Outcome.failure(refusal)
  if (isWatched(client, call.prepared, references)) {
    return yield* counted(client, call, preamble, execution, () => fault)
  }
  const outcome = yield* write(client, call, [...preamble, ...execution])
  if (outcome.error !== undefined) return outcome
  const error = yield* aftermath(fault)
  return error === undefined ? outcome : { frames: incomplete(outcome.frames), error }
})

const send = (client: Client, batch: Batch): Effect.Effect<Answer, BackendLost> =>
  client.database.opening.size === 0
    ? Parking.send(client, batch)
    : Effect.andThen(opened(client), Parking.send(client, batch))

/** Lets PostgreSQL change rows and commit them. */
const write = (client: Client, call: Transaction.Call, batch: Batch): Effect.Effect<Outcome.Outcome, BackendLost> =>
  Effect.flatMap(
    // Whether it took effect nobody knows any more: the others take it that it did.
    Effect.onError(send(client, batch), () => Effect.sync(() => void client.database.sequence++)),
    (answered) => {
      if (answered.error !== undefined) return lost(client, call, answered, answered.error)
      client.database.sequence++
      client.witness?.committed(client.database.sequence, undefined)
      client.connection.commits++
      return Effect.succeed(Outcome.success(answered.frames))
    }
  )

/** What a failed write comes to: its own error, or another's commit. */
const lost = (
  client: Client,
  call: Transaction.Call,
  answered: Answer,
  error: Frame.Frame
): Effect.Effect<Outcome.Outcome> => {
  const cause = ServerMessage.readError(error)
  return cause.sqlstate === "40001" || Parking.isYield(client, cause)
    ? Effect.map(Witness.conflict(client, { transaction: undefined, call }), (refused) => ({
        frames: answered.frames,
        error: ServerMessage.error(refused)
      }))
    : Effect.succeed(answered)
}

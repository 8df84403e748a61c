/**
 * Carries out one statement of a session: by itself, inside a transaction, or
 * as the beginning or the end of one.
 */
import { Limits } from "@effect-dsql/dialect"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Control from "../../Control.ts"
import type { Fault } from "../../Faults.ts"
import { isStale } from "../concurrency/begin.ts"
import { define as defineIn } from "../concurrency/define.ts"
import * as End from "../concurrency/end.ts"
import * as Keys from "../concurrency/keys.ts"
import * as Outcome from "../concurrency/outcome.ts"
import * as Parking from "../concurrency/parking.ts"
import { run as runIn } from "../concurrency/run.ts"
import { isShared, type Member } from "../concurrency/state.ts"
import * as Transaction from "../concurrency/transaction.ts"
import type * as Desk from "../control/desk.ts"
import type { Cluster } from "../cluster/cluster.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Prepared } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"

/** The client's connection is to end here and now, without a word. */
export class Cut extends Data.TaggedError("Cut")<{}> {}

/** One client. */
export interface Session extends Member {
  readonly desk: Desk.Desk
  readonly connection: Desk.Connection
  /** Makes and drops databases. */
  readonly databases: Pick<Cluster, "createDatabase" | "dropDatabase">
  /** Takes what is streamed; false asks for a pause. */
  readonly sink: (slice: Buffer) => boolean
}

type Result = Effect.Effect<Outcome.Outcome, BackendLost | Cut>

/** How the session's transaction stands, as ReadyForQuery tells it. */
export const status = (session: Session): number => {
  const { transaction } = session
  if (transaction?.span !== "block") return Frame.status.idle
  return Transaction.isFailed(transaction) ? Frame.status.failed : Frame.status.open
}

const before: Readonly<Partial<Record<Fault, Refusal.Refusal>>> = {
  conflict: Refusal.dataConflict,
  "schema-conflict": Refusal.schemaConflict,
  unavailable: Refusal.unavailable
}

/** What a fault comes to before anything took effect. */
const strike = (fault: Fault | undefined): Effect.Effect<Refusal.Refusal | undefined, Cut> =>
  fault === "cut" ? Effect.fail(new Cut()) : Effect.succeed(fault === undefined ? undefined : before[fault])

/** What a fault comes to once everything took effect. */
const aftermath = (fault: Fault | undefined): Effect.Effect<Frame.Frame | undefined, Cut> =>
  fault === "cut-after"
    ? Effect.fail(new Cut())
    : Effect.succeed(fault === "unavailable-after" ? ServerMessage.error(Refusal.unavailable) : undefined)

/** Commits, with what may happen on the way; gives the error that the client gets in place of success. */
const commit = Effect.fnUntraced(function* (
  session: Session,
  transaction: Transaction.Transaction,
  fault: Fault | undefined
) {
  const refusal = yield* strike(fault)
  if (refusal !== undefined) {
    yield* End.rollback(session, transaction)
    return ServerMessage.error(refusal)
  }
  const error = yield* End.commit(session, transaction)
  if (error !== undefined) return error
  session.connection.commits++
  return yield* aftermath(fault)
})

/** The transaction to run in; one of the emulator's own where the client began none. */
const block = (session: Session): Transaction.Transaction =>
  (session.transaction ??= Transaction.make(session.database.now(), "message"))

/** Makes sure that there is a transaction, for what has to outlive a message. */
export const open = (session: Session): Effect.Effect<void> => Effect.sync(() => void block(session))

/** Ends a transaction that the client did not begin, at the end of the message that it spans. */
export const settle = Effect.fnUntraced(function* (
  session: Session,
  failed: boolean
): Effect.fn.Return<Frame.Frame | undefined, BackendLost | Cut> {
  const { transaction } = session
  if (transaction === undefined || transaction.span === "block") return undefined
  if (!failed)
    return yield* commit(session, transaction, session.desk.faults.decide("commit", session.connection.label))
  yield* End.rollback(session, transaction)
  return undefined
})

/** What an error does to the transaction that it happened in. */
export const fail = (session: Session): Effect.Effect<void, BackendLost> =>
  session.transaction?.span === "block" ? End.fail(session, session.transaction) : Effect.void

/** An answer without the word that its statement is complete. */
const incomplete = (frames: ReadonlyArray<Frame.Frame>): ReadonlyArray<Frame.Frame> =>
  frames.filter((frame) => frame[0] !== Frame.code.commandComplete)

/** A statement in a transaction of its own, which only shows where rows have to be counted or locks remembered. */
const counted = Effect.fnUntraced(function* (
  session: Session,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  fault: Fault | undefined
): Effect.fn.Return<Outcome.Outcome, BackendLost | Cut> {
  const transaction = Transaction.make(session.database.now(), "statement")
  session.transaction = transaction
  const outcome = yield* runIn(session, transaction, call, preamble, execution)
  if (outcome.error !== undefined) {
    yield* End.rollback(session, transaction)
    return outcome
  }
  const error = yield* commit(session, transaction, fault)
  return error === undefined ? outcome : { frames: incomplete(outcome.frames), error }
})

/** Whether what a statement changes has to be looked at before it takes effect. */
const isWatched = Effect.fnUntraced(function* (
  session: Session,
  prepared: Prepared
): Effect.fn.Return<boolean, BackendLost> {
  const { plan } = prepared
  if (plan._tag !== "Plain") return false
  if (plan.compound || plan.inflates || isShared(session)) return true
  return plan.bound > Limits.transactionRows && !Keys.isOneRow(prepared, yield* Keys.referencesOf(session))
})

const autocommit = Effect.fnUntraced(function* (
  session: Session,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>
): Effect.fn.Return<Outcome.Outcome, BackendLost | Cut> {
  const { plan } = call.prepared
  if (plan._tag !== "Plain") return Outcome.success([])
  const stale = isStale(session, call.prepared)
  if (stale !== undefined) return Outcome.failure(stale)
  if (plan.effects === "read" || plan.effects === "set") {
    const answered = yield* Parking.send(session, [...preamble, ...execution], session.sink)
    return { frames: answered.frames, error: answered.error }
  }
  const fault = session.desk.faults.decide("commit", session.connection.label)
  const refusal = yield* strike(fault)
  if (refusal !== undefined) return Outcome.failure(refusal)
  if (yield* isWatched(session, call.prepared)) return yield* counted(session, call, preamble, execution, fault)
  const answered = yield* Effect.onError(Parking.send(session, [...preamble, ...execution]), () =>
    // Whether it took effect nobody knows any more: the others take it that it did.
    Effect.sync(() => void session.database.sequence++)
  )
  if (answered.error !== undefined) {
    const cause = ServerMessage.readError(answered.error)
    const lost = cause.sqlstate === "40001" || Parking.isYield(cause)
    return { frames: answered.frames, error: lost ? ServerMessage.error(Refusal.dataConflict) : answered.error }
  }
  session.database.sequence++
  session.connection.commits++
  const error = yield* aftermath(fault)
  return error === undefined ? Outcome.success(answered.frames) : { frames: incomplete(answered.frames), error }
})

/** Runs a statement that PostgreSQL takes as it stands. `alone`: nothing else shares its implicit transaction. */
export const run = Effect.fnUntraced(function* (
  session: Session,
  call: Transaction.Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  alone: boolean
): Effect.fn.Return<Outcome.Outcome, BackendLost | Cut> {
  const injected = yield* strike(session.desk.faults.decide("statement", session.connection.label))
  if (injected !== undefined) return Outcome.failure(injected)
  const { plan } = call.prepared
  if (plan._tag === "Plain" && plan.job !== undefined) {
    yield* session.database.finished(plan.job)
    // Whoever waited for the job has seen what it did.
    if (session.transaction === undefined) session.catalogue = session.database.version
  }
  return alone && session.transaction === undefined
    ? yield* autocommit(session, call, preamble, execution)
    : yield* runIn(session, block(session), call, preamble, execution)
})

const begin = (session: Session, readOnly: boolean): Outcome.Outcome => {
  const { transaction } = session
  if (Transaction.isFailed(transaction)) return Outcome.failure(Refusal.aborted)
  if (transaction === undefined) {
    session.transaction = Transaction.make(session.database.now(), "block", readOnly)
  } else transaction.span = "block"
  return Outcome.success([ServerMessage.commandComplete("BEGIN")])
}

const end = Effect.fnUntraced(function* (session: Session, wanted: "COMMIT" | "ROLLBACK") {
  const { transaction } = session
  if (transaction === undefined) return Outcome.success([ServerMessage.commandComplete(wanted)])
  if (wanted === "ROLLBACK" || Transaction.isFailed(transaction)) {
    yield* End.rollback(session, transaction)
    return Outcome.success([ServerMessage.commandComplete("ROLLBACK")])
  }
  const error = yield* commit(session, transaction, session.desk.faults.decide("commit", session.connection.label))
  return error === undefined ? Outcome.success([ServerMessage.commandComplete("COMMIT")]) : { frames: [], error }
})

const define = Effect.fnUntraced(function* (session: Session, prepared: Prepared, alone: boolean) {
  const injected = yield* strike(session.desk.faults.decide("statement", session.connection.label))
  if (injected !== undefined) return Outcome.failure(injected)
  const own = alone && session.transaction === undefined
  const outcome = yield* defineIn(session, block(session), prepared)
  if (!own) return outcome
  const error = yield* settle(session, outcome.error !== undefined)
  return error === undefined ? outcome : { frames: [], error }
})

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(Control.Request))

const control = (session: Session, text: string): Effect.Effect<Outcome.Outcome> =>
  decodeRequest(text).pipe(
    Effect.tap(({ createDatabase, dropDatabase }) =>
      Effect.gen(function* () {
        if (createDatabase !== undefined) {
          yield* session.databases.createDatabase(createDatabase.name, createDatabase.template)
        }
        if (dropDatabase !== undefined) yield* session.databases.dropDatabase(dropDatabase)
      })
    ),
    Effect.flatMap((request) => session.desk.request(session.connection, request)),
    Effect.map((answer) =>
      Outcome.success([
        ServerMessage.rowDescription(["answer"]),
        ServerMessage.dataRow([JSON.stringify(answer)]),
        ServerMessage.commandComplete("CALL")
      ])
    ),
    Effect.catchTags({
      BackendLost: ({ error }) => Effect.succeed(Outcome.failure(error)),
      SchemaError: ({ message }) =>
        Effect.succeed(Outcome.failure({ sqlstate: "22023", message: `not a request to the emulator: ${message}` }))
    })
  )

/** Runs a statement that the emulator answers itself. The frames begin with columns if there are rows. */
export const answer = (session: Session, prepared: Prepared, alone: boolean): Result => {
  const { plan } = prepared
  const isFailed = Transaction.isFailed(session.transaction)
  switch (plan._tag) {
    case "Begin":
      return Effect.sync(() => begin(session, plan.readOnly))
    case "Commit":
      return end(session, "COMMIT")
    case "Rollback":
      return end(session, "ROLLBACK")
    case "Control":
      return control(session, plan.request)
    case "Refused":
      return Effect.succeed(Outcome.failure(isFailed ? Refusal.aborted : plan.refusal))
    case "Constant":
      return Effect.succeed(
        isFailed
          ? Outcome.failure(Refusal.aborted)
          : Outcome.success([
              ServerMessage.rowDescription([plan.column]),
              ServerMessage.dataRow([plan.value]),
              ServerMessage.commandComplete(plan.tag)
            ])
      )
    case "Ddl":
      return define(session, prepared, alone)
    case "Plain":
      return Effect.succeed(Outcome.success([]))
  }
}

/** The columns of what the emulator answers itself, as far as they are known before. */
export const columns = (prepared: Prepared): ReadonlyArray<string> | undefined => {
  const { plan } = prepared
  if (plan._tag === "Constant") return [plan.column]
  if (plan._tag === "Control") return ["answer"]
  return plan._tag === "Ddl" && plan.async !== undefined ? ["job_id"] : undefined
}

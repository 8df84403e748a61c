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
import type { BackendLost } from "../postgres/backend.ts"
import type { Cluster } from "../database/cluster.ts"
import * as Keys from "../concurrency/keys.ts"
import * as Parking from "../concurrency/parking.ts"
import * as Refusal from "../statement/refusal.ts"
import { type Call, isShared, type Member, type Transaction as Open } from "../concurrency/state.ts"
import type { Prepared } from "../statement/prepared.ts"
import * as Transaction from "../concurrency/transaction.ts"
import * as Wire from "../protocol/wire.ts"

/** The client's connection is to end here and now, without a word. */
export class Cut extends Data.TaggedError("Cut")<{}> {}

/** One client. */
export interface Session extends Member {
  readonly desk: Control.Desk
  readonly connection: Control.Connection
  /** Makes and drops databases. */
  readonly databases: Pick<Cluster, "createDatabase" | "dropDatabase">
  /** Takes what is streamed; false asks for a pause. */
  readonly sink: (slice: Buffer) => boolean
}

type Result = Effect.Effect<Parking.Outcome, BackendLost | Cut>

const done = (...frames: ReadonlyArray<Wire.Frame>): Parking.Outcome => ({ frames, error: undefined })
const refused = (refusal: Refusal.Refusal): Parking.Outcome => ({ frames: [], error: Wire.error(refusal) })

/** How the session's transaction stands, as ReadyForQuery tells it. */
export const status = (session: Session): number => {
  const { transaction } = session
  if (transaction === undefined || !transaction.explicit) return Wire.status.idle
  return transaction.failed ? Wire.status.failed : Wire.status.open
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
const aftermath = (fault: Fault | undefined): Effect.Effect<Wire.Frame | undefined, Cut> =>
  fault === "cut-after"
    ? Effect.fail(new Cut())
    : Effect.succeed(fault === "unavailable-after" ? Wire.error(Refusal.unavailable) : undefined)

/** Commits, with what may happen on the way; gives the error that the client gets in place of success. */
const commit = Effect.fnUntraced(function* (session: Session, transaction: Open, fault: Fault | undefined) {
  const refusal = yield* strike(fault)
  if (refusal !== undefined) {
    yield* Transaction.rollback(session, transaction)
    return Wire.error(refusal)
  }
  const error = yield* Transaction.commit(session, transaction)
  if (error !== undefined) return error
  session.connection.commits++
  return yield* aftermath(fault)
})

/** The transaction to run in; one of the emulator's own where the client began none. */
const block = (session: Session): Open =>
  (session.transaction ??= Transaction.make(session.database.now(), { explicit: false }))

/** Makes sure that there is a transaction, for what has to outlive a message. */
export const open = (session: Session): Effect.Effect<void> => Effect.sync(() => void block(session))

/** Ends a transaction that the client did not begin, at the end of the message that it spans. */
export const settle = Effect.fnUntraced(function* (
  session: Session,
  failed: boolean
): Effect.fn.Return<Wire.Frame | undefined, BackendLost | Cut> {
  const { transaction } = session
  if (transaction === undefined || transaction.explicit) return undefined
  if (!failed)
    return yield* commit(session, transaction, session.desk.faults.decide("commit", session.connection.label))
  yield* Transaction.rollback(session, transaction)
  return undefined
})

/** What an error does to the transaction that it happened in. */
export const fail = (session: Session): Effect.Effect<void, BackendLost> =>
  session.transaction?.explicit === true ? Transaction.fail(session, session.transaction) : Effect.void

const isResult = (frame: Wire.Frame): boolean => frame[0] !== Wire.code.commandComplete

/** A statement in a transaction of its own, which only shows where rows have to be counted or locks remembered. */
const counted = Effect.fnUntraced(function* (
  session: Session,
  call: Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  fault: Fault | undefined
): Effect.fn.Return<Parking.Outcome, BackendLost | Cut> {
  const transaction = Transaction.make(session.database.now(), { explicit: false, brief: true })
  session.transaction = transaction
  const outcome = yield* Transaction.run(session, transaction, call, preamble, execution)
  if (outcome.error !== undefined) {
    yield* Transaction.rollback(session, transaction)
    return outcome
  }
  const error = yield* commit(session, transaction, fault)
  return error === undefined ? outcome : { frames: outcome.frames.filter(isResult), error }
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
  call: Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>
): Effect.fn.Return<Parking.Outcome, BackendLost | Cut> {
  const { plan } = call.prepared
  if (plan._tag !== "Plain") return done()
  const stale = Transaction.isStale(session, call.prepared)
  if (stale !== undefined) return refused(stale)
  if (plan.effects === "read" || plan.effects === "set") {
    const reply = yield* Parking.send(session, [...preamble, ...execution], 1, session.sink)
    return { frames: reply.frames, error: reply.error }
  }
  const fault = session.desk.faults.decide("commit", session.connection.label)
  const refusal = yield* strike(fault)
  if (refusal !== undefined) return refused(refusal)
  if (yield* isWatched(session, call.prepared)) return yield* counted(session, call, preamble, execution, fault)
  const reply = yield* Effect.onError(Parking.send(session, [...preamble, ...execution], 1), () =>
    // Whether it took effect nobody knows any more: the others take it that it did.
    Effect.sync(() => void session.database.sequence++)
  )
  if (reply.error !== undefined) {
    const cause = Wire.readError(reply.error)
    const lost = cause.sqlstate === "40001" || Parking.isYield(cause)
    return { frames: reply.frames, error: lost ? Wire.error(Refusal.dataConflict) : reply.error }
  }
  session.database.sequence++
  session.connection.commits++
  const error = yield* aftermath(fault)
  return error === undefined ? done(...reply.frames) : { frames: reply.frames.filter(isResult), error }
})

/** Runs a statement that PostgreSQL takes as it stands. `alone`: nothing else shares its implicit transaction. */
export const run = Effect.fnUntraced(function* (
  session: Session,
  call: Call,
  preamble: ReadonlyArray<Buffer>,
  execution: ReadonlyArray<Buffer>,
  alone: boolean
): Effect.fn.Return<Parking.Outcome, BackendLost | Cut> {
  const injected = yield* strike(session.desk.faults.decide("statement", session.connection.label))
  if (injected !== undefined) return refused(injected)
  const { plan } = call.prepared
  if (plan._tag === "Plain" && plan.job !== undefined) {
    yield* session.database.finished(plan.job)
    // Whoever waited for the job has seen what it did.
    if (session.transaction === undefined) session.catalogue = session.database.version
  }
  return alone && session.transaction === undefined
    ? yield* autocommit(session, call, preamble, execution)
    : yield* Transaction.run(session, block(session), call, preamble, execution)
})

const begin = (session: Session, readOnly: boolean): Parking.Outcome => {
  const { transaction } = session
  if (transaction?.failed === true) return refused(Refusal.aborted)
  if (transaction === undefined) {
    session.transaction = Transaction.make(session.database.now(), { explicit: true, readOnly })
  } else transaction.explicit = true
  return done(Wire.commandComplete("BEGIN"))
}

const end = Effect.fnUntraced(function* (session: Session, wanted: "COMMIT" | "ROLLBACK") {
  const { transaction } = session
  if (transaction === undefined) return done(Wire.commandComplete(wanted))
  if (wanted === "ROLLBACK" || transaction.failed) {
    yield* Transaction.rollback(session, transaction)
    return done(Wire.commandComplete("ROLLBACK"))
  }
  const error = yield* commit(session, transaction, session.desk.faults.decide("commit", session.connection.label))
  return error === undefined ? done(Wire.commandComplete("COMMIT")) : { frames: [], error }
})

const define = Effect.fnUntraced(function* (session: Session, prepared: Prepared, alone: boolean) {
  const injected = yield* strike(session.desk.faults.decide("statement", session.connection.label))
  if (injected !== undefined) return refused(injected)
  const own = alone && session.transaction === undefined
  const outcome = yield* Transaction.define(session, block(session), prepared)
  if (!own) return outcome
  const error = yield* settle(session, outcome.error !== undefined)
  return error === undefined ? outcome : { frames: [], error }
})

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(Control.Request))

const control = (session: Session, text: string): Effect.Effect<Parking.Outcome> =>
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
      done(Wire.rowDescription(["answer"]), Wire.dataRow([JSON.stringify(answer)]), Wire.commandComplete("CALL"))
    ),
    Effect.catchTags({
      BackendLost: ({ error }) => Effect.succeed(refused(error)),
      SchemaError: ({ message }) =>
        Effect.succeed(refused({ sqlstate: "22023", message: `not a request to the emulator: ${message}` }))
    })
  )

/** Runs a statement that the emulator answers itself. The frames begin with columns if there are rows. */
export const answer = (session: Session, prepared: Prepared, alone: boolean): Result => {
  const { plan } = prepared
  const isFailed = session.transaction?.failed === true
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
      return Effect.succeed(refused(isFailed ? Refusal.aborted : plan.refusal))
    case "Constant":
      return Effect.succeed(
        isFailed
          ? refused(Refusal.aborted)
          : done(Wire.rowDescription([plan.column]), Wire.dataRow([plan.value]), Wire.commandComplete(plan.tag))
      )
    case "Ddl":
      return define(session, prepared, alone)
    case "Plain":
      return Effect.succeed(done())
  }
}

/** The columns of what the emulator answers itself, as far as they are known before. */
export const columns = (prepared: Prepared): ReadonlyArray<string> | undefined => {
  const { plan } = prepared
  if (plan._tag === "Constant") return [plan.column]
  if (plan._tag === "Control") return ["answer"]
  return plan._tag === "Ddl" && plan.async !== undefined ? ["job_id"] : undefined
}

/**
 * One client's conversation after its startup: the simple and the extended
 * protocol, one unit at a time, a unit being what ends with Query, Sync or Flush.
 */
import { Limits, type Statement } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import { prepare as prepareIn } from "../concurrency/run.ts"
import { isFailed } from "../concurrency/transaction.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Prepare, Prepared } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"
import * as Execution from "./execution.ts"

/** A session with what its protocol remembers. */
export interface Session extends Execution.Session {
  readonly prepare: Prepare
  /** Writes to the client; the effect is over when more may be written. */
  readonly write: (frames: ReadonlyArray<Frame.Frame>) => Effect.Effect<void>
  /** Counts the end of a unit that was answered. */
  readonly answered: () => void
  /** Logs a statement that is about to run. */
  readonly arrive: (prepared: Prepared) => void
  readonly statements: Map<string, Named>
  readonly portals: Map<string, Portal>
}

interface Named {
  /** Undefined for an empty text. */
  readonly prepared: Prepared | undefined
  readonly types: Buffer
}

interface Portal {
  readonly named: Named
  readonly rest: Buffer
}

type Unit = Extract<ClientMessage.ClientMessage, { readonly frame: Frame.Frame }>
type Failure = BackendLost | Execution.Cut

const refusalOf = (error: Statement.SyntaxError): Frame.Frame =>
  ServerMessage.error({ sqlstate: error.sqlstate, message: error.message, position: error.offset + 1 })

const isForwarded = (named: Named | undefined): boolean =>
  named === undefined || named.prepared === undefined || named.prepared.plan._tag === "Plain"

/** Whether a statement may run at all where the transaction has failed. */
const endsTransaction = (prepared: Prepared | undefined): boolean =>
  prepared?.plan._tag === "Commit" || prepared?.plan._tag === "Rollback"

/** Adds messages one by one: as arguments of one call, those of a long answer would overflow the stack. */
const append = (frames: Array<Frame.Frame>, more: ReadonlyArray<Frame.Frame>): void => {
  for (const frame of more) frames.push(frame)
}

/** Answers a Query message. */
export const simple = Effect.fnUntraced(function* (session: Session, sql: string): Effect.fn.Return<void, Failure> {
  const parsed = yield* Effect.result(session.prepare(sql))
  const frames: Array<Frame.Frame> = []
  let error: Frame.Frame | undefined
  if (parsed._tag === "Failure") error = refusalOf(parsed.failure)
  else if (parsed.success.length === 0) frames.push(ServerMessage.emptyQuery)
  else {
    const alone = parsed.success.length === 1
    for (const prepared of parsed.success) {
      session.arrive(prepared)
      const outcome =
        prepared.plan._tag === "Plain"
          ? yield* Execution.run(
              session,
              { prepared, bound: undefined },
              [],
              [ClientMessage.query(prepared.sql)],
              alone
            )
          : yield* Execution.answer(session, prepared, alone)
      append(frames, outcome.frames)
      error = outcome.error
      if (error !== undefined) break
    }
  }
  error = (yield* Execution.settle(session, error !== undefined)) ?? error
  if (error !== undefined) yield* Execution.fail(session)
  yield* finish(session, frames, error)
})

const finish = (session: Session, frames: ReadonlyArray<Frame.Frame>, error: Frame.Frame | undefined) =>
  Effect.suspend(() => {
    session.answered()
    return session.write([
      ...frames,
      ...(error === undefined ? [] : [error]),
      ServerMessage.ready(Execution.status(session))
    ])
  })

/** What the messages of one unit have come to so far. */
interface Progress {
  readonly frames: Array<Frame.Frame>
  /** Messages for PostgreSQL that nothing has made it answer yet. */
  batch: Array<Buffer>
  /** Statements and portals that the batch makes, to be forgotten where it fails before. */
  made: Array<{ readonly what: "statement" | "portal"; readonly undo: () => void }>
  error: Frame.Frame | undefined
}

/** Lets PostgreSQL answer what prepares statements. */
const flush = Effect.fnUntraced(function* (session: Session, progress: Progress): Effect.fn.Return<void, Failure> {
  if (progress.batch.length === 0) return
  const { batch } = progress
  progress.batch = []
  const outcome = yield* prepareIn(session, batch)
  append(progress.frames, outcome.frames)
  progress.error ??= outcome.error
  forget(progress, outcome.frames)
})

/** A statement that PostgreSQL has parsed is there for good, whatever fails after it. */
const forget = (progress: Progress, answered: ReadonlyArray<Frame.Frame>) => {
  let parsed = answered.filter((frame) => frame[0] === ServerMessage.parseComplete[0]).length
  for (const { undo, what } of progress.error === undefined ? [] : progress.made) {
    if (what === "portal" || parsed-- <= 0) undo()
  }
  progress.made = []
}

const parse = Effect.fnUntraced(function* (
  session: Session,
  message: Extract<Unit, { readonly _tag: "Parse" }>,
  progress: Progress
): Effect.fn.Return<void, Failure> {
  const parsed = yield* Effect.result(session.prepare(message.sql))
  if (parsed._tag === "Failure") {
    progress.error = refusalOf(parsed.failure)
    return
  }
  const [prepared, more] = parsed.success
  if (more !== undefined) {
    const several = "cannot insert multiple commands into a prepared statement"
    progress.error = ServerMessage.error({ sqlstate: "42601", message: several })
    return
  }
  if (isFailed(session.transaction) && !endsTransaction(prepared)) {
    progress.error = ServerMessage.error(Refusal.aborted)
    return
  }
  if (prepared?.plan._tag === "Refused") {
    progress.error = ServerMessage.error(prepared.plan.refusal)
    return
  }
  const previous = session.statements.get(message.name)
  const named: Named = { prepared, types: message.types }
  if (isForwarded(named)) {
    // A name that the emulator kept to itself is unknown to PostgreSQL.
    progress.batch.push(message.frame)
  } else {
    if (previous !== undefined && message.name !== "") {
      const exists = `prepared statement "${message.name}" already exists`
      progress.error = ServerMessage.error({ sqlstate: "42P05", message: exists })
      return
    }
    yield* flush(session, progress)
    progress.frames.push(ServerMessage.parseComplete)
  }
  session.statements.set(message.name, named)
  if (!isForwarded(named)) return
  const undo = () =>
    previous === undefined || message.name === ""
      ? session.statements.delete(message.name)
      : session.statements.set(message.name, previous)
  progress.made.push({ what: "statement", undo })
})

const describe = Effect.fnUntraced(function* (
  session: Session,
  message: Extract<Unit, { readonly _tag: "Describe" }>,
  progress: Progress
): Effect.fn.Return<void, Failure> {
  const portal = message.of === "portal" ? session.portals.get(message.name) : undefined
  const named = message.of === "statement" ? session.statements.get(message.name) : portal?.named
  if (named?.prepared === undefined || isForwarded(named)) {
    progress.batch.push(message.frame)
    return
  }
  yield* flush(session, progress)
  if (message.of === "statement") progress.frames.push(ServerMessage.noParameters)
  const columns = Execution.columns(named.prepared)
  const format = portal === undefined ? 0 : ClientMessage.resultFormat(portal.rest)
  progress.frames.push(columns === undefined ? ServerMessage.noData : ServerMessage.rowDescription(columns, format))
})

const isColumns = (frame: Frame.Frame): boolean => frame[0] === Frame.code.rowDescription

const execute = Effect.fnUntraced(function* (
  session: Session,
  message: Extract<Unit, { readonly _tag: "Execute" }>,
  progress: Progress,
  alone: boolean
): Effect.fn.Return<void, Failure> {
  const portal = session.portals.get(message.portal)
  const prepared = portal?.named.prepared
  if (portal === undefined || prepared === undefined) {
    progress.batch.push(message.frame)
    return
  }
  session.arrive(prepared)
  if (prepared.plan._tag !== "Plain") {
    yield* flush(session, progress)
    if (progress.error !== undefined) return
    const outcome = yield* Execution.answer(session, prepared, alone)
    append(
      progress.frames,
      outcome.frames.filter((frame) => !isColumns(frame))
    )
    progress.error = outcome.error
    return
  }
  const { batch } = progress
  progress.batch = []
  // What may be streamed must not overtake what was answered before.
  if (alone && progress.frames.length > 0) yield* session.write(progress.frames.splice(0))
  const call = { prepared, bound: { rest: portal.rest, types: portal.named.types } }
  const outcome = yield* Execution.run(session, call, batch, [message.frame, ClientMessage.sync], alone)
  append(progress.frames, outcome.frames)
  progress.error = outcome.error
  forget(progress, outcome.frames)
})

const step = Effect.fnUntraced(function* (
  session: Session,
  message: Unit,
  progress: Progress,
  alone: boolean
): Effect.fn.Return<void, Failure> {
  switch (message._tag) {
    case "Parse":
      return yield* parse(session, message, progress)
    case "Bind": {
      const named = session.statements.get(message.name)
      if (isFailed(session.transaction) && !endsTransaction(named?.prepared)) {
        progress.error = ServerMessage.error(Refusal.aborted)
        return
      }
      if (isForwarded(named)) progress.batch.push(message.frame)
      else {
        yield* flush(session, progress)
        progress.frames.push(ServerMessage.bindComplete)
      }
      if (named === undefined) return
      session.portals.set(message.portal, { named, rest: message.rest })
      progress.made.push({ what: "portal", undo: () => session.portals.delete(message.portal) })
      return
    }
    case "Describe":
      return yield* describe(session, message, progress)
    case "Execute":
      return yield* execute(session, message, progress, alone)
    case "Close": {
      const named =
        message.of === "statement" ? session.statements.get(message.name) : session.portals.get(message.name)?.named
      if (isForwarded(named)) progress.batch.push(message.frame)
      else {
        yield* flush(session, progress)
        progress.frames.push(ServerMessage.closeComplete)
      }
      if (message.of === "statement") session.statements.delete(message.name)
      else session.portals.delete(message.name)
    }
  }
})

/**
 * Answers messages of the extended protocol up to Sync or Flush. Gives whether the rest up to Sync is to be ignored.
 */
export const extended = Effect.fnUntraced(function* (
  session: Session,
  messages: ReadonlyArray<Unit>,
  end: "Sync" | "Flush"
): Effect.fn.Return<boolean, Failure> {
  const progress: Progress = { frames: [], batch: [], made: [], error: undefined }
  const executions = messages.filter((message) => message._tag === "Execute").length
  const alone = end === "Sync" && executions === 1 && session.transaction === undefined
  // A portal lives as long as its transaction, so one that outlives this unit needs a transaction.
  const outlives = end === "Flush" && messages.some((message) => message._tag === "Bind")
  if (outlives) yield* Execution.open(session)
  for (const message of messages) {
    yield* step(session, message, progress, alone)
    if (progress.error !== undefined) break
  }
  if (progress.error === undefined) yield* flush(session, progress)
  if (progress.error !== undefined) yield* Execution.fail(session)
  if (end === "Sync") {
    progress.error = (yield* Execution.settle(session, progress.error !== undefined)) ?? progress.error
    if (session.transaction === undefined) session.portals.clear()
    yield* finish(session, progress.frames, progress.error)
    return false
  }
  yield* session.write([...progress.frames, ...(progress.error === undefined ? [] : [progress.error])])
  return progress.error !== undefined
})

/** Whether the connection is older than the service lets it be, and not in a transaction. */
export const isOver = (session: Session): boolean =>
  session.transaction === undefined &&
  session.desk.now() - session.connection.opened > Limits.connectionMinutes * 60_000

/** Answers the Sync after an error that Flush had told. */
export const recover = Effect.fnUntraced(function* (session: Session): Effect.fn.Return<void, Failure> {
  yield* Execution.settle(session, true)
  yield* finish(session, [], undefined)
})

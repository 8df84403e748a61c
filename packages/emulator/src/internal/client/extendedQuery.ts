/**
 * The extended protocol: statements that are parsed, bound and executed by messages of their own, up to Sync or Flush.
 */
import * as Effect from "effect/Effect"
import * as Begin from "../concurrency/begin.ts"
import * as Outcome from "../concurrency/outcome.ts"
import { isFailed } from "../concurrency/transaction.ts"
import type { BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import type { Prepared } from "../statement/prepared.ts"
import * as Refusal from "../statement/refusal.ts"
import { observed } from "../watch/witness.ts"
import * as Block from "./block.ts"
import * as Execution from "./execution.ts"
import type { Cut } from "./injection.ts"
import { finish, type Named, read, type Session } from "./session.ts"
import { flush, forget, type Progress } from "./unit.ts"

type Message = Extract<ClientMessage.ClientMessage, { readonly frame: Frame.Frame }>
type Failure = BackendLost | Cut

const isForwarded = (named: Named | undefined): boolean =>
  named === undefined || named.prepared === undefined || named.prepared.plan._tag === "Plain"

/** What has to be waited for; nothing, mostly. */
type Waiting = Effect.Effect<void, Failure> | undefined

/** Puts a message into the batch for PostgreSQL or, where it is the emulator's own, lets that be answered first. */
const pass = (
  session: Session,
  message: Message,
  progress: Progress,
  named: Named | undefined,
  then: () => void
): Waiting => {
  if (!isForwarded(named)) return Effect.map(flush(session, progress), then)
  progress.batch.push(message.frame)
  then()
  return undefined
}

/** Whether a statement may run at all where the transaction has failed. */
const endsTransaction = (prepared: Prepared | undefined): boolean =>
  prepared?.plan._tag === "Commit" || prepared?.plan._tag === "Rollback"

const parse = Effect.fnUntraced(function* (
  session: Session,
  message: Extract<Message, { readonly _tag: "Parse" }>,
  progress: Progress
): Effect.fn.Return<void, Failure> {
  const parsed = yield* Effect.result(read(message.sql))
  if (parsed._tag === "Failure") {
    progress.error = parsed.failure
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
    const refused = Outcome.failure(prepared.plan.refusal)
    progress.error = (yield* observed(session, { prepared, bound: undefined }, Effect.succeed(refused))).error
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

const bind = (session: Session, message: Extract<Message, { readonly _tag: "Bind" }>, progress: Progress): Waiting => {
  const named = session.statements.get(message.name)
  if (isFailed(session.transaction) && !endsTransaction(named?.prepared)) {
    progress.error = ServerMessage.error(Refusal.aborted)
    return undefined
  }
  const remember = () => {
    if (named === undefined) return
    session.portals.set(message.portal, { named, rest: message.rest })
    progress.made.push({ what: "portal", undo: () => session.portals.delete(message.portal) })
  }
  return pass(session, message, progress, named, () => {
    if (!isForwarded(named)) progress.frames.push(ServerMessage.bindComplete)
    remember()
  })
}

const describe = (
  session: Session,
  message: Extract<Message, { readonly _tag: "Describe" }>,
  progress: Progress
): Waiting => {
  const portal = message.of === "portal" ? session.portals.get(message.name) : undefined
  const named = message.of === "statement" ? session.statements.get(message.name) : portal?.named
  return pass(session, message, progress, named, () => {
    if (named?.prepared === undefined || isForwarded(named)) return
    if (message.of === "statement") progress.frames.push(ServerMessage.noParameters)
    const columns = Execution.columns(named.prepared)
    const format = portal === undefined ? 0 : ClientMessage.resultFormat(portal.rest)
    progress.frames.push(columns === undefined ? ServerMessage.noData : ServerMessage.rowDescription(columns, format))
  })
}

const close = (
  session: Session,
  message: Extract<Message, { readonly _tag: "Close" }>,
  progress: Progress
): Waiting => {
  const { name, of } = message
  const named = of === "statement" ? session.statements.get(name) : session.portals.get(name)?.named
  return pass(session, message, progress, named, () => {
    if (!isForwarded(named)) progress.frames.push(ServerMessage.closeComplete)
    if (of === "statement") session.statements.delete(name)
    else session.portals.delete(name)
  })
}

const isColumns = (frame: Frame.Frame): boolean => frame[0] === Frame.code.rowDescription

/** Executes what the emulator answers itself. */
const answer = Effect.fnUntraced(function* (
  session: Session,
  prepared: Prepared,
  progress: Progress,
  alone: boolean
): Effect.fn.Return<void, Failure> {
  yield* flush(session, progress)
  if (progress.error !== undefined) return
  const outcome = yield* Execution.answer(session, prepared, alone)
  Outcome.append(
    progress.frames,
    outcome.frames.filter((frame) => !isColumns(frame))
  )
  progress.error = outcome.error
})

const execute = (
  session: Session,
  message: Extract<Message, { readonly _tag: "Execute" }>,
  progress: Progress,
  alone: boolean
): Waiting => {
  const portal = session.portals.get(message.portal)
  const prepared = portal?.named.prepared
  if (portal === undefined || prepared === undefined) {
    progress.batch.push(message.frame)
    return undefined
  }
  session.arrive(prepared)
  if (prepared.plan._tag !== "Plain") return answer(session, prepared, progress, alone)
  const { batch } = progress
  progress.batch = []
  const call = { prepared, bound: { rest: portal.rest, types: portal.named.types } }
  const running = Effect.map(
    Execution.run(session, call, batch, [message.frame, ClientMessage.sync], alone),
    (outcome) => {
      Outcome.append(progress.frames, outcome.frames)
      progress.error = outcome.error
      forget(progress, outcome.frames)
    }
  )
  // What may be streamed must not overtake what was answered before.
  return alone && progress.frames.length > 0
    ? Effect.andThen(session.write(progress.frames.splice(0)), running)
    : running
}

const step = (session: Session, message: Message, progress: Progress, alone: boolean): Waiting => {
  switch (message._tag) {
    case "Parse":
      return parse(session, message, progress)
    case "Bind":
      return bind(session, message, progress)
    case "Describe":
      return describe(session, message, progress)
    case "Execute":
      return execute(session, message, progress, alone)
    case "Close":
      return close(session, message, progress)
    default:
      return undefined
  }
}

/**
 * Answers messages of the extended protocol up to Sync or Flush. Gives whether the rest up to Sync is to be ignored.
 */
export const extended = Effect.fnUntraced(function* (
  session: Session,
  messages: ReadonlyArray<Message>,
  end: "Sync" | "Flush"
): Effect.fn.Return<boolean, Failure> {
  const progress: Progress = { frames: [], batch: [], made: [], error: undefined }
  let executions = 0
  for (const message of messages) if (message._tag === "Execute") executions++
  const alone = end === "Sync" && executions === 1 && session.transaction === undefined
  // A portal lives as long as its transaction, so one that outlives this unit needs a transaction.
  const outlives = end === "Flush" && messages.some((message) => message._tag === "Bind")
  if (outlives) yield* Block.open(session)
  for (const message of messages) {
    const waiting = step(session, message, progress, alone)
    if (waiting !== undefined) yield* waiting
    if (progress.error !== undefined) break
  }
  if (progress.error === undefined) yield* flush(session, progress)
  if (progress.error !== undefined) yield* Block.fail(session)
  Begin.snapshot(session)
  if (end === "Sync") {
    progress.error = (yield* Block.settle(session, progress.error !== undefined)) ?? progress.error
    if (session.transaction === undefined) session.portals.clear()
    yield* finish(session, progress.frames, progress.error)
    return false
  }
  yield* session.write([...progress.frames, ...(progress.error === undefined ? [] : [progress.error])])
  return progress.error !== undefined
})

/** Answers the Sync after an error that Flush had told. */
export const recover = Effect.fnUntraced(function* (session: Session): Effect.fn.Return<void, Failure> {
  yield* Block.settle(session, true)
  yield* finish(session, [], undefined)
})

/**
 * Parking: a transaction that is in somebody's way is rolled back to its base
 * savepoint, which frees its rows and keeps its snapshot, and its journal of
 * what it did brings it back when its client speaks again.
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as Shadows from "../database/shadows.ts"
import type { Answer, BackendLost, Batch, Guard, Sink } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import { qualified, unqualified } from "../statement/tables.ts"
import * as Drawing from "./drawing.ts"
import * as Keys from "./keys.ts"
import type { Member } from "./state.ts"
import { type Call, enter, type Transaction } from "./transaction.ts"

/** Every transaction has one, before anything else. */
export const savepoint = "dsql_base"
const toBase = [ClientMessage.query(`ROLLBACK TO SAVEPOINT ${savepoint}`)]
const again = "dsql_again"

/** The steward's eyes, if there is anybody else to wait for. */
const guardOf = ({ database, guard }: Member): Guard | undefined => (database.members.size === 1 ? undefined : guard)

/** Sends a batch under the steward's eyes. */
export const send = (member: Member, batch: Batch, sink?: Sink): Effect.Effect<Answer, BackendLost> =>
  member.backend.exchange(batch, guardOf(member), sink)

type Batches = Readonly<Record<string, Batch | undefined>>

/** The answers to batches that were sent together, by the names of the batches, and the first error among them. */
export interface Replies<R extends Batches> {
  readonly to: { readonly [K in keyof R]: undefined extends R[K] ? Answer | undefined : Answer }
  readonly error: Frame.Frame | undefined
}

/** Sends batches together, in their order, under the steward's eyes. */
export const sendAll = <R extends Batches>(member: Member, batches: R): Effect.Effect<Replies<R>, BackendLost> => {
  const names: Array<string> = []
  const sent: Array<Batch> = []
  for (const name in batches) {
    const batch = batches[name]
    if (batch === undefined) continue
    names.push(name)
    sent.push(batch)
  }
  return Effect.map(member.backend.pipeline(sent, guardOf(member)), (answers) => {
    const to: Record<string, Answer | undefined> = {}
    let error: Frame.Frame | undefined
    for (let i = 0; i < names.length; i++) {
      to[names[i] ?? ""] = answers[i]
      error ??= answers[i]?.error
    }
    // There is one answer for each batch, in the order of the batches: this is what a pipeline promises.
    return { to: to as Replies<R>["to"], error }
  })
}

/** Milliseconds in which the steward's word reaches a statement, or the one after it. */
const patience = 5_000

/**
 * Whether an error means that the statement was asked to yield to another. A client may have a timeout of its own, and
 * others may cancel it: only what the steward has told it is the steward's.
 */
export const isYield = (member: Member, error: ServerMessage.ServerError): boolean =>
  (performance.now() - member.told < patience &&
    error.sqlstate === "57014" &&
    error.message.endsWith("user request")) ||
  error.sqlstate === "40P01" ||
  // PostgreSQL counts a writer that was parked at the wrong moment among those of a row; the next time it does not.
  error.message.startsWith("new multixact has more than one updating member")

/** Bytes of rows that are kept as they are: to hash them takes longer. */
const few = 512

/** What tells answers apart: the rows, and the word that they are complete. */
const digest = (frames: ReadonlyArray<Frame.Frame>): string => {
  const last = frames.at(-1)
  // Most writes answer with a count alone.
  if (last?.[0] === Frame.code.commandComplete && frames.at(-2)?.[0] !== Frame.code.dataRow) {
    return ServerMessage.readTag(last)
  }
  const told = frames.filter((frame) => frame[0] === Frame.code.dataRow || frame[0] === Frame.code.commandComplete)
  const size = told.reduce((bytes, { length }) => bytes + length, 0)
  if (size <= few) return told.map((frame) => frame.toString("latin1")).join("")
  const hash = createHash("sha1")
  for (const frame of told) hash.update(frame)
  return hash.digest("base64")
}

// Both outlive an earlier use: the statement an error, the portal a success.
const clear = Buffer.concat([ClientMessage.close("S", again), ClientMessage.close("P", again)])

const callAgain = (call: Call, sql: string): Batch =>
  call.bound === undefined
    ? [ClientMessage.query(sql), ...(call.rows ?? [])]
    : [
        clear,
        ClientMessage.parse(again, sql, call.bound.types),
        ClientMessage.bind(again, again, call.bound.rest),
        ClientMessage.execute(again, 0),
        ...(call.rows ?? []),
        ClientMessage.sync
      ]

/** Runs a call of the journal; the answer has the messages that Execute would give, or all of a simple query's. */
export const rerun = Effect.fnUntraced(function* (
  member: Member,
  call: Call,
  sql: string,
  drawing: Drawing.Drawing
): Effect.fn.Return<Answer & { readonly drawn: ReadonlyArray<string> }, BackendLost> {
  const { start, stop } = Drawing.around(drawing)
  const { error, to } = yield* sendAll(member, { start, own: callAgain(call, sql), stop })
  const { drawn, frames } = Drawing.separate(to.own.frames)
  const own = call.bound === undefined ? frames : frames.filter(ServerMessage.answersExecute)
  return { frames: own, error, tag: to.own.tag, drawn }
})

/** Does a call in private copies, and brings home what it put there. */
const detour = Effect.fnUntraced(function* (member: Member, call: Call, drawing: Drawing.Drawing) {
  const { sql, tables } = call.prepared
  const [target] = tables
  const nothing = { frames: [], tag: undefined, drawn: [] }
  if (target === undefined) return yield* rerun(member, call, sql, drawing)
  const copied = yield* send(member, [ClientMessage.query(Shadows.copy(tables.map(qualified)))])
  if (copied.error !== undefined) return { ...nothing, error: copied.error }
  const [row] = yield* member.backend.query(Shadows.lastCommand(target.name))
  const answer = yield* rerun(member, call, unqualified(sql, tables), drawing)
  if (answer.error !== undefined) return answer
  const home = yield* send(member, [ClientMessage.query(Shadows.bringHome(qualified(target), row?.[0] ?? "-1"))])
  return home.error === undefined ? answer : { ...nothing, error: home.error }
})

/** Does a call of the journal in the tables that it names. */
export const redo = (member: Member, call: Call, drawing: Drawing.Drawing) =>
  call.detour === true ? detour(member, call, drawing) : rerun(member, call, call.prepared.sql, drawing)

/** Frees the rows of a transaction that is idle and keeps its snapshot. Does nothing if it is at work. */
export const park = (member: Member): Effect.Effect<void, BackendLost> =>
  Effect.suspend(() => {
    const { gate, transaction } = member
    const phase = transaction?.phase._tag
    if (transaction === undefined || phase === "Unbegun" || phase === "Failed" || !gate.tryEnter()) return Effect.void
    return Effect.ensuring(rollToBase(member, transaction), Effect.sync(gate.leave))
  })

/** Takes back what a transaction has done in PostgreSQL; its journal stays. */
export const rollToBase = (member: Member, transaction: Transaction): Effect.Effect<void, BackendLost> => {
  enter(transaction, { _tag: "RolledToBase" })
  return Effect.asVoid(member.backend.exchange(toBase))
}

/** Lets the other of a pair that waited for each other go first. */
export const yieldTurn = (member: Member, transaction: Transaction) =>
  Effect.andThen(rollToBase(member, transaction), Effect.sleep(3))

/** Does again what a transaction had done, and says whether it came out the same. */
const replay = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction
): Effect.fn.Return<"same" | "other" | "yield", BackendLost> {
  transaction.beaten = undefined
  for (const entry of transaction.journal) {
    if (entry._tag === "Call") transaction.beaten = entry.call
    const answer =
      entry._tag === "Script"
        ? yield* send(member, [ClientMessage.query(entry.sql)])
        : yield* redo(member, entry.call, Drawing.again(entry.drawn))
    if (answer.error !== undefined) return isYield(member, ServerMessage.readError(answer.error)) ? "yield" : "other"
    if (entry._tag === "Call" && digest(answer.frames) !== entry.digest) return "other"
  }
  return (yield* Keys.isTorn(member, transaction)) ? "other" : "same"
})

/** Brings a parked transaction back: live if it can be, doomed if somebody committed first. */
export const restore = (member: Member, transaction: Transaction): Effect.Effect<void, BackendLost> =>
  transaction.phase._tag === "Parked" ? bringBack(member, transaction) : Effect.void

const bringBack = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction
): Effect.fn.Return<void, BackendLost> {
  while (transaction.phase._tag === "Parked") {
    const result = yield* replay(member, transaction)
    if (result === "yield") yield* yieldTurn(member, transaction)
    else if (result === "same") enter(transaction, { _tag: "Restored" })
    else {
      enter(transaction, { _tag: "Beaten" })
      yield* rollToBase(member, transaction)
    }
  }
})

/** Remembers what a call did, and the values that it was given. */
export const note = (
  transaction: Transaction,
  call: Call,
  frames: ReadonlyArray<Frame.Frame>,
  drawn: ReadonlyArray<string>
): void => {
  transaction.journal.push({ _tag: "Call", call, digest: digest(frames), drawn })
}

/**
 * Parking: a transaction that is in somebody's way is rolled back to its base
 * savepoint, which frees its rows and keeps its snapshot, and its journal of
 * what it did brings it back when its client speaks again.
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import type { BackendLost, Reply } from "../postgres/backend.ts"
import * as Keys from "./keys.ts"
import type { Call, Member, Transaction } from "./state.ts"
import * as Wire from "../protocol/wire.ts"

/** What a client is told: messages, and an error that ends them. */
export interface Outcome {
  readonly frames: ReadonlyArray<Wire.Frame>
  readonly error: Wire.Frame | undefined
}

/** Every transaction has one, before anything else. */
export const savepoint = "dsql_base"
const toBase = Wire.query(`ROLLBACK TO SAVEPOINT ${savepoint}`)
const again = "dsql_again"

/** Sends a request under the steward's eyes. */
export const send = (
  member: Member,
  bytes: ReadonlyArray<Buffer>,
  syncs: number,
  sink?: (slice: Buffer) => boolean
): Effect.Effect<Reply, BackendLost> => {
  const exchange = member.backend.exchange(bytes, syncs, sink)
  if (member.database.members.size === 1) return exchange
  return Effect.suspend(() => {
    const done = member.database.watch(member)
    return Effect.ensuring(exchange, Effect.sync(done))
  })
}

/** Whether an error means that the statement was asked to yield to another. */
export const isYield = (error: Wire.ServerError): boolean =>
  error.sqlstate === "57014" ||
  error.sqlstate === "40P01" ||
  // PostgreSQL counts a writer that was parked at the wrong moment among those of a row; the next time it does not.
  error.message.startsWith("new multixact has more than one updating member")

const digest = (frames: ReadonlyArray<Wire.Frame>): string => {
  const last = frames.at(-1)
  // Most writes answer with a count alone.
  if (last?.[0] === Wire.code.commandComplete && frames.at(-2)?.[0] !== Wire.code.dataRow) return Wire.readTag(last)
  const hash = createHash("sha1")
  for (const frame of frames) {
    if (frame[0] === Wire.code.dataRow || frame[0] === Wire.code.commandComplete) hash.update(frame)
  }
  return hash.digest("base64")
}

// Both outlive an earlier use: the statement an error, the portal a success.
const clear = Buffer.concat([Wire.close("S", again), Wire.close("P", again)])

const callAgain = (call: Call, sql: string): ReadonlyArray<Buffer> =>
  call.bound === undefined
    ? [Wire.query(sql)]
    : [
        clear,
        Wire.parse(again, sql, call.bound.types),
        Wire.bind(again, again, call.bound.rest),
        Wire.execute(again, 0),
        Wire.sync
      ]

/** Messages of an answer that belong to Execute. */
export const isResult = (frame: Wire.Frame): boolean =>
  frame[0] === Wire.code.dataRow ||
  frame[0] === Wire.code.commandComplete ||
  frame[0] === Wire.code.emptyQuery ||
  frame[0] === Wire.code.portalSuspended

/** Runs a call a second time; the answer has the messages that Execute would give, or all of a simple query's. */
export const rerun = Effect.fnUntraced(function* (member: Member, call: Call, sql: string) {
  const reply = yield* send(member, callAgain(call, sql), 1)
  return call.bound === undefined ? reply : { ...reply, frames: reply.frames.filter(isResult) }
})

/** Frees the rows of a transaction that is idle and keeps its snapshot. Does nothing if it is at work. */
export const park = (member: Member): Effect.Effect<void, BackendLost> =>
  Effect.asVoid(
    member.gate.withPermitsIfAvailable(1)(
      Effect.suspend(() => {
        const { transaction } = member
        if (transaction === undefined || !transaction.started || transaction.failed) return Effect.void
        return toBaseOf(member, transaction)
      })
    )
  )

export const toBaseOf = (member: Member, transaction: Transaction): Effect.Effect<void, BackendLost> => {
  transaction.shadow = undefined
  if (transaction.state === "live") transaction.state = "parked"
  return Effect.asVoid(member.backend.exchange([toBase]))
}

/** Lets the other of a pair that waited for each other go first. */
export const yieldTurn = (member: Member, transaction: Transaction) =>
  Effect.andThen(toBaseOf(member, transaction), Effect.sleep(3))

/** Brings a parked transaction back: live if it can be, doomed if somebody committed first. */
export const restore = Effect.fnUntraced(function* (member: Member, transaction: Transaction) {
  attempt: while (transaction.state === "parked") {
    for (const entry of transaction.journal) {
      const reply =
        entry._tag === "Script"
          ? yield* send(member, [Wire.query(entry.sql)], 1)
          : yield* rerun(member, entry.call, entry.call.prepared.sql)
      if (reply.error !== undefined) {
        if (isYield(Wire.readError(reply.error))) {
          yield* yieldTurn(member, transaction)
          continue attempt
        }
        transaction.state = "doomed"
      } else if (entry._tag === "Call" && digest(reply.frames) !== entry.digest) {
        transaction.state = "doomed"
      }
      if (transaction.state === "doomed") return yield* toBaseOf(member, transaction)
    }
    if (yield* Keys.hasGhosts(member, transaction)) {
      transaction.state = "doomed"
      return yield* toBaseOf(member, transaction)
    }
    transaction.state = "live"
  }
})

export const note = (transaction: Transaction, call: Call, frames: ReadonlyArray<Wire.Frame>) => {
  const { plan } = call.prepared
  if (plan._tag !== "Plain" || plan.effects === "read") return
  transaction.journal.push({ _tag: "Call", call, digest: digest(frames) })
}

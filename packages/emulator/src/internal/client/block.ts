/**
 * The transaction that a client's statements share, from what opens it to what ends it.
 */
import * as Effect from "effect/Effect"
import type { Fault } from "../../Faults.ts"
import * as End from "../concurrency/end.ts"
import * as Outcome from "../concurrency/outcome.ts"
import * as Transaction from "../concurrency/transaction.ts"
import type { BackendLost } from "../postgres/backend.ts"
import type * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import * as Refusal from "../statement/refusal.ts"
import type { Client } from "./client.ts"
import { due } from "./due.ts"
import { aftermath, type Cut, strike } from "./injection.ts"

/** How the client's transaction stands, as ReadyForQuery tells it. */
export const status = ({ transaction }: Client): ServerMessage.Status => {
  if (transaction?.span !== "block") return "idle"
  return Transaction.isFailed(transaction) ? "failed" : "open"
}

const completed = (tag: string): Outcome.Outcome => Outcome.success([ServerMessage.commandComplete(tag)])

const begun = completed("BEGIN")
const ended = { COMMIT: completed("COMMIT"), ROLLBACK: completed("ROLLBACK") }

/** The transaction to run in; one of the emulator's own where the client began none. */
export const current = (client: Client): Transaction.Transaction =>
  (client.transaction ??= Transaction.make(client.database.now(), "message"))

/** Makes sure that there is a transaction, for what has to outlive a message. */
export const open = (client: Client): Effect.Effect<void> => Effect.sync(() => void current(client))

/** Carries out BEGIN. */
export const begin = (client: Client, readOnly: boolean): Outcome.Outcome => {
  const { transaction } = client
  if (Transaction.isFailed(transaction)) return Outcome.failure(Refusal.aborted)
  if (transaction === undefined) {
    client.transaction = Transaction.make(client.database.now(), "block", readOnly)
  } else transaction.span = "block"
  return begun
}

/** Carries out COMMIT or ROLLBACK. */
export const end = Effect.fnUntraced(function* (client: Client, wanted: "COMMIT" | "ROLLBACK") {
  const { transaction } = client
  if (transaction === undefined) return ended[wanted]
  if (wanted === "ROLLBACK" || Transaction.isFailed(transaction)) {
    yield* End.rollback(client, transaction)
    return ended.ROLLBACK
  }
  const error = yield* commit(client, transaction, due(client, "commit"))
  return error === undefined ? ended.COMMIT : { frames: [], error }
})

/** Commits, with what may happen on the way; gives the error that the client gets in place of success. */
export const commit = Effect.fnUntraced(function* (
  client: Client,
  transaction: Transaction.Transaction,
  fault: Fault | undefined
) {
  const refusal = yield* strike(fault)
  if (refusal !== undefined) {
    yield* End.rollback(client, transaction)
    return ServerMessage.error(refusal)
  }
  const error = yield* End.commit(client, transaction)
  if (error !== undefined) return error
  client.connection.commits++
  return yield* aftermath(fault)
})

/** Ends a transaction that the client did not begin, at the end of the message that it spans. */
export const settle = (client: Client, failed: boolean): Effect.Effect<Frame.Frame | undefined, BackendLost | Cut> => {
  const { transaction } = client
  if (transaction === undefined || transaction.span === "block") return Effect.succeed(undefined)
  return failed
    ? Effect.as(End.rollback(client, transaction), undefined)
    : commit(client, transaction, due(client, "commit"))
}

/** What an error does to the transaction that it happened in. */
export const fail = (client: Client): Effect.Effect<void, BackendLost> =>
  client.transaction?.span === "block" ? End.fail(client, client.transaction) : Effect.void

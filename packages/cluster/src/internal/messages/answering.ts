/**
 * A reply is tried for as long as its shard is held: Effect gives one up after a second, and its request would lie there,
 * handed out and never answered. Of what is too large for the database the caller hears as a defect.
 *
 * In a transaction of the entity neither can be: its failure is the transaction's, and the entity begins anew.
 */
import { LimitExceeded } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import type { MalformedMessage, PersistenceError } from "effect/cluster/ClusterError"
import * as Reply from "effect/cluster/Reply"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import * as Schedule from "effect/Schedule"
import { isRefused } from "../storing.ts"

type Answered = Effect.Effect<void, MalformedMessage | PersistenceError>

/** Gives the answers of one request, by what saves and tells one, while something is so. */
export const answering =
  <R extends Rpc.Any>(respond: (reply: Reply.ReplyWithContext<R>) => Answered, isHeld: () => boolean) =>
  (reply: Reply.ReplyWithContext<R>): Answered =>
    Effect.withFiber<void, MalformedMessage | PersistenceError>((fiber) => {
      const once = respond(reply)
      if (Context.getOption(fiber.context, Transaction.Transaction)._tag === "Some") return once
      return once.pipe(
        Effect.retry({
          while: (error) => error._tag === "PersistenceError" && !isRefused(error) && isHeld(),
          schedule: Schedule.spaced("500 millis")
        }),
        Effect.catchTag("PersistenceError", (error) =>
          error.cause instanceof LimitExceeded ? instead(reply.reply, error, error.cause, respond) : Effect.fail(error)
        )
      )
    })

/** Ends a request whose reply is too large. The stream of a chunk ends with it. */
const instead = <R extends Rpc.Any>(
  { _tag, id, requestId }: Reply.Reply<R>,
  error: PersistenceError,
  { message }: LimitExceeded,
  respond: (reply: Reply.ReplyWithContext<R>) => Answered
): Answered => {
  const what = _tag === "Chunk" ? "a chunk of the reply" : "the reply"
  const defect = new Error(`${what} of request ${requestId} is not stored: ${message}`)
  const told = respond(Reply.ReplyWithContext.fromDefect({ id, requestId, defect }))
  return _tag === "Chunk" ? Effect.andThen(told, Effect.fail(error)) : told
}

/**
 * The fence travels with each request: its `respond` writes under the fence under which it was handed out, whatever
 * this process has been granted since. A chunk that is tried again keeps the id under which it was tried first.
 */
import type { EntityAddress } from "effect/cluster/EntityAddress"
import * as Message from "effect/cluster/Message"
import type * as MessageStorage from "effect/cluster/MessageStorage"
import type * as Reply from "effect/cluster/Reply"
import type { Snowflake } from "effect/cluster/Snowflake"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type { Holding } from "../../Holding.ts"
import { answering } from "./answering.ts"
import type { Claims, HandOut } from "./claims.ts"

/** The request that a reply is of, as it was handed out. */
export interface Travelling extends HandOut {
  readonly address: EntityAddress
}

/** What a reply travels under; undefined where it is not `respond` that sends it. */
export const Travelling = Context.Reference<Travelling | undefined>("@effect-dsql/cluster/internal/Travelling", {
  defaultValue: () => undefined
})

/**
 * A chunk is tried again where nobody knows what became of it, as another object with a new id. It may be stored and even
 * be acknowledged by its first one, so it is given that: to the storage, to the callers who are told of it, and to the
 * entity, which goes by the object that it keeps. No other chunk of a hand-out has its number.
 */
const keepingIds = (): (<R extends Rpc.Any>(reply: Reply.Reply<R>) => void) => {
  let tried: { readonly sequence: number; readonly id: Snowflake } | undefined
  return (reply) => {
    if (reply._tag !== "Chunk") return
    if (reply.sequence === tried?.sequence) Object.assign(reply, { id: tried.id })
    else tried = { sequence: reply.sequence, id: reply.id }
  }
}

/** The storage whose messages carry what they were handed out under. */
export const withFences = (
  storage: MessageStorage.MessageStorage["Service"],
  holding: Holding["Service"],
  claims: Claims
): MessageStorage.MessageStorage["Service"] => {
  const carrying = <R extends Rpc.Any>(message: Message.Incoming<R>): Message.Incoming<R> => {
    if (message._tag !== "IncomingRequest") return message
    const handOut = claims.find(message.envelope.requestId)
    if (handOut === undefined) return message
    const { address } = message.envelope
    const travelling: Travelling = { shardId: handOut.shardId, fence: handOut.fence, address }
    const keepId = keepingIds()
    const answer = answering(
      (reply: Reply.ReplyWithContext<R>) => Effect.provideService(message.respond(reply), Travelling, travelling),
      () => holding.find(handOut.shardId)?.fence === handOut.fence
    )
    return new Message.IncomingRequest({
      ...message,
      respond: (reply) => {
        // At once: the entity may be sent an acknowledgement as soon as it has made the chunk.
        keepId(reply.reply)
        return answer(reply)
      }
    })
  }
  return {
    ...storage,
    unprocessedMessages: (shardIds, options) =>
      Effect.map(storage.unprocessedMessages(shardIds, options), (messages) => messages.map(carrying)),
    unprocessedMessagesById: <R extends Rpc.Any>(ids: Iterable<Snowflake>) =>
      Effect.map(storage.unprocessedMessagesById<R>(ids), (messages) => messages.map(carrying))
  }
}

/**
 * The fence travels with each request: its `respond` writes under the fence under which it was handed out, whatever
 * this process has been granted since.
 */
import type { EntityAddress } from "effect/cluster/EntityAddress"
import * as Message from "effect/cluster/Message"
import type * as MessageStorage from "effect/cluster/MessageStorage"
import type { Snowflake } from "effect/cluster/Snowflake"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type { Claims, HandOut } from "./claims.ts"

/** The request that a reply is of, as it was handed out. */
export interface Travelling extends HandOut {
  readonly address: EntityAddress
}

/** What a reply travels under; undefined where it is not `respond` that sends it. */
export const Travelling = Context.Reference<Travelling | undefined>("@effect-dsql/cluster/internal/Travelling", {
  defaultValue: () => undefined
})

/** The storage whose messages carry what they were handed out under. */
export const withFences = (
  storage: MessageStorage.MessageStorage["Service"],
  claims: Claims
): MessageStorage.MessageStorage["Service"] => {
  const carrying = <R extends Rpc.Any>(message: Message.Incoming<R>): Message.Incoming<R> => {
    if (message._tag !== "IncomingRequest") return message
    const handOut = claims.find(message.envelope.requestId)
    if (handOut === undefined) return message
    const { address } = message.envelope
    const travelling: Travelling = { shardId: handOut.shardId, fence: handOut.fence, address }
    return new Message.IncomingRequest({
      ...message,
      respond: (reply) => Effect.provideService(message.respond(reply), Travelling, travelling)
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

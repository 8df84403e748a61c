/**
 * The operations of Effect's storages that `docs/round-trips.md` counts.
 */
import { Inspection, Retention } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import { DateTime, Effect, type Scope, Stream } from "effect"
import { type Message, Runner } from "effect/cluster"
import type { Rpc } from "effect/rpc"
import {
  ack,
  address,
  chunk,
  exit,
  interrupt,
  keyed,
  prefix,
  process,
  request,
  requestIn,
  shard,
  streamed
} from "./cluster.ts"

/** Readies what is counted, and gives it. */
export type Readied = Effect.Effect<Effect.Effect<unknown, unknown>, unknown, DsqlClient.DsqlClient | Scope.Scope>

const started = Effect.suspend(() =>
  Effect.map(process({ prefix: prefix() }), (one) => ({
    ...one,
    runner: Runner.make({ address: one.address, groups: ["default"], weight: 1 })
  }))
)

const handedOut = (send: () => Message.OutgoingRequest<Rpc.AnyWithProps> = request) =>
  Effect.gen(function* () {
    const sent = send()
    const one = yield* started
    yield* one.runners.acquire(one.address, [shard(), shard(2)])
    yield* one.messages.saveRequest(sent)
    return { ...one, sent, incoming: requestIn(yield* one.messages.unprocessedMessages([shard()])) }
  })

const answered = Effect.gen(function* () {
  const one = yield* handedOut()
  const said = exit(one.sent)
  yield* one.incoming.respond(said)
  return { ...one, said }
})

/** What is asked of a cluster that has answered a request. */
const asked = (ask: (prefix: string) => Effect.Effect<unknown, unknown, DsqlClient.DsqlClient>): Readied =>
  Effect.gen(function* () {
    const { holding } = yield* answered
    return Effect.provideService(ask(holding.prefix), DsqlClient.DsqlClient, yield* DsqlClient.DsqlClient)
  })

/** What `docs/round-trips.md` counts, by its names. */
export const operations: Readonly<Record<string, Readied>> = {
  "save a request": Effect.map(started, ({ messages }) => messages.saveRequest(keyed("k"))),
  "save a request that is there already": Effect.gen(function* () {
    const { messages } = yield* started
    yield* messages.saveRequest(keyed("k"))
    return messages.saveRequest(keyed("k"))
  }),
  "save an interrupt": Effect.map(handedOut(), ({ messages, sent }) => messages.saveEnvelope(interrupt(sent))),
  "acknowledge a chunk": Effect.gen(function* () {
    const { incoming, messages, sent } = yield* handedOut(streamed)
    const said = chunk(sent, 0)
    yield* incoming.respond(said)
    return messages.saveEnvelope(ack(sent, said))
  }),
  "poll 100 shards": Effect.map(handedOut(), ({ messages }) =>
    messages.unprocessedMessages(Array.from({ length: 100 }, (_, index) => shard(index + 1)))
  ),
  "read messages by their ids": Effect.map(handedOut(), ({ messages, sent }) =>
    messages.unprocessedMessagesById([sent.envelope.requestId])
  ),
  "confirm the shard and save an exit": Effect.map(handedOut(), ({ address, incoming, runners, sent }) =>
    Effect.andThen(runners.refresh(address, [shard()]), incoming.respond(exit(sent)))
  ),
  "save a chunk": Effect.map(handedOut(streamed), ({ incoming, sent }) => incoming.respond(chunk(sent, 0))),
  "refuse a stale reply": Effect.gen(function* () {
    const { address, incoming, runners, sent } = yield* handedOut()
    yield* runners.release(address, shard())
    return Effect.flip(incoming.respond(exit(sent)))
  }),
  "read the replies of a request": Effect.map(answered, ({ messages, sent }) => messages.repliesFor([sent])),
  "clear an exit": Effect.map(answered, ({ messages, sent }) => messages.clearReplies(sent.envelope.requestId)),
  "clear an exit that is expected": Effect.map(answered, ({ messages, said, sent }) =>
    messages.clearReplies(sent.envelope.requestId, { expectedReplyId: said.reply.id })
  ),
  "find a request by its key": Effect.map(handedOut(), ({ messages, sent }) =>
    messages.requestIdForPrimaryKey({ address: sent.envelope.address, tag: "Keyed", id: "k" })
  ),
  "clear an address": Effect.map(answered, ({ messages }) => messages.clearAddress(address("1"))),
  "reset shards, addresses or requests": Effect.map(handedOut(), ({ messages, sent }) =>
    Effect.all([
      messages.resetShards([shard()]),
      messages.resetAddress(address("1")),
      messages.resetRequests([sent.envelope.requestId])
    ])
  ),
  "register a runner": Effect.map(started, ({ runner, runners }) => runners.register(runner, true)),
  "list the runners": Effect.map(started, ({ runners }) => runners.getRunners),
  "set a runner's health": Effect.map(started, ({ address, runners }) => runners.setRunnerHealth(address, false)),
  "acquire 100 shards": Effect.map(started, ({ address, runners }) =>
    runners.acquire(
      address,
      Array.from({ length: 100 }, (_, index) => shard(index + 1))
    )
  ),
  "refresh 1,000 shards": Effect.gen(function* () {
    const { address, runners } = yield* started
    const shards = Array.from({ length: 1_000 }, (_, index) => shard(index + 1))
    yield* runners.acquire(address, shards)
    return runners.refresh(address, shards)
  }),
  "release a shard, or all": Effect.map(handedOut(), ({ address, runners }) => runners.releaseAll(address)),
  "look at a cluster": asked((prefix) => Inspection.status({ prefix })),
  "forget 300 requests": asked((prefix) =>
    Effect.flatMap(DateTime.now, (now) =>
      Stream.runDrain(Retention.prune({ prefix, finishedBefore: DateTime.add(now, { minutes: 1 }) }))
    )
  )
}

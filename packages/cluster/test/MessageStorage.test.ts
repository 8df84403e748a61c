/**
 * Effect's own suite of message storages, in this repository's words, and what this storage promises beyond it.
 */
import { Testing } from "@effect-dsql/testing"
import { assert } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Latch, Option } from "effect"
import { type Envelope, Message, type Reply } from "effect/cluster"
import type { Rpc } from "effect/rpc"
import { randomBytes } from "node:crypto"
import {
  ack,
  address,
  chunk,
  delayed,
  describeForms,
  exit,
  id,
  interrupt,
  keyed,
  prefix,
  process,
  request,
  requestIn,
  rows,
  shard,
  streamed
} from "./support/cluster.ts"

const ids = (messages: ReadonlyArray<Message.Incoming<Rpc.AnyWithProps>>) =>
  messages.map(({ envelope }) => (envelope as Envelope.PartialRequest).address.entityId as string)

/** More than a column may have, in whatever way it is packed. */
const tooLarge = randomBytes(2 ** 20).toString("hex")

const stored = Effect.suspend(() => Effect.map(process({ prefix: prefix() }), ({ messages }) => messages))

/** That of a runner that holds the shard. */
const held = Effect.suspend(() =>
  Effect.flatMap(process({ prefix: prefix() }), ({ address, messages, runners }) =>
    Effect.as(runners.acquire(address, [shard()]), messages)
  )
)

describeForms("DsqlMessageStorage", (it) => {
  it.effect("hands a message out once, in the order in which they were sent", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const first = request({ entityId: "1" })
      for (const each of [first, request({ entityId: "2" }), request({ entityId: "3" })]) {
        assert.strictEqual((yield* messages.saveRequest(each))._tag, "Success")
      }
      yield* messages.saveReply(exit(first))
      assert.deepStrictEqual(ids(yield* messages.unprocessedMessages([shard()])), ["2", "3"])
      yield* messages.saveRequest(request({ entityId: "4" }))
      assert.deepStrictEqual(ids(yield* messages.unprocessedMessages([shard()])), ["4"])
    })
  )

  it.effect("gives a message back as it was sent", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = request({ payload: { id: 7 } })
      yield* messages.saveRequest(sent)
      const { envelope } = requestIn(yield* messages.unprocessedMessages([shard()]))
      assert.deepStrictEqual({ ...envelope.headers }, { tenant: "t1" })
      assert.deepStrictEqual(envelope.payload as unknown, { id: 7 })
      assert.deepStrictEqual(
        [envelope.requestId, envelope.tag, envelope.address],
        [sent.envelope.requestId, sent.envelope.tag, sent.envelope.address]
      )
    })
  )

  it.effect("knows a request by its key, of any length, and gives its last reply", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const key = "a key that is long ".repeat(50)
      const send = () => messages.saveRequest(streamed(key))
      const first = streamed(key)
      assert.strictEqual((yield* messages.saveRequest(first))._tag, "Success")
      const again = yield* send()
      assert.deepStrictEqual(again._tag === "Duplicate" && [again.originalId, again.lastReceivedReply], [
        first.envelope.requestId,
        Option.none()
      ])
      yield* messages.saveReply(chunk(first, 0))
      const after = yield* send()
      assert.strictEqual(after._tag === "Duplicate" && Option.getOrThrow(after.lastReceivedReply)._tag, "Chunk")
      yield* messages.saveReply(exit(first))
      const last = yield* send()
      assert.strictEqual(last._tag === "Duplicate" && Option.getOrThrow(last.lastReceivedReply)._tag, "WithExit")
      assert.deepStrictEqual(
        yield* messages.requestIdForPrimaryKey({ address: first.envelope.address, tag: "Streamed", id: key }),
        Option.some(first.envelope.requestId)
      )
    })
  )

  it.effect("saves what is sent at once each by itself: what is there already, and what the database refuses", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const first = keyed("k")
      const sent = [first, keyed("k"), request({ entityId: "2" }), request({ entityId: "3".repeat(300) }), keyed("l")]
      const saved = yield* Effect.forEach(sent, (each) => Effect.exit(messages.saveRequest(each)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        saved.map((each) => {
          if (Exit.isFailure(each)) return "refused"
          return each.value._tag === "Duplicate" ? each.value.originalId : "Success"
        }),
        ["Success", first.envelope.requestId, "Success", "refused", "Success"]
      )
      assert.deepStrictEqual(ids(yield* messages.unprocessedMessages([shard()])), ["1", "2", "1"])
    })
  )

  it.effect("says of a request that is sent again under its own id that it was saved", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      for (const sent of [request(), keyed("k")]) {
        assert.strictEqual((yield* messages.saveRequest(sent))._tag, "Success")
        assert.strictEqual((yield* messages.saveRequest(sent))._tag, "Success")
      }
      assert.strictEqual((yield* messages.unprocessedMessages([shard()])).length, 2)
    })
  )

  it.effect("hands out so many messages as are asked for, and claims no others", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      for (const entityId of ["1", "2", "3", "4", "5"]) yield* messages.saveRequest(request({ entityId }))
      assert.deepStrictEqual(ids(yield* messages.unprocessedMessages([shard()], { limit: 3 })), ["1", "2", "3"])
      assert.deepStrictEqual(ids(yield* messages.unprocessedMessages([shard()])), ["4", "5"])
    })
  )

  it.effect(
    "hands out the messages of the entities that are asked for, on their shards, and of none where none is",
    () =>
      Effect.gen(function* () {
        const messages = yield* stored
        const shards = [shard(1), shard(2)]
        for (const shardId of shards) {
          for (const entityId of ["1", "2"]) yield* messages.saveRequest(request({ entityId, shardId }))
        }
        const poll = (addresses?: ReadonlyArray<ReturnType<typeof address>>) =>
          messages.unprocessedMessages(shards, addresses && { addresses })
        assert.deepStrictEqual(yield* poll([]), [])
        const found = yield* poll([address("2", shard(2))])
        assert.deepStrictEqual(
          found.map(({ envelope }) => envelope.address),
          [address("2", shard(2))]
        )
        assert.strictEqual((yield* poll()).length, 3)
      })
  )

  it.effect("hands a message out again once it is reset: by its address, its id, or its shard", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = request({ entityId: "1" })
      yield* messages.saveRequest(sent)
      yield* messages.saveRequest(request({ entityId: "2" }))
      const poll = Effect.map(messages.unprocessedMessages([shard()]), ids)
      assert.deepStrictEqual(yield* poll, ["1", "2"])
      yield* messages.resetAddresses([])
      assert.deepStrictEqual(yield* poll, [])
      yield* messages.resetAddress(address("2"))
      assert.deepStrictEqual(yield* poll, ["2"])
      yield* messages.resetRequests([sent.envelope.requestId])
      assert.deepStrictEqual(yield* poll, ["1"])
      yield* messages.resetShards([shard()])
      assert.deepStrictEqual(yield* poll, ["1", "2"])
    })
  )

  it.effect("hands a message out when it is due", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const now = yield* Clock.currentTimeMillis
      const late = delayed(now + 3_600_000)
      yield* messages.saveRequest(late)
      const due = delayed(now - 1.5)
      yield* messages.saveRequest(due)
      const found = yield* messages.unprocessedMessages([shard()])
      assert.deepStrictEqual(
        found.map(({ envelope }) => envelope.requestId),
        [due.envelope.requestId]
      )
      // What is decided is gone, whenever it was due.
      yield* messages.saveReply(exit(late))
      assert.strictEqual((yield* rows(`SELECT id FROM cluster_inbox WHERE id = ${late.envelope.requestId}`)).length, 0)
    })
  )

  it.effect("hands a request out by its id until it is decided", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = request()
      yield* messages.saveRequest(sent)
      const byId = messages.unprocessedMessagesById([sent.envelope.requestId])
      assert.strictEqual((yield* byId).length, 1)
      // It was looked at, and is not anybody's for that.
      assert.strictEqual((yield* messages.unprocessedMessages([shard()])).length, 1)
      yield* messages.saveReply(exit(sent))
      assert.deepStrictEqual(yield* byId, [])
    })
  )

  it.effect("gives the replies that nobody has acknowledged, or all that it has", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = streamed()
      yield* messages.saveRequest(sent)
      const unheard = Effect.map(messages.repliesFor([sent]), (replies) => replies.map(({ _tag }) => _tag))
      const all = Effect.map(messages.repliesForUnfiltered([sent.envelope.requestId]), (replies) => replies.length)
      assert.deepStrictEqual(yield* unheard, [])
      const chunks = [chunk(sent, 0), chunk(sent, 1), chunk(sent, 2)]
      for (const each of chunks) {
        yield* messages.saveReply(each)
        assert.deepStrictEqual(yield* unheard, ["Chunk"])
        yield* messages.saveEnvelope(ack(sent, each))
        assert.deepStrictEqual(yield* unheard, [])
        // The last one that was acknowledged says where the stream goes on; those before it are forgotten.
        assert.strictEqual(yield* all, 1)
      }
      yield* messages.saveReply(exit(sent))
      assert.deepStrictEqual(yield* unheard, ["WithExit"])
      assert.strictEqual(yield* all, 2)
    })
  )

  it.effect("hands a stream's request out from where it was heard, with its last acknowledgement", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = streamed()
      yield* messages.saveRequest(sent)
      yield* messages.unprocessedMessages([shard()])
      const poll = Effect.andThen(messages.resetShards([shard()]), messages.unprocessedMessages([shard()]))
      for (const sequence of [0, 1]) {
        const each = chunk(sent, sequence)
        yield* messages.saveReply(each)
        assert.deepStrictEqual(yield* poll, [])
        const acknowledgement = ack(sent, each)
        yield* messages.saveEnvelope(acknowledgement)
        const found = yield* poll
        const [request, heard] = found
        assert.strictEqual(found.length, 2)
        assert.strictEqual(
          request?._tag === "IncomingRequest" && Option.getOrThrow(request.lastSentReply).id,
          String(each.reply.id)
        )
        assert.deepStrictEqual(heard?.envelope, acknowledgement.envelope)
      }
    })
  )

  it.effect("puts another chunk in the place of one that nobody has acknowledged", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = streamed()
      yield* messages.saveRequest(sent)
      yield* messages.saveReply(chunk(sent, 0, 1))
      const other = chunk(sent, 0, 2)
      yield* messages.saveReply(other)
      const ids = (yield* messages.repliesFor([sent])).map((reply) => reply.id)
      assert.deepStrictEqual(ids, [other.reply.id])
    })
  )

  for (const when of ["before", "after"] as const) {
    it.effect(`keeps the id of a chunk that is tried again ${when} it was acknowledged, for all who know of it`, () =>
      Effect.gen(function* () {
        const messages = yield* stored
        const sent = streamed()
        yield* messages.saveRequest(sent)
        const incoming = requestIn(yield* messages.unprocessedMessages([shard()]))
        const told: Array<unknown> = []
        const respond = (reply: Reply.Reply<Rpc.AnyWithProps>) => Effect.sync(() => void told.push(reply.id))
        yield* Effect.forkChild(messages.registerReplyHandler(new Message.OutgoingRequest({ ...sent, respond })), {
          startImmediately: true
        })
        const poll = Effect.map(messages.unprocessedMessages([shard()]), (found) =>
          found.map(({ envelope }) => envelope._tag === "AckChunk" && envelope.replyId)
        )
        // The runner tries again where it does not know what became of the first one, and knows the last one.
        const [first, again] = [chunk(sent, 0), chunk(sent, 0)]
        const { id } = first.reply
        yield* incoming.respond(first)
        if (when === "before") yield* incoming.respond(again)
        yield* messages.saveEnvelope(ack(sent, when === "before" ? again : first))
        assert.deepStrictEqual(yield* poll, [id])
        if (when === "after") yield* incoming.respond(again)
        assert.deepStrictEqual([again.reply.id, ...told], [id, id, id])
        assert.deepStrictEqual(yield* messages.repliesFor([sent]), [])
        const next = chunk(sent, 1)
        yield* incoming.respond(next)
        assert.deepStrictEqual(
          (yield* messages.repliesFor([sent])).map((reply) => reply.id),
          [next.reply.id]
        )
      })
    )
  }

  it.effect("goes by the acknowledgement of the last chunk, whenever one of another comes", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = streamed()
      yield* messages.saveRequest(sent)
      yield* messages.unprocessedMessages([shard()])
      const [first, last] = [chunk(sent, 0), chunk(sent, 1)]
      for (const each of [first, last]) {
        yield* messages.saveReply(each)
        yield* messages.saveEnvelope(ack(sent, each))
      }
      // Two callers have one key, and one of them is slow.
      yield* messages.saveEnvelope(ack(sent, first))
      yield* messages.resetShards([shard()])
      const [request, heard] = yield* messages.unprocessedMessages([shard()])
      assert.strictEqual(
        request?._tag === "IncomingRequest" && Option.getOrThrow(request.lastSentReply).id,
        String(last.reply.id)
      )
      assert.strictEqual(heard?.envelope._tag === "AckChunk" && heard.envelope.replyId, last.reply.id)
    })
  )

  it.effect("hands a stream that its caller has left out to its new owner, who ends it", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = streamed()
      yield* messages.saveRequest(sent)
      yield* messages.unprocessedMessages([shard()])
      yield* messages.saveReply(chunk(sent, 0))
      yield* messages.saveEnvelope(interrupt(sent))
      yield* messages.resetShards([shard()])
      const found = yield* messages.unprocessedMessages([shard()])
      assert.deepStrictEqual(
        found.map(({ envelope }) => envelope._tag),
        ["Request", "Interrupt"]
      )
      yield* messages.resetShards([shard()])
      assert.lengthOf(yield* messages.unprocessedMessagesById([sent.envelope.requestId]), 1)
    })
  )

  it.effect("stores a reply as soon as the database takes it again", () =>
    Effect.gen(function* () {
      const messages = yield* held
      const sent = request()
      yield* messages.saveRequest(sent)
      const incoming = requestIn(yield* messages.unprocessedMessages([shard()]))
      const control = yield* Testing.Control
      // More often than one statement is tried to settle what became of it.
      yield* control.inject({ on: "commit", fault: "unavailable", times: 8 })
      yield* Effect.ensuring(incoming.respond(exit(sent)), Effect.orDie(control.clear))
      assert.strictEqual((yield* messages.repliesFor([sent])).length, 1)
    })
  )

  it.effect("tells a caller of a reply that the database does not take", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = request()
      yield* messages.saveRequest(sent)
      const incoming = requestIn(yield* messages.unprocessedMessages([shard()]))
      yield* incoming.respond(exit(sent, tooLarge))
      const [reply] = yield* messages.repliesFor([sent])
      const cause = reply?._tag === "WithExit" && Exit.isFailure(reply.exit) ? reply.exit.cause : undefined
      assert.match(cause === undefined ? "no failure" : Cause.pretty(cause), /the reply of request \d+ is not stored: /)
    })
  )

  it.effect("ends a stream of which the database does not take a chunk", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = streamed()
      yield* messages.saveRequest(sent)
      const incoming = requestIn(yield* messages.unprocessedMessages([shard()]))
      const error = yield* Effect.flip(incoming.respond(chunk(sent, 0, tooLarge)))
      assert.strictEqual(error._tag, "PersistenceError")
      const replies = yield* messages.repliesFor([sent])
      assert.deepStrictEqual(
        replies.map((reply) => reply._tag === "WithExit" && Exit.hasDies(reply.exit)),
        [true]
      )
    })
  )

  it.effect("hands out interrupts while their request waits, and none after", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = request()
      yield* messages.saveRequest(sent)
      yield* messages.unprocessedMessages([shard()])
      const stop = interrupt(sent)
      yield* messages.saveEnvelope(stop)
      assert.deepStrictEqual(
        (yield* messages.unprocessedMessages([shard()])).map(({ envelope }) => envelope),
        [stop.envelope as Envelope.Interrupt]
      )
      yield* messages.saveReply(exit(sent))
      yield* messages.saveEnvelope(interrupt(sent))
      yield* messages.resetShards([shard()])
      assert.deepStrictEqual(yield* messages.unprocessedMessages([shard()]), [])
    })
  )

  it.effect("lets a request wait anew once its exit is cleared, if that is still the one", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = request()
      const { requestId } = sent.envelope
      const poll = Effect.map(messages.unprocessedMessages([shard()]), (found) => found.length)
      yield* messages.saveRequest(sent)
      assert.strictEqual(yield* poll, 1)
      const first = exit(sent)
      yield* messages.saveReply(first)
      yield* messages.clearReplies(requestId, { expectedReplyId: id() })
      assert.strictEqual(yield* poll, 0)
      yield* messages.clearReplies(requestId, { expectedReplyId: first.reply.id })
      assert.deepStrictEqual(yield* messages.repliesFor([sent]), [])
      assert.strictEqual(yield* poll, 1)
      yield* messages.saveReply(exit(sent))
      yield* messages.clearReplies(requestId, { expectedReplyId: first.reply.id })
      assert.strictEqual((yield* messages.repliesFor([sent])).length, 1)
      yield* messages.clearReplies(requestId)
      assert.strictEqual(yield* poll, 1)
    })
  )

  it.effect("forgets an entity with all that was said, and no other one", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const gone = keyed("k", { entityId: "1" })
      const done = request({ entityId: "1" })
      const other = request({ entityId: "2" })
      for (const each of [gone, done, other]) yield* messages.saveRequest(each)
      yield* messages.saveReply(exit(done))
      yield* messages.saveEnvelope(interrupt(gone))
      yield* messages.clearAddress(address("1"))
      assert.deepStrictEqual(ids(yield* messages.unprocessedMessages([shard()])), ["2"])
      assert.deepStrictEqual(yield* messages.repliesFor([done]), [])
      assert.strictEqual((yield* messages.saveRequest(keyed("k", { entityId: "1" })))._tag, "Success")
    })
  )

  it.effect("decides a request once", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const sent = request()
      yield* messages.saveRequest(sent)
      const first = exit(sent, 1)
      yield* messages.saveReply(first)
      yield* messages.saveReply(first)
      assert.strictEqual((yield* Effect.flip(messages.saveReply(exit(sent, 1))))._tag, "PersistenceError")
      assert.strictEqual((yield* messages.repliesFor([sent])).length, 1)
    })
  )

  it.effect("knows an exit under another id, which its runner made because it did not know what had become of it", () =>
    Effect.gen(function* () {
      const { address: runner, messages, runners } = yield* process({ prefix: prefix() })
      yield* runners.acquire(runner, [shard()])
      const sent = request()
      yield* messages.saveRequest(sent)
      const { respond } = requestIn(yield* messages.unprocessedMessages([shard()]))
      yield* respond(exit(sent, 1))
      yield* respond(exit(sent, 1))
      // Another answer of the same runner is refused: callers read the one that is stored.
      assert.strictEqual((yield* Effect.flip(respond(exit(sent, 2))))._tag as string, "EntityNotAssignedToRunner")
      assert.strictEqual((yield* messages.repliesFor([sent])).length, 1)
    })
  )

  it.effect("tells a handler that waits for the reply", () =>
    Effect.gen(function* () {
      const messages = yield* stored
      const told = yield* Latch.make()
      const sent = request()
      yield* messages.saveRequest(sent)
      const waiting = yield* Effect.forkChild(
        messages.registerReplyHandler(new Message.OutgoingRequest({ ...sent, respond: () => told.open })),
        { startImmediately: true }
      )
      yield* messages.saveReply(exit(sent))
      yield* told.await
      yield* Fiber.join(waiting)
    })
  )
})

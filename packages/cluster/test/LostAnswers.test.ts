/**
 * Operations whose answer is lost settle themselves: what was done is done once, and said so.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type Message, Runner } from "effect/cluster"
import type { Rpc } from "effect/rpc"
import { asItIs, type Before, stepping } from "../../../test/sessions.ts"
import {
  ack,
  address,
  chunk,
  describeCounted,
  exit,
  interrupt,
  keyed,
  prefix,
  type Process,
  process,
  request,
  requestIn,
  rivals,
  rows,
  shard,
  streamed
} from "./support/cluster.ts"

/** Loses the answer of the next statement, before or after it took effect. */
const losing = <A, E>(when: "before" | "after", operation: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const control = yield* Testing.Control
    yield* control.clear
    yield* control.inject({ on: "commit", fault: when === "before" ? "cut" : "cut-after", nth: [1] })
    return yield* operation
  })

/** What an operation changes: all that is stored of its cluster, without what is made up or told by a clock. */
const stored = ({ holding }: Process) =>
  Effect.all(
    [
      `SELECT shard_id, fence, owner IS NULL AS is_free FROM cluster_shards`,
      `SELECT address AS shard_id, runner IS NULL AS has_left, healthy FROM cluster_runners WHERE cluster = '${holding.prefix}'`,
      `SELECT shard_id, entity_id, last_reply_id IS NULL AS is_new, finished_at IS NULL AS is_open FROM cluster_requests`,
      `SELECT shard_id, kind FROM cluster_inbox`,
      `SELECT q.shard_id, r.sequence, r.acked FROM cluster_replies r JOIN cluster_requests q USING (request_key)`
    ].map((statement) => rows(statement))
  ).pipe(
    Effect.map((tables) =>
      tables.map((table) =>
        table
          .filter(({ shard_id }) => String(shard_id).startsWith(holding.prefix))
          .map((row) => JSON.stringify(row, (_, value) => (typeof value === "bigint" ? String(value) : value)))
          .map((row) => row.replaceAll(holding.prefix, "cluster"))
          .toSorted()
      )
    )
  )

const registered = Effect.gen(function* () {
  const one = yield* process({ prefix: prefix() })
  const runner = Runner.make({ address: one.address, groups: ["default"], weight: 1 })
  return { one, runner }
})

/** A process that was handed a request. */
const handedOut = (send: () => Message.OutgoingRequest<Rpc.AnyWithProps> = request) =>
  Effect.gen(function* () {
    const sent = send()
    const one = yield* process({ prefix: prefix() })
    yield* one.runners.acquire(one.address, [shard()])
    yield* one.messages.saveRequest(sent)
    return { one, sent, incoming: requestIn(yield* one.messages.unprocessedMessages([shard()])) }
  })

type Readied = Effect.Effect<
  { readonly one: Process; readonly operation: Effect.Effect<unknown, unknown> },
  unknown,
  DsqlClient.DsqlClient | Scope.Scope
>

const operations: Readonly<Record<string, Readied>> = {
  "a runner registers": Effect.map(registered, ({ one, runner }) => ({
    one,
    operation: one.runners.register(runner, true)
  })),
  "a runner leaves": Effect.flatMap(registered, ({ one, runner }) =>
    Effect.as(one.runners.register(runner, true), { one, operation: one.runners.unregister(one.address) })
  ),
  "a shard is acquired": Effect.map(registered, ({ one }) => ({
    one,
    operation: Effect.tap(one.runners.acquire(one.address, [shard()]), (granted) =>
      Effect.sync(() => assert.deepStrictEqual(granted, [shard()]))
    )
  })),
  "a shard is released": Effect.map(handedOut(), ({ one }) => ({
    one,
    operation: one.runners.release(one.address, shard())
  })),
  "a request is saved": Effect.map(registered, ({ one }) => ({
    one,
    operation: Effect.tap(
      Effect.suspend(() => one.messages.saveRequest(request())),
      ({ _tag }) => Effect.sync(() => assert.strictEqual(_tag, "Success"))
    )
  })),
  "a request with a key is saved": Effect.map(registered, ({ one }) => ({
    one,
    operation: Effect.tap(one.messages.saveRequest(keyed("k")), ({ _tag }) =>
      Effect.sync(() => assert.strictEqual(_tag, "Success"))
    )
  })),
  "an interrupt is saved": Effect.map(handedOut(), ({ one, sent }) => ({
    one,
    operation: one.messages.saveEnvelope(interrupt(sent))
  })),
  "a chunk is saved": Effect.map(handedOut(streamed), ({ incoming, one, sent }) => ({
    one,
    operation: incoming.respond(chunk(sent, 0))
  })),
  "an acknowledgement is saved": Effect.gen(function* () {
    const { incoming, one, sent } = yield* handedOut(streamed)
    const said = chunk(sent, 0)
    yield* incoming.respond(said)
    return { one, operation: one.messages.saveEnvelope(ack(sent, said)) }
  }),
  "an exit is saved": Effect.map(handedOut(), ({ incoming, one, sent }) => ({
    one,
    operation: incoming.respond(exit(sent))
  })),
  "an exit is cleared": Effect.gen(function* () {
    const { incoming, one, sent } = yield* handedOut()
    const said = exit(sent)
    yield* incoming.respond(said)
    return {
      one,
      operation: one.messages.clearReplies(sent.envelope.requestId, { expectedReplyId: said.reply.id })
    }
  }),
  "an entity is forgotten": Effect.map(handedOut(), ({ one }) => ({
    one,
    operation: one.messages.clearAddress(address("1"))
  }))
}

describeCounted("When the answer is lost", (it) => {
  for (const [name, readied] of Object.entries(operations)) {
    it.effect(`as ${name}, it is done, and once`, () =>
      Effect.gen(function* () {
        const undisturbed = yield* readied
        yield* undisturbed.operation
        const { one, operation } = yield* readied
        yield* losing("after", operation)
        const addressed = (tables: ReadonlyArray<ReadonlyArray<string>>, { host }: { readonly host: string }) =>
          tables.map((table) => table.map((row) => row.replaceAll(host, "host")))
        assert.deepStrictEqual(
          addressed(yield* stored(one), one.address),
          addressed(yield* stored(undisturbed.one), undisturbed.one.address)
        )
      })
    )
  }

  it.effect("as an exit is saved that never came, it is saved", () =>
    Effect.gen(function* () {
      const { incoming, one, sent } = yield* handedOut()
      yield* losing("before", incoming.respond(exit(sent)))
      assert.strictEqual((yield* one.messages.repliesFor([sent])).length, 1)
    })
  )

  it.effect("as an exit is saved, and the shard is lost meanwhile, the exit is known to have been there", () =>
    Effect.gen(function* () {
      const { one, other } = yield* rivals
      const sent = request()
      yield* one.runners.acquire(one.address, [shard()])
      yield* one.messages.saveRequest(sent)
      const incoming = requestIn(yield* one.messages.unprocessedMessages([shard()]))
      const said = exit(sent)
      yield* incoming.respond(said)
      yield* other.runners.acquire(other.address, [shard()])
      // As it is asked again: the same reply, when another one holds the shard.
      yield* incoming.respond(said)
    })
  )

  it.effect("as an exit is saved, and it is taken back meanwhile, the request goes on waiting", () =>
    Effect.gen(function* () {
      const { incoming, one, sent } = yield* handedOut()
      const said = exit(sent)
      yield* incoming.respond(said)
      yield* one.messages.clearReplies(sent.envelope.requestId, { expectedReplyId: said.reply.id })
      // As it is asked again: a run that was suspended has been woken, and nothing would wake it again.
      yield* incoming.respond(said)
      assert.strictEqual((yield* one.messages.unprocessedMessages([shard()])).length, 1)
    })
  )

  it.effect("as an exit is cleared, and another one comes meanwhile, that one stays", () =>
    Effect.gen(function* () {
      const control = yield* Testing.Control
      const context = yield* Effect.context<never>()
      yield* control.clear
      let another: Effect.Effect<void> = Effect.void
      let clears = 0
      const before: Before = (_, text) =>
        Effect.suspend(() => {
          if (!text.includes('DELETE FROM "cluster_replies"')) return Effect.void
          // The first one takes effect, and is asked again.
          return ++clears === 1 ? control.inject({ on: "commit", fault: "cut-after", nth: [1] }) : another
        })
      const cleared = Effect.gen(function* () {
        const { incoming, one, sent } = yield* handedOut()
        yield* incoming.respond(exit(sent, 1))
        another = one.messages.unprocessedMessages([shard()]).pipe(
          Effect.flatMap((messages) => requestIn(messages).respond(exit(sent, 2))),
          Effect.orDie,
          // It is no part of the operation.
          Effect.setContext(context)
        )
        yield* one.messages.clearReplies(sent.envelope.requestId)
        return yield* one.messages.repliesFor([sent])
      })
      const client = yield* DsqlClient.DsqlClient
      const replies = yield* stepping(client, Effect.void, asItIs, Effect.scoped(cleared), before)
      assert.strictEqual(clears, 2)
      assert.strictEqual(replies.length, 1)
    })
  )
})

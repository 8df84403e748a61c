/**
 * What two processes do in the middle of each other's operations, step by step, and the same with a guard taken out.
 */
import { ClusterFence, Holding } from "@effect-dsql/cluster"
import { assert, describe } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Predicate } from "effect"
import { Entity } from "effect/cluster"
import { asItIs, type Rewrite } from "../../../test/sessions.ts"
import {
  ack,
  chunk,
  describeCounted,
  exit,
  interrupt,
  keyed,
  prefix,
  process,
  request,
  requestIn,
  rivals,
  rows,
  shard,
  streamed
} from "./support/cluster.ts"
import { interleaved, interleavedWithin, type Moment, moments } from "./support/interleaved.ts"

const everyMoment = Object.keys(moments) as ReadonlyArray<Moment>

const without =
  (part: RegExp, replacement = ""): Rewrite =>
  (text) =>
    text.replaceAll(part, replacement)

/** A request that `one` of two processes was handed, whose shard the other one takes as soon as it wants. */
const handedOut = Effect.gen(function* () {
  const { one, other } = yield* rivals
  yield* one.runners.acquire(one.address, [shard()])
  const sent = request()
  yield* one.messages.saveRequest(sent)
  const incoming = requestIn(yield* one.messages.unprocessedMessages([shard()]))
  const takeOver = Effect.gen(function* () {
    assert.deepStrictEqual(yield* other.runners.acquire(other.address, [shard()]), [shard()])
    return yield* other.messages.unprocessedMessages([shard()])
  })
  const stored = rows(
    `SELECT r.fence, r.payload FROM cluster_replies r JOIN cluster_requests q USING (request_key) WHERE q.id = ${sent.envelope.requestId}`
  )
  const waiting = rows(`SELECT kind FROM cluster_inbox WHERE request_id = ${sent.envelope.requestId} ORDER BY id`)
  return { one, other, sent, incoming, takeOver, stored, waiting }
})

/** `Success`, or the tag of what an operation failed with. */
const tagOf = (result: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(result)) return "Success"
  const error = Cause.squash(result.cause)
  return Predicate.hasProperty(error, "_tag") ? String(error._tag) : String(error)
}

describeCounted("Interleavings", (it) => {
  describe("a reply, and a takeover of its shard", () => {
    it.effect.each(everyMoment)("%s: the new owner decides, and nobody else", (moment) =>
      Effect.gen(function* () {
        const { incoming, other, sent, stored, takeOver } = yield* handedOut
        const { exit: outcome, meanwhile: theirs } = yield* interleaved(
          incoming.respond(exit(sent, 1)),
          moment,
          takeOver
        )
        assert.strictEqual(tagOf(outcome), "EntityNotAssignedToRunner")
        assert.deepStrictEqual(yield* stored, [])
        yield* requestIn(theirs).respond(exit(sent, 2))
        assert.strictEqual((yield* other.messages.repliesFor([sent])).length, 1)
        assert.deepStrictEqual(
          (yield* stored).map(({ fence }) => fence),
          [2n]
        )
      })
    )

    it.effect.each([
      ["the lock on the shard", "before its commit", without(/ FOR KEY SHARE/g)],
      [
        "the comparison of the fence",
        "before its statement",
        without(/held\.fence IS DISTINCT FROM asked\.fence/g, "FALSE AND $&")
      ]
    ] as const)("without %s (%s) a stale reply decides", ([, moment, rewrite]) =>
      Effect.gen(function* () {
        const { incoming, sent, stored, takeOver } = yield* handedOut
        const { exit: outcome } = yield* interleaved(incoming.respond(exit(sent, 1)), moment, takeOver, rewrite)
        assert.strictEqual(tagOf(outcome), "Success")
        assert.deepStrictEqual(
          (yield* stored).map(({ fence }) => fence),
          [1n]
        )
      })
    )

    it.effect.each(everyMoment)("the other way round, %s: the reply stands, and the new owner finds it", (moment) =>
      Effect.gen(function* () {
        const { incoming, one, other, sent, stored } = yield* handedOut
        const { exit: outcome } = yield* interleaved(
          other.runners.acquire(other.address, [shard()]),
          moment,
          incoming.respond(exit(sent, 1))
        )
        assert.strictEqual(tagOf(outcome), "Success")
        assert.deepStrictEqual(yield* other.messages.unprocessedMessages([shard()]), [])
        assert.deepStrictEqual(yield* one.messages.unprocessedMessages([shard()]), [])
        assert.strictEqual((yield* stored).length, 1)
      })
    )

    it.effect("a handler that outlived its shard decides nothing, though its process has got the shard back", () =>
      Effect.gen(function* () {
        const { incoming, one, sent, stored, takeOver } = yield* handedOut
        yield* takeOver
        yield* one.runners.acquire(one.address, [shard()])
        const again = requestIn(yield* one.messages.unprocessedMessages([shard()]))
        const lost = yield* Effect.flip(incoming.respond(exit(sent, 1)))
        assert.strictEqual(lost._tag as string, "EntityNotAssignedToRunner")
        yield* again.respond(exit(sent, 3))
        assert.deepStrictEqual(
          (yield* stored).map(({ fence }) => fence),
          [3n]
        )
      })
    )
  })

  describe("replies that go together, and a takeover of one's shard", () => {
    /** Two requests on two shards, which are answered at once. Of the first one the shard is taken over meanwhile. */
    const together = (moment: Moment, rewrite: Rewrite = asItIs) =>
      Effect.gen(function* () {
        const options = { prefix: prefix(), shardingConfig: { shardLockExpiration: 0 } } as const
        const other = yield* process(options)
        const sent = [1, 2].map((number) => request({ shardId: shard(number) }))
        const readied = Effect.gen(function* () {
          const one = yield* process(options)
          yield* one.runners.acquire(one.address, [shard(1), shard(2)])
          for (const each of sent) yield* one.messages.saveRequest(each)
          const polled = yield* one.messages.unprocessedMessages([shard(1), shard(2)])
          return Effect.forEach(
            polled.map((message) => requestIn([message])),
            (message, place) => Effect.exit(message.respond(exit(sent[place] ?? request(), place))),
            { concurrency: "unbounded" }
          )
        })
        const takeOver = other.runners.acquire(other.address, [shard(1)])
        const { exit: outcomes, turns } = yield* interleavedWithin(readied, moment, takeOver, rewrite)
        const stored = yield* other.messages.repliesFor(sent)
        return {
          outcomes: Exit.isSuccess(outcomes) ? outcomes.value.map(tagOf) : [],
          stored: stored.map(({ requestId }) => sent.findIndex(({ envelope }) => envelope.requestId === requestId)),
          turns
        }
      })

    it.effect.each(everyMoment)("%s: each hears its own, and the other one stands", (moment) =>
      Effect.gen(function* () {
        const { outcomes, stored, turns } = yield* together(moment)
        assert.deepStrictEqual([outcomes, stored], [["EntityNotAssignedToRunner", "Success"], [1]])
        // One statement for both, and again after the conflict.
        assert.strictEqual(turns, 6)
      })
    )

    it.effect.each([
      ["the lock on the shards", "before its commit", without(/ FOR KEY SHARE/g)],
      [
        "the comparison of the fences",
        "before its statement",
        without(/held\.fence IS DISTINCT FROM asked\.fence/g, "FALSE AND $&")
      ]
    ] as const)("without %s (%s) the stale one decides as well", ([, moment, rewrite]) =>
      Effect.gen(function* () {
        const { outcomes, stored } = yield* together(moment, rewrite)
        assert.deepStrictEqual(
          [outcomes, stored],
          [
            ["Success", "Success"],
            [0, 1]
          ]
        )
      })
    )
  })

  describe("requests that are saved together, and one of their keys elsewhere", () => {
    it.effect.each(everyMoment)("%s: it is there already, and the others are new", (moment) =>
      Effect.gen(function* () {
        const cluster = prefix()
        const other = yield* process({ prefix: cluster })
        const theirs = keyed("shared")
        const readied = Effect.map(process({ prefix: cluster }), ({ messages }) =>
          Effect.forEach([keyed("mine"), keyed("shared")], (message) => messages.saveRequest(message), {
            concurrency: "unbounded"
          })
        )
        const { exit: outcome } = yield* interleavedWithin(readied, moment, other.messages.saveRequest(theirs))
        const found = Exit.isSuccess(outcome) ? outcome.value : []
        assert.deepStrictEqual(
          found.map((each) => (each._tag === "Duplicate" ? each.originalId : each._tag)),
          ["Success", theirs.envelope.requestId]
        )
      })
    )
  })

  describe("the fence of an entity whose runner has lost its shard", () => {
    const asked = ({ one, sent }: Effect.Success<typeof handedOut>) =>
      ClusterFence.current.pipe(
        Effect.provideService(Entity.CurrentAddress, sent.envelope.address),
        Effect.provideService(Holding.Holding, one.holding)
      )

    /** A handler that dies where it has no fence. Its exit is stored as Sharding does: the shard is confirmed before. */
    const handler = (given: Effect.Success<typeof handedOut>) =>
      Effect.forkDetach(
        asked(given).pipe(
          Effect.orDie,
          Effect.uninterruptible,
          Effect.onExit((result) =>
            Effect.ignore(
              Effect.andThen(
                given.one.runners.refresh(given.one.address, [shard()]),
                given.incoming.respond(exit(given.sent, Exit.isSuccess(result) ? 1 : -1))
              )
            )
          )
        ),
        { startImmediately: true }
      )

    const values = ({ one, sent }: Effect.Success<typeof handedOut>) =>
      Effect.map(one.messages.repliesFor([sent]), (replies) =>
        replies.map((reply): unknown =>
          reply._tag === "WithExit" && Exit.isSuccess(reply.exit) ? reply.exit.value : undefined
        )
      )

    it.effect("is waited for while a shard is given back in vain, and the answer is that of the handler", () =>
      Effect.gen(function* () {
        const given = yield* handedOut
        const { one } = given
        const meanwhile = Effect.gen(function* () {
          const asking = yield* handler(given)
          assert.deepStrictEqual(yield* one.runners.refresh(one.address, [shard(), shard(2)]), [shard()])
          yield* Fiber.await(asking)
        })
        yield* interleaved(one.runners.release(one.address, shard()), "before its statement", meanwhile)
        assert.deepStrictEqual(yield* values(given), [1])
      })
    )

    const lost = Effect.gen(function* () {
      const given = yield* handedOut
      yield* given.takeOver
      yield* given.one.runners.refresh(given.one.address, [shard(), shard(2)])
      return given
    })

    it.effect("is waited for by an entity that can be interrupted, wherever it stands", () =>
      Effect.gen(function* () {
        const given = yield* lost
        const asking = yield* handler(given)
        assert.isUndefined(asking.pollUnsafe())
        yield* Fiber.interrupt(asking)
        assert.deepStrictEqual(yield* values(given), [])
      })
    )

    it.effect("is not a later one, with which it fails, and nothing is decided; who asks then has that", () =>
      Effect.gen(function* () {
        const given = yield* lost
        const asking = yield* Effect.forkDetach(Effect.flip(asked(given)), { startImmediately: true })
        const handling = yield* handler(given)
        yield* given.one.runners.acquire(given.one.address, [shard()])
        assert.strictEqual((yield* Fiber.join(asking)).message, "this process does not hold shard default:1")
        yield* Fiber.await(handling)
        assert.deepStrictEqual(yield* values(given), [])
        assert.strictEqual((yield* asked(given)).fence, 3n)
      })
    )

    it.effect("is none where this process has never held the shard", () =>
      Effect.gen(function* () {
        const given = yield* handedOut
        const { message } = yield* Effect.flip(asked({ ...given, one: given.other }))
        assert.strictEqual(message, "this process does not hold shard default:1")
      })
    )
  })

  describe("two processes that acquire a shard", () => {
    const free = Effect.gen(function* () {
      const cluster = prefix()
      const [one, other] = [yield* process({ prefix: cluster }), yield* process({ prefix: cluster })]
      return {
        mine: one.runners.acquire(one.address, [shard()]),
        theirs: other.runners.acquire(other.address, [shard()])
      }
    })

    it.effect.each(everyMoment)("at once, %s: one has it", (moment) =>
      Effect.gen(function* () {
        const { mine, theirs } = yield* free
        const { exit: outcome, meanwhile } = yield* interleaved(mine, moment, theirs)
        assert.deepStrictEqual(meanwhile, [shard()])
        assert.deepStrictEqual(outcome, Exit.succeed([]))
      })
    )

    it.effect.each(everyMoment)("that nobody renews any more, %s: one has it", (moment) =>
      Effect.gen(function* () {
        const cluster = prefix()
        const gone = yield* process({ prefix: cluster, shardingConfig: { shardLockExpiration: 0 } })
        yield* gone.runners.acquire(gone.address, [shard()])
        const [one, other] = [yield* process({ prefix: cluster }), yield* process({ prefix: cluster })]
        const { exit: outcome, meanwhile } = yield* interleaved(
          one.runners.acquire(one.address, [shard()]),
          moment,
          other.runners.acquire(other.address, [shard()])
        )
        assert.deepStrictEqual([meanwhile, outcome], [[shard()], Exit.succeed([])])
        assert.strictEqual(other.holding.find("default:1")?.fence, 2n)
      })
    )

    it.effect("without the comparison of owner and lease both believe that they have it", () =>
      Effect.gen(function* () {
        const { mine, theirs } = yield* free
        const { exit: outcome, meanwhile } = yield* interleaved(
          mine,
          "before its commit",
          theirs,
          without(/WHERE held\.owner = excluded\.owner OR held\.expires_at < now\(\)/g)
        )
        assert.deepStrictEqual([meanwhile, outcome], [[shard()], Exit.succeed([shard()])])
      })
    )
  })

  describe("a lease that is renewed", () => {
    it.effect.each(everyMoment)("disturbs no reply below it, %s", (moment) =>
      Effect.gen(function* () {
        const { incoming, one, sent, stored } = yield* handedOut
        const { attempts, exit: outcome } = yield* interleaved(
          one.runners.refresh(one.address, [shard(), shard(2)]),
          moment,
          incoming.respond(exit(sent))
        )
        assert.deepStrictEqual([outcome, attempts], [Exit.succeed([shard()]), 1])
        assert.strictEqual((yield* stored).length, 1)
      })
    )

    it.effect.each(everyMoment)("in the middle of a reply disturbs it no more, %s", (moment) =>
      Effect.gen(function* () {
        const { incoming, one, sent, stored } = yield* handedOut
        const {
          attempts,
          exit: outcome,
          meanwhile
        } = yield* interleaved(
          incoming.respond(exit(sent)),
          moment,
          one.runners.refresh(one.address, [shard(), shard(2)])
        )
        assert.deepStrictEqual([tagOf(outcome), meanwhile, attempts], ["Success", [shard()], 1])
        assert.strictEqual((yield* stored).length, 1)
      })
    )

    it.effect("without the comparison of the owner is renewed for one that has lost it", () =>
      Effect.gen(function* () {
        const { one, takeOver } = yield* handedOut
        const { exit: outcome } = yield* interleaved(
          one.runners.refresh(one.address, [shard(), shard(2)]),
          "before its commit",
          takeOver,
          without(/held\.owner = \$\d+::uuid/g, "(TRUE OR $&)")
        )
        assert.deepStrictEqual(outcome, Exit.succeed([shard()]))
      })
    )

    it.effect.each(everyMoment)("is not renewed where another one has taken it, %s", (moment) =>
      Effect.gen(function* () {
        const { one, takeOver } = yield* handedOut
        const { exit: outcome } = yield* interleaved(
          one.runners.refresh(one.address, [shard(), shard(2)]),
          moment,
          takeOver
        )
        assert.deepStrictEqual(outcome, Exit.succeed([]))
        assert.isUndefined(one.holding.find("default:1"))
      })
    )
  })

  describe("a poll of the old owner", () => {
    const stale = (rewrite: Rewrite) =>
      Effect.gen(function* () {
        const { one, sent, takeOver } = yield* handedOut
        yield* one.messages.resetRequests([sent.envelope.requestId])
        const { exit: outcome, meanwhile } = yield* interleaved(
          Effect.andThen(
            one.messages.resetShards([shard()]),
            // The snapshot of the first attempt is from before the takeover; a second poll is not.
            Effect.andThen(one.messages.unprocessedMessages([shard(2)]), one.messages.unprocessedMessages([shard()]))
          ),
          "before its commit",
          takeOver,
          rewrite
        )
        return { found: Exit.isSuccess(outcome) ? outcome.value : [], theirs: meanwhile }
      })

    it.effect("gives nothing after the takeover, and hides nothing from the new owner", () =>
      Effect.gen(function* () {
        const { found, theirs } = yield* stale(asItIs)
        assert.deepStrictEqual([found.length, theirs.length], [0, 1])
      })
    )

    it.effect("without the comparison of the fence gives what is another one's", () =>
      Effect.gen(function* () {
        const { found } = yield* stale(without(/(?<=\) )IS NOT DISTINCT FROM polled\.fence/g, "IS NOT NULL OR TRUE"))
        assert.strictEqual(found.length, 1)
      })
    )

    it.effect("that read before the takeover hides nothing from the new owner either", () =>
      Effect.gen(function* () {
        const { one, sent, takeOver } = yield* handedOut
        yield* one.messages.resetRequests([sent.envelope.requestId])
        const { exit: outcome, meanwhile } = yield* interleaved(
          one.messages.unprocessedMessages([shard()]),
          "before its statement",
          takeOver
        )
        assert.strictEqual(Exit.isSuccess(outcome) && outcome.value.length, 1)
        assert.strictEqual(meanwhile.length, 1)
      })
    )
  })

  describe("an interrupt, and the exit of its request", () => {
    it.effect.each(everyMoment)("%s: nothing waits of a request that is decided", (moment) =>
      Effect.gen(function* () {
        const { incoming, other, sent, waiting } = yield* handedOut
        const { exit: outcome } = yield* interleaved(
          other.messages.saveEnvelope(interrupt(sent)),
          moment,
          incoming.respond(exit(sent))
        )
        assert.strictEqual(tagOf(outcome), "Success")
        assert.deepStrictEqual(yield* waiting, [])
      })
    )

    it.effect.each(everyMoment)("the other way round, %s: nothing waits either", (moment) =>
      Effect.gen(function* () {
        const { incoming, other, sent, waiting } = yield* handedOut
        const { exit: outcome } = yield* interleaved(
          incoming.respond(exit(sent)),
          moment,
          other.messages.saveEnvelope(interrupt(sent))
        )
        assert.strictEqual(tagOf(outcome), "Success")
        assert.deepStrictEqual(yield* waiting, [])
      })
    )

    it.effect("without the lock on the request an interrupt is left over", () =>
      Effect.gen(function* () {
        const { incoming, other, sent, waiting } = yield* handedOut
        yield* interleaved(
          other.messages.saveEnvelope(interrupt(sent)),
          "before its commit",
          incoming.respond(exit(sent)),
          without(/ FOR UPDATE/g)
        )
        assert.deepStrictEqual(yield* waiting, [{ kind: 2 }])
      })
    )
  })

  describe("an acknowledgement, and the next chunk", () => {
    const streaming = Effect.gen(function* () {
      const { one } = yield* rivals
      yield* one.runners.acquire(one.address, [shard()])
      const sent = streamed()
      yield* one.messages.saveRequest(sent)
      const incoming = requestIn(yield* one.messages.unprocessedMessages([shard()]))
      const first = chunk(sent, 0)
      yield* incoming.respond(first)
      const heard = one.messages.saveEnvelope(ack(sent, first))
      return { one, sent, heard, next: incoming.respond(chunk(sent, 1)), last: incoming.respond(exit(sent)) }
    })

    it.effect.each(everyMoment)("%s: neither is lost", (moment) =>
      Effect.gen(function* () {
        const { heard, next, one, sent } = yield* streaming
        const { exit: outcome } = yield* interleaved(heard, moment, next)
        assert.strictEqual(tagOf(outcome), "Success")
        const unheard = yield* one.messages.repliesFor([sent])
        assert.deepStrictEqual(
          unheard.map((reply) => reply._tag === "Chunk" && reply.sequence),
          [1]
        )
        assert.strictEqual((yield* one.messages.repliesForUnfiltered([sent.envelope.requestId])).length, 2)
      })
    )

    it.effect.each(everyMoment)("the other way round, %s: neither is lost either", (moment) =>
      Effect.gen(function* () {
        const { heard, next, one, sent } = yield* streaming
        const { exit: outcome } = yield* interleaved(next, moment, heard)
        assert.strictEqual(tagOf(outcome), "Success")
        const unheard = yield* one.messages.repliesFor([sent])
        assert.deepStrictEqual(
          unheard.map((reply) => reply._tag === "Chunk" && reply.sequence),
          [1]
        )
      })
    )

    it.effect("without the lock on the request an acknowledgement of what is decided is left over", () =>
      Effect.gen(function* () {
        const { heard, last, sent } = yield* streaming
        yield* interleaved(heard, "before its commit", last, without(/ FOR UPDATE/g))
        assert.deepStrictEqual(
          yield* rows(`SELECT kind FROM cluster_inbox WHERE request_id = ${sent.envelope.requestId}`),
          [{ kind: 1 }]
        )
      })
    )

    it.effect.each(everyMoment)("an acknowledgement and the exit, %s: nothing waits of what is decided", (moment) =>
      Effect.gen(function* () {
        const { heard, last, sent } = yield* streaming
        yield* interleaved(heard, moment, last)
        assert.deepStrictEqual(
          yield* rows(`SELECT kind FROM cluster_inbox WHERE request_id = ${sent.envelope.requestId}`),
          []
        )
      })
    )
  })

  describe("an exit that is cleared", () => {
    it.effect.each(everyMoment)("%s: another exit that came meanwhile stays", (moment) =>
      Effect.gen(function* () {
        const { incoming, one, sent } = yield* handedOut
        const first = exit(sent, 1)
        yield* incoming.respond(first)
        const clear = one.messages.clearReplies(sent.envelope.requestId, { expectedReplyId: first.reply.id })
        const meanwhile = Effect.gen(function* () {
          yield* clear
          yield* requestIn(yield* one.messages.unprocessedMessages([shard()])).respond(exit(sent, 2))
        })
        const { exit: outcome } = yield* interleaved(clear, moment, meanwhile)
        assert.strictEqual(tagOf(outcome), "Success")
        const [last] = yield* one.messages.repliesFor([sent])
        const value: unknown = last?._tag === "WithExit" && Exit.isSuccess(last.exit) ? last.exit.value : undefined
        assert.strictEqual(value, 2)
      })
    )
  })
})

describeCounted("Without the unique key of shard and fence", (it) => {
  it.effect("a takeover does not conflict with a reply, and a stale reply decides", () =>
    Effect.gen(function* () {
      yield* rows("ALTER TABLE cluster_shards DROP CONSTRAINT cluster_shards_shard_id_fence_key")
      const { incoming, sent, stored, takeOver } = yield* handedOut
      const { exit: outcome } = yield* interleaved(incoming.respond(exit(sent, 1)), "before its commit", takeOver)
      assert.strictEqual(tagOf(outcome), "Success")
      assert.deepStrictEqual(
        (yield* stored).map(({ fence }) => fence),
        [1n]
      )
    })
  )
})

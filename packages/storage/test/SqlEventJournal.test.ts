import { DsqlClient, DsqlError, Transaction } from "@effect-dsql/core"
import { SchemaSource } from "@effect-dsql/schema"
import { SqlEventJournal } from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { assert, it } from "@effect/vitest"
import { Array, Effect, Exit, Fiber, Latch, Layer, Option, PubSub, Ref } from "effect"
import { EventJournal } from "effect/eventlog"
import { randomUUID } from "node:crypto"
import { asItIs, interleave, type Rewrite } from "../../../test/sessions.ts"
import { describeStorage, loseAnswer } from "./support/storage.ts"

const Journal = EventJournal.EventJournal

const layer = SqlEventJournal.layer()

const payload = new Uint8Array([1])

const nothing = () => Effect.void

const using = <A, E, R>(f: (journal: EventJournal.EventJournal["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Journal, f)

const emptied = Effect.tap(Journal, (journal) => journal.destroy)

const write = (event: string, primaryKey = "key") =>
  using((journal) => journal.write({ event, primaryKey, payload, effect: Effect.succeed }))

const remoteEntry = (
  remoteSequence: number,
  event: string,
  options: { readonly msecs?: number; readonly primaryKey?: string } = {}
) =>
  new EventJournal.RemoteEntry(
    {
      remoteSequence,
      entry: new EventJournal.Entry(
        {
          id: EventJournal.makeEntryIdUnsafe(options.msecs === undefined ? {} : { msecs: options.msecs }),
          event,
          primaryKey: options.primaryKey ?? "key",
          payload
        },
        { disableChecks: true }
      )
    },
    { disableChecks: true }
  )

const events = (entries: ReadonlyArray<EventJournal.Entry>) => entries.map(({ event }) => event)

/** Takes everything that a remote has not been given. */
const uploaded = (remoteId: EventJournal.RemoteId) =>
  using((journal) =>
    Effect.map(
      journal.withRemoteUncommited(remoteId, (entries) => Effect.succeed(events(entries))),
      Option.getOrElse(Array.empty<string>)
    )
  )

describeStorage("The event journal", layer, (it) => {
  it.effect("keeps what is written, in order, and finds it by its ids", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const first = yield* write("A")
      const [second, third] = yield* journal.writeMany({
        entries: [
          { event: "B", primaryKey: "b", payload },
          { event: "C", primaryKey: "c", payload }
        ],
        effect: Effect.succeed
      })
      assert.isDefined(third)
      assert.deepStrictEqual(yield* journal.entries, [first, second, third])
      const none = EventJournal.makeEntryIdUnsafe()
      assert.deepStrictEqual(yield* journal.entriesById([third.id, none, first.id]), [third, undefined, first])
    })
  )

  it.effect(
    "keeps and tells nothing of what its effect fails with, and all that the effect wrote beside it otherwise",
    () =>
      Effect.gen(function* () {
        const journal = yield* emptied
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`CREATE TABLE names (id TEXT PRIMARY KEY)`
        const told = yield* journal.changes
        const naming = (id: string) => ({
          event: id,
          primaryKey: id,
          payload,
          effect: () => sql`INSERT INTO names (id) VALUES (${id})`
        })
        const failed = journal.write({
          ...naming("no"),
          effect: () => Effect.andThen(naming("no").effect(), Effect.fail("no" as const))
        })
        assert.strictEqual(yield* Effect.flip(failed), "no")
        yield* journal.write(naming("yes"))
        assert.deepStrictEqual(events(yield* journal.entries), ["yes"])
        assert.deepStrictEqual(yield* sql`SELECT id FROM names`, [{ id: "yes" }])
        assert.strictEqual((yield* PubSub.take(told)).event, "yes")
      })
  )

  it.effect("gives ids that come after all that is there, whatever the clock of a remote says", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const ahead = remoteEntry(0, "ahead", { msecs: Date.now() + 3_600_000 })
      yield* journal.writeFromRemote({ remoteId: EventJournal.makeRemoteIdUnsafe(), entries: [ahead], effect: nothing })
      yield* write("first")
      yield* write("second")
      assert.deepStrictEqual(events(yield* journal.entries), ["ahead", "first", "second"])
    })
  )

  it.effect("imports what a remote sends once, and says what of it was there already", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 0)
      const [a, b, c] = [remoteEntry(0, "A"), remoteEntry(1, "B"), remoteEntry(2, "C")]
      const batches: Array<ReadonlyArray<string>> = []
      const effect = (batch: ReadonlyArray<{ readonly entry: EventJournal.Entry }>) =>
        Effect.sync(() => void batches.push(batch.map(({ entry }) => entry.event)))
      assert.deepStrictEqual(
        (yield* journal.writeFromRemote({ remoteId, entries: [b, a, a], effect })).duplicateEntries,
        []
      )
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 2)
      const { duplicateEntries } = yield* journal.writeFromRemote({ remoteId, entries: [b, c], effect })
      assert.deepStrictEqual(events(duplicateEntries), ["B"])
      yield* journal.writeFromRemote({ remoteId, entries: [a], effect })
      assert.deepStrictEqual(batches, [["A", "B"], ["C"]])
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 3, "it only rises")
      assert.deepStrictEqual(events(yield* journal.entries), ["A", "B", "C"])
    })
  )

  it.effect("imports nothing where the effect fails", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      const failure = new EventJournal.EventJournalError({ method: "handler", cause: "no" })
      const importing = journal.writeFromRemote({
        remoteId,
        entries: [remoteEntry(0, "A")],
        effect: () => Effect.fail(failure)
      })
      assert.strictEqual(yield* Effect.flip(importing), failure)
      assert.deepStrictEqual(yield* journal.entries, [])
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 0)
    })
  )

  it.effect("gives with an imported entry those of the same thing that came later, and no others", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const early = Date.now() - 60_000
      yield* write("Set", "one")
      yield* write("Set", "two")
      yield* write("Removed", "one")
      yield* write("Set", "one")
      const seen: Array<readonly [string, number]> = []
      yield* journal.writeFromRemote({
        remoteId: EventJournal.makeRemoteIdUnsafe(),
        entries: [
          remoteEntry(1, "Set", { primaryKey: "one" }),
          remoteEntry(0, "Set", { primaryKey: "one", msecs: early })
        ],
        effect: (batch) =>
          Effect.sync(() =>
            seen.push(...batch.map(({ conflicts, entry }) => [entry.primaryKey, conflicts.length] as const))
          )
      })
      assert.deepStrictEqual(seen, [
        ["one", 2],
        ["one", 0]
      ])
    })
  )

  it.effect("imports what is compacted as it came, and applies what it was compacted to", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const applied: Array<string> = []
      yield* journal.writeFromRemote({
        remoteId: EventJournal.makeRemoteIdUnsafe(),
        entries: [remoteEntry(0, "A"), remoteEntry(1, "B")],
        compact: (entries) => Effect.succeed(entries.slice(-1).map(({ entry }) => entry)),
        effect: (batch) => Effect.sync(() => applied.push(...batch.map(({ entry }) => entry.event)))
      })
      assert.deepStrictEqual(applied, ["B"])
      assert.deepStrictEqual(events(yield* journal.entries), ["A", "B"])
    })
  )

  it.effect("uploads to each remote once what it does not have from it, and again what failed", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const [one, two] = [EventJournal.makeRemoteIdUnsafe(), EventJournal.makeRemoteIdUnsafe()]
      assert.deepStrictEqual(yield* uploaded(one), [])
      yield* write("local")
      yield* journal.writeFromRemote({ remoteId: two, entries: [remoteEntry(0, "theirs")], effect: nothing })
      assert.strictEqual(yield* Effect.flip(journal.withRemoteUncommited(one, () => Effect.fail("no" as const))), "no")
      assert.deepStrictEqual(yield* uploaded(one), ["local", "theirs"])
      assert.deepStrictEqual(yield* uploaded(one), [])
      assert.deepStrictEqual(yield* uploaded(two), ["local"])
      // One that was made long ago, and comes late.
      yield* journal.writeFromRemote({
        remoteId: two,
        entries: [remoteEntry(1, "old", { msecs: 1_000 })],
        effect: nothing
      })
      assert.deepStrictEqual(yield* uploaded(one), ["old"])
      assert.deepStrictEqual(yield* uploaded(two), [])
    })
  )

  it.effect("goes forward over acknowledgements without a gap, and never back", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      const acknowledge = (sequences: ReadonlyArray<number>, firstSequence?: number) =>
        Effect.andThen(
          journal.writeRemoteAcks({
            remoteId,
            acks: sequences.map((sequence) => ({ entryId: EventJournal.makeEntryIdUnsafe(), sequence })),
            firstSequence
          }),
          journal.nextRemoteSequence(remoteId)
        )
      assert.strictEqual(yield* acknowledge([2, 1], 1), 3)
      assert.strictEqual(yield* acknowledge([4]), 3)
      assert.strictEqual(yield* acknowledge([]), 3)
      assert.strictEqual(yield* acknowledge([1, 3, 4, 6]), 5)
    })
  )

  it.effect("lets nobody else of the process write within a lock, and keeps what was written in it", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const store = randomUUID() as Parameters<typeof journal.withLock>[0]
      const told = yield* journal.changes
      const locked = journal.withLock(store)
      const inside = yield* Latch.make()
      const other = yield* Effect.forkChild(Effect.andThen(inside.await, write("other")))
      const twice = Effect.gen(function* () {
        yield* write("a")
        yield* inside.open
        // By the time that this is answered the other one has asked for its turn.
        assert.deepStrictEqual(events(yield* journal.entries), ["a"])
        yield* locked(write("b"))
        assert.deepStrictEqual(events(yield* journal.entries), ["a", "b"])
      })
      yield* locked(twice)
      yield* Fiber.join(other)
      assert.strictEqual(yield* Effect.flip(locked(Effect.andThen(write("c"), Effect.fail("no" as const)))), "no")
      assert.deepStrictEqual(events(yield* journal.entries), ["a", "b", "other", "c"])
      assert.deepStrictEqual(events(yield* PubSub.takeUpTo(told, 10)), ["a", "b", "other", "c"])
    })
  )

  it.effect("is part of the transaction that it is used in, and tells of it when that has committed", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const told = yield* journal.changes
      yield* Effect.flip(Transaction.run(Effect.andThen(write("undone"), Effect.fail("no" as const))))
      yield* Transaction.run(Effect.andThen(write("a"), write("b")))
      assert.deepStrictEqual(events(yield* journal.entries), ["a", "b"])
      assert.deepStrictEqual(events(yield* PubSub.takeUpTo(told, 10)), ["a", "b"])
    })
  )

  it.effect("imports more than a transaction takes, in parts, and goes on where one of them failed", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      const store = randomUUID() as Parameters<typeof journal.withLock>[0]
      const entries = Array.range(0, 3_499).map((sequence) =>
        remoteEntry(sequence, "Many", { primaryKey: `${sequence}` })
      )
      const failure = new EventJournal.EventJournalError({ method: "handler", cause: "no" })
      const seen: Array<string> = []
      // As Effect's event log does: all that has come, within the lock.
      const importing = (from: number, until: number) =>
        journal.withLock(store)(
          journal.writeFromRemote({
            remoteId,
            entries: entries.slice(from),
            effect: (batch) =>
              seen.length >= until
                ? Effect.fail(failure)
                : Effect.sync(() => void seen.push(...batch.map(({ entry }) => entry.primaryKey)))
          })
        )
      assert.strictEqual(yield* Effect.flip(importing(0, 1_000)), failure)
      const next = yield* journal.nextRemoteSequence(remoteId)
      assert.deepStrictEqual([next, seen.length], [1_000, 1_000])
      yield* importing(next, Infinity)
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 3_500)
      assert.deepStrictEqual(
        seen,
        entries.map(({ entry }) => entry.primaryKey)
      )
      assert.lengthOf(yield* journal.entries, 3_500)
    })
  )

  it.effect("imports more bytes than a transaction takes, and says which entry no transaction takes", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const remoteId = EventJournal.makeRemoteIdUnsafe()
      const large = (sequence: number, length: number) => {
        const { entry } = remoteEntry(sequence, "Large")
        const content = { ...entry, payload: new Uint8Array(length).fill(sequence) }
        return new EventJournal.RemoteEntry(
          { remoteSequence: sequence, entry: new EventJournal.Entry(content, { disableChecks: true }) },
          { disableChecks: true }
        )
      }
      const entries = Array.range(0, 12).map((sequence) => large(sequence, sequence === 12 ? 2 ** 20 + 1 : 1_000_000))
      const importing = journal.writeFromRemote({ remoteId, entries, effect: nothing })
      const { cause } = yield* Effect.flip(importing)
      assert.instanceOf(cause, DsqlError.LimitExceeded)
      assert.include(cause.message, "effect_event_journal.payload has 1048577 bytes")
      assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 12)
      assert.lengthOf(yield* journal.entries, 12)
      const content = { event: "Large", primaryKey: "key", payload: new Uint8Array(2 ** 20 + 1) }
      const written = yield* Effect.flip(journal.write({ ...content, effect: nothing }))
      assert.instanceOf(written.cause, DsqlError.LimitExceeded)
    })
  )

  it.effect("begins again where it conflicts, and keeps one attempt", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const attempts = yield* Ref.make(0)
      const control = yield* Testing.Control
      yield* control.clear
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
      const told = yield* journal.changes
      yield* journal.write({ event: "A", primaryKey: "a", payload, effect: () => Ref.update(attempts, (n) => n + 1) })
      assert.strictEqual(yield* Ref.get(attempts), 2)
      assert.deepStrictEqual(events(yield* journal.entries), ["A"])
      assert.deepStrictEqual(events(yield* PubSub.takeUpTo(told, 10)), ["A"])
    })
  )

  it.effect.each(["before", "after"] as const)(
    "keeps one of what is written where the answer is lost %s it took effect",
    (when) =>
      Effect.gen(function* () {
        const journal = yield* emptied
        const told = yield* journal.changes
        const store = randomUUID() as Parameters<typeof journal.withLock>[0]
        const remoteId = EventJournal.makeRemoteIdUnsafe()
        yield* Effect.andThen(loseAnswer(when), write("A"))
        yield* Effect.andThen(loseAnswer(when), journal.withLock(store)(write("B")))
        yield* Effect.andThen(
          loseAnswer(when),
          journal.writeFromRemote({ remoteId, entries: [remoteEntry(4, "C")], effect: nothing })
        )
        assert.deepStrictEqual(events(yield* journal.entries), ["A", "B", "C"])
        assert.deepStrictEqual(events(yield* PubSub.takeUpTo(told, 10)), ["A", "B"])
        yield* Effect.andThen(
          loseAnswer(when),
          journal.writeRemoteAcks({ remoteId, acks: [{ entryId: EventJournal.makeEntryIdUnsafe(), sequence: 5 }] })
        )
        assert.strictEqual(yield* journal.nextRemoteSequence(remoteId), 6)
        assert.deepStrictEqual(yield* Effect.andThen(loseAnswer(when), uploaded(remoteId)), ["A", "B"])
        assert.deepStrictEqual(yield* uploaded(remoteId), [])
      })
  )

  it.effect("keeps each of what twenty write at once, in two processes", () =>
    Effect.gen(function* () {
      const journal = yield* emptied
      const other = yield* SqlEventJournal.make()
      const each = (journal: EventJournal.EventJournal["Service"], event: string) =>
        journal.write({ event, primaryKey: "hot", payload, effect: nothing })
      const names = Array.range(1, 20).map(String)
      yield* Effect.all(
        names.map((name, place) => each(place % 2 === 0 ? journal : other, name)),
        { concurrency: "unbounded" }
      )
      assert.sameMembers(events(yield* journal.entries), names)
    })
  )
})

for (const form of ["statement", "transaction"] as const) {
  describeStorage(
    `An upload of the event journal as one ${form}`,
    layer,
    (it) => {
      const fresh = Layer.fresh(Layer.orDie(layer))

      const alone = <A, E>(program: Effect.Effect<A, E, EventJournal.EventJournal>) => Effect.provide(program, fresh)

      // A journal is built in three steps. A writer takes its snapshot, reads the head and writes in three more, and commits;
      // an upload reads in three, and notes how far it came in three.
      const steps = { build: 3, write: 3, commit: 1, upload: 6 }

      const turns = (session: number, count: number) => Array.replicate(session, count)

      /** Two have written: the second commits, all is uploaded, the first commits, and all is uploaded again. */
      const missed = (rewrite: Rewrite) =>
        Effect.gen(function* () {
          const journal = yield* emptied
          yield* write("first")
          const remoteId = EventJournal.makeRemoteIdUnsafe()
          const seen: Array<string> = []
          const upload = Effect.map(uploaded(remoteId), (found) => void seen.push(...found))
          const exits = yield* interleave<unknown, unknown>(
            [alone(write("a")), alone(write("b")), alone(Effect.andThen(upload, upload))],
            [
              ...[0, 1, 2].flatMap((session) => turns(session, steps.build)),
              ...turns(0, steps.write),
              ...turns(1, steps.write + steps.commit),
              ...turns(2, steps.upload),
              ...turns(0, steps.commit)
            ],
            rewrite
          )
          assert.deepStrictEqual(exits.filter(Exit.isFailure), [])
          return events(yield* journal.entries).filter((event) => !seen.includes(event))
        })

      it.effect("goes past no entry that is yet to be committed", () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* missed(asItIs), [])
        })
      )

      // What is taken out of it is named as in this form.
      if (form === "transaction") return
      it.effect("would go past one that commits late, were entries numbered by a sequence", () =>
        Effect.gen(function* () {
          yield* Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql`CREATE SEQUENCE numbers START 2 CACHE 1`)
          const unordered: Rewrite = (text) =>
            text
              .replace(" FOR UPDATE", "")
              .replace('entry."sequence"', "nextval('numbers')")
              .replace(/DO UPDATE SET "next_sequence" = \S+, "latest_id" = \S+\)/, "DO NOTHING)")
              .replace(
                /SELECT \S+\.next_sequence - 1 AS latest/,
                "SELECT (SELECT max(sequence) FROM effect_event_journal) AS latest"
              )
          assert.deepStrictEqual(yield* missed(unordered), ["a"])
        })
      )
    },
    form
  )
}

it.live("An event journal waits for nobody who waits for its connection", () =>
  Effect.gen(function* () {
    const [begun, outside] = [yield* Latch.make(), yield* Latch.make()]
    let count = 0
    const begin = Effect.suspend(() => (++count === 2 ? begun.open : Effect.void))
    const within = Effect.andThen(Effect.andThen(begin, outside.await), write("within"))
    const transaction = Transaction.run(Effect.flatMap(Transaction.sql, (sql) => Effect.andThen(sql`SELECT 1`, within)))
    const plain = Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql.withTransaction(within))
    // Between the two they have all connections; who comes from outside waits for one.
    const both = yield* Effect.forkChild(Effect.all([transaction, Effect.flip(plain)], { concurrency: 2 }))
    yield* begun.await
    const waiting = yield* Effect.forkChild(write("outside"), { startImmediately: true })
    yield* outside.open
    yield* Fiber.join(both)
    yield* Fiber.join(waiting)
    const journal = yield* Journal
    assert.sameMembers(events(yield* journal.entries), ["within", "outside"])
  }).pipe(
    Effect.provide(layer),
    Effect.provide(
      Testing.layer({
        source: SchemaSource.builtIn("dsql/storage"),
        client: { maxConnections: 2, waitTimeout: "5 seconds" }
      })
    )
  )
)

it.live("An event journal without its tables is refused when it is built", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
    assert.include(
      error.message,
      "EventJournal needs effect_event_journal, effect_event_journal_head, effect_event_remotes,"
    )
  }).pipe(Effect.provide(Testing.layer()))
)

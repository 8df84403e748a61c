import { DsqlClient } from "@effect-dsql/core"
import { type Archetype, type DataBlob, type Execution, Executions, Identifiers } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import * as BufferedEvents from "../src/internal/executions/bufferedEvents.ts"
import {
  archetypes,
  chasmPath,
  created,
  event,
  get,
  mutation,
  noParts,
  place,
  replacement,
  signalId,
  timerId
} from "./support/executions.ts"
import { blob } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

type Kind = keyof Execution.Parts
type Entries = ReadonlyArray<readonly [key: bigint | string, value: unknown]>

const ofBlobs = (key: () => bigint | string) => () => [key(), blob()] as const

/** How an entry of each kind is made. A set's entries have no values. */
const kinds: Readonly<Record<Kind, () => Entries[number]>> = {
  activities: ofBlobs(event),
  timers: ofBlobs(timerId),
  children: ofBlobs(event),
  cancels: ofBlobs(event),
  signals: ofBlobs(event),
  requestedSignals: () => [signalId(), undefined],
  chasmNodes: () => [chasmPath(), { metadata: blob(), data: blob() }]
}

const names = Object.keys(kinds) as ReadonlyArray<Kind> // The record has exactly these keys.

const make = (kind: Kind, count: number): Entries => Array.from({ length: count }, () => kinds[kind]())

/** The same keys with other values. */
const renewed = (kind: Kind, entries: Entries): Entries => entries.map(([key]) => [key, kinds[kind]()[1]])

const keys = (entries: Entries) => new Set(entries.map(([key]) => key))

/** Entries as the store takes them. The kinds differ in their types only, so a table of all of them has none. */
const given = (kind: Kind, entries: Entries): object => ({
  [kind]: kind === "requestedSignals" ? keys(entries) : new Map(entries)
})

const suite = (name: string, archetypeId: Archetype.ArchetypeId) =>
  describeStores(`the parts of ${name}`, (it) => {
    /** Runs changes of one kind's entries one after the other, and gives what is there in the end. */
    const after = Effect.fnUntraced(function* (
      kind: Kind,
      ...changes: ReadonlyArray<{ readonly put?: Entries; readonly remove?: ReadonlySet<bigint | string> }>
    ) {
      const at = yield* place(archetypeId)
      const executions = yield* Executions.Executions
      const { runId } = yield* created(at, noParts)
      for (const [index, { put, remove }] of changes.entries()) {
        yield* executions.update(at, {
          mode: "UpdateCurrent",
          mutation: mutation(runId, BigInt(index + 1), {
            put: given(kind, put ?? []),
            remove: remove === undefined ? undefined : { [kind]: remove }
          })
        })
      }
      const { bufferedEvents: _, execution: _execution, ...parts } = yield* get(at, runId)
      return { at, runId, parts }
    })

    const expected = (kind: Kind, entries: Entries) => ({ ...noParts, ...given(kind, entries) })

    for (const kind of names) {
      it.effect(`keeps one, two and twenty ${kind}`, () =>
        Effect.gen(function* () {
          for (const count of [1, 2, 20]) {
            const entries = make(kind, count)
            assert.deepStrictEqual((yield* after(kind, { put: entries })).parts, expected(kind, entries))
          }
        })
      )

      it.effect(`replaces some of ten ${kind} and leaves the others`, () =>
        Effect.gen(function* () {
          const entries = make(kind, 10)
          const some = renewed(kind, entries.slice(0, 5))
          const { parts } = yield* after(kind, { put: entries }, { put: some })
          assert.deepStrictEqual(parts, expected(kind, [...entries.slice(5), ...some]))
        })
      )

      it.effect(`deletes ${kind} that are not there without an error`, () =>
        Effect.gen(function* () {
          const entries = make(kind, 3)
          const { parts } = yield* after(
            kind,
            { remove: keys(make(kind, 1)) },
            { put: entries, remove: keys(make(kind, 2)) }
          )
          assert.deepStrictEqual(parts, expected(kind, entries))
        })
      )

      it.effect(`deletes one, some and all of twenty ${kind} by their keys`, () =>
        Effect.gen(function* () {
          for (const count of [1, 7, 20]) {
            const entries = make(kind, 20)
            const { parts } = yield* after(kind, { put: entries }, { remove: keys(entries.slice(0, count)) })
            assert.deepStrictEqual(parts, expected(kind, entries.slice(count)))
          }
        })
      )

      it.effect(`replaces a third of fifteen ${kind} and deletes a third, at once`, () =>
        Effect.gen(function* () {
          const entries = make(kind, 15)
          const some = renewed(kind, entries.slice(0, 5))
          const { parts } = yield* after(kind, { put: entries }, { put: some, remove: keys(entries.slice(5, 10)) })
          assert.deepStrictEqual(parts, expected(kind, [...entries.slice(10), ...some]))
        })
      )

      it.effect(`deletes ${kind} that one change both puts and removes, new or not`, () =>
        Effect.gen(function* () {
          const [old, fresh] = [make(kind, 1), make(kind, 1)]
          const both = [...renewed(kind, old), ...fresh]
          const { parts } = yield* after(kind, { put: old }, { put: both, remove: keys(both) })
          assert.deepStrictEqual(parts, noParts)
        })
      )

      it.effect(`replaces all ${kind} by those of a run as a whole`, () =>
        Effect.gen(function* () {
          const entries = make(kind, 20)
          const { at, runId } = yield* after(kind, { put: entries })
          const executions = yield* Executions.Executions
          const kept = [...renewed(kind, entries.slice(0, 3)), ...make(kind, 2)]
          yield* executions.set(at, replacement(runId, 2n, { ...noParts, ...given(kind, kept) }))
          const { bufferedEvents: _, execution: _execution, ...parts } = yield* get(at, runId)
          assert.deepStrictEqual(parts, expected(kind, kept))
          yield* executions.set(at, replacement(runId, 3n, noParts))
          const { bufferedEvents: _events, execution: _row, ...rest } = yield* get(at, runId)
          assert.deepStrictEqual(rest, noParts)
        })
      )
    }
  })

for (const [name, archetypeId] of archetypes) suite(name, archetypeId)

describeStores("buffered events", (it) => {
  /** The stored ids of a run's events, and the events, in the order of the ids. */
  const stored = Effect.fnUntraced(function* (runId: Identifiers.RunId) {
    const { sql } = yield* DsqlClient.DsqlClient
    return yield* sql<{ readonly id: bigint; readonly data: Uint8Array }>`
      SELECT id, data FROM buffered_events WHERE run_id = ${runId} ORDER BY id`
  })

  const buffer = Effect.fnUntraced(function* (
    at: Execution.OwnedKey,
    runId: Identifiers.RunId,
    version: bigint,
    bufferEvents: ReadonlyArray<DataBlob.DataBlob>,
    clearBufferedEvents = false
  ) {
    const executions = yield* Executions.Executions
    const change = mutation(runId, version, { put: {}, tasks: [], bufferEvents, clearBufferedEvents })
    yield* executions.update(at, { mode: "UpdateCurrent", mutation: change })
  })

  it.effect("come back in the order in which they came", () =>
    Effect.gen(function* () {
      const at = yield* place(archetypes[0][1])
      const { runId } = yield* created(at)
      const events = Array.from({ length: 24 }, blob)
      yield* buffer(at, runId, 1n, events.slice(0, 1))
      yield* buffer(at, runId, 2n, events.slice(1, 3))
      yield* buffer(at, runId, 3n, events.slice(3, 23))
      yield* buffer(at, runId, 4n, events.slice(23))
      assert.deepStrictEqual((yield* get(at, runId)).bufferedEvents, events)
    })
  )

  it.effect("are dropped when told, before the new ones come", () =>
    Effect.gen(function* () {
      const at = yield* place(archetypes[0][1])
      const { runId } = yield* created(at)
      yield* buffer(at, runId, 1n, [], true)
      yield* buffer(at, runId, 2n, Array.from({ length: 20 }, blob))
      const last = [blob(), blob()]
      yield* buffer(at, runId, 3n, last, true)
      assert.deepStrictEqual((yield* get(at, runId)).bufferedEvents, last)
      yield* buffer(at, runId, 4n, [], true)
      assert.deepStrictEqual((yield* get(at, runId)).bufferedEvents, [])
    })
  )

  it.effect("are dropped when a run is replaced as a whole", () =>
    Effect.gen(function* () {
      const at = yield* place(archetypes[0][1])
      const { runId } = yield* created(at)
      yield* buffer(at, runId, 1n, [blob(), blob()])
      const executions = yield* Executions.Executions
      yield* executions.set(at, replacement(runId, 2n))
      assert.deepStrictEqual((yield* get(at, runId)).bufferedEvents, [])
    })
  )

  it.effect("have ids of their own, also where runs of different shards take them from one lane at once", () =>
    Effect.gen(function* () {
      const tail = randomUUID().slice(-5)
      const runs = yield* Effect.forEach(Array.from({ length: 4 }), () =>
        Effect.gen(function* () {
          const at = yield* place(archetypes[0][1])
          const { runId } = yield* created(at, {
            runId: Identifiers.RunId.make(`${randomUUID().slice(0, -5)}${tail}`)
          })
          return { at, runId, events: Array.from({ length: 12 }, blob) }
        })
      )
      yield* Effect.forEach(
        runs,
        ({ at, events, runId }) =>
          Effect.forEach([1n, 2n, 3n, 4n, 5n, 6n], (version) =>
            buffer(at, runId, version, events.slice(Number(version - 1n) * 2, Number(version) * 2))
          ),
        { concurrency: "unbounded" }
      )
      const ids = new Set<bigint>()
      for (const { at, events, runId } of runs) {
        assert.deepStrictEqual((yield* get(at, runId)).bufferedEvents, events)
        for (const { id } of yield* stored(runId)) ids.add(id)
      }
      assert.strictEqual(ids.size, 48)
    })
  )

  it.effect("stay in order behind those that the earlier system left, whose ids are times", () =>
    Effect.gen(function* () {
      const at = yield* place(archetypes[0][1])
      const { runId } = yield* created(at)
      const { sql } = yield* DsqlClient.DsqlClient
      const [old, ...events] = [blob(), blob(), blob()]
      // The earlier system's greatest: milliseconds since 2020 in 41 bits, then host and count.
      const row = { shard_id: at.shardId, namespace_id: at.namespaceId, workflow_id: at.businessId, run_id: runId }
      yield* sql`INSERT INTO buffered_events ${sql.insert({
        ...row,
        id: (1n << 62n) - 1n,
        data: old.data,
        data_encoding: old.encoding
      })}`
      yield* buffer(at, runId, 1n, events)
      assert.deepStrictEqual((yield* get(at, runId)).bufferedEvents, [old, ...events])
    })
  )

  it.effect("take their ids from lanes that do not overlap and stay within 64 bits", () =>
    Effect.sync(() => {
      const ends = ["00000", "00001", "7ffff", "80000", "ffffe", "fffff"].map((tail) =>
        BufferedEvents.lane(Identifiers.RunId.make(`6f1c2a3e-0d4b-4c5e-8f70-1122334${tail}`))
      )
      for (const [index, [first, last]] of ends.entries()) {
        assert.isTrue(first < last && last < 1n << 63n)
        const before = ends[index - 1]
        if (before !== undefined) assert.isTrue(before[1] < first)
      }
    })
  )
})

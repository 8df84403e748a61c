import { DsqlClient } from "@effect-dsql/core"
import { type NexusEndpoint, NexusEndpoints, type PageToken, type PersistenceError } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import { loseAnswer, roundTrips } from "./support/emulated.ts"
import { blob, endpoint } from "./support/rows.ts"
import { describeAlone, describeEmulated } from "./support/persistence.ts"

const using = <A, E, R>(f: (store: NexusEndpoints.NexusEndpoints["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(NexusEndpoints.NexusEndpoints, f)

const tableVersion = Effect.map(
  using((store) => store.list({ size: 1 })),
  (page) => page.tableVersion
)

const given = Effect.flatMap(tableVersion, (at) => using((store) => store.create(endpoint(), at)))

type Operation = Effect.Effect<
  unknown,
  | PersistenceError.WriteError
  | NexusEndpoint.NexusTableVersionConflict
  | NexusEndpoint.NexusEndpointVersionConflict
  | NexusEndpoint.NexusEndpointNotFound,
  NexusEndpoints.NexusEndpoints
>

const pages = (size: number) =>
  using((store) =>
    Effect.gen(function* () {
      const read: Array<ReadonlyArray<NexusEndpoint.NexusEndpoint>> = []
      let token: PageToken.PageToken | undefined
      do {
        const page = yield* store.list({ size, token })
        read.push(page.items)
        token = page.next
      } while (token !== undefined)
      return read
    })
  )

describeAlone("NexusEndpoints", (it) => {
  it.effect("begin empty, at table version 0", () =>
    Effect.gen(function* () {
      const first = yield* using((store) => store.list())
      assert.deepStrictEqual(first, { items: [], next: undefined, tableVersion: 0n })
    })
  )

  it.effect("refuse a first change at another version than 0, and stay without a version", () =>
    Effect.gen(function* () {
      const row = endpoint()
      const stale = yield* Effect.flip(using((store) => store.create(row, 1n)))
      assert.include(stale, { _tag: "NexusTableVersionConflict", expected: 1n, actual: 0n } as const)
      assert.strictEqual(yield* tableVersion, 0n)
    })
  )

  it.effect("leave one winner of sixteen who make the first change", () =>
    Effect.gen(function* () {
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 16 }, endpoint),
        (row) => Effect.result(using((store) => store.create(row, 0n))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(outcomes.filter(Result.isSuccess), 1)
      for (const outcome of outcomes.filter(Result.isFailure)) {
        assert.include(outcome.failure, { _tag: "NexusTableVersionConflict", expected: 0n, actual: 1n } as const)
      }
      assert.strictEqual(yield* tableVersion, 1n)
    })
  )

  it.effect("create an endpoint with version 1, and move the table's version by one", () =>
    Effect.gen(function* () {
      const at = yield* tableVersion
      const row = endpoint()
      const created = yield* using((store) => store.create(row, at))
      assert.deepStrictEqual(created, { ...row, version: 1n })
      assert.deepStrictEqual(yield* using((store) => store.get(row.id)), created)
      assert.strictEqual(yield* tableVersion, at + 1n)
    })
  )

  it.effect("refuse an id that is taken", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* tableVersion
      const taken = yield* Effect.flip(using((store) => store.create({ ...endpoint(), id: created.id }, at)))
      assert.include(taken, { _tag: "NexusEndpointVersionConflict", id: created.id, expected: 0n, actual: 1n } as const)
      assert.deepStrictEqual(yield* using((store) => store.get(created.id)), created)
      assert.strictEqual(yield* tableVersion, at)
    })
  )

  it.effect("update an endpoint, and move both versions by one", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* tableVersion
      const spec = blob()
      const updated = yield* using((store) => store.update({ ...created, spec, expectedVersion: created.version }, at))
      assert.deepStrictEqual(updated, { id: created.id, version: 2n, spec })
      assert.deepStrictEqual(yield* using((store) => store.get(created.id)), updated)
      assert.strictEqual(yield* tableVersion, at + 1n)
    })
  )

  it.effect("refuse a stale table version in every change, say which is current, and change nothing", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* tableVersion
      const operations: ReadonlyArray<Operation> = [
        using((store) => store.create(endpoint(), at - 1n)),
        using((store) => store.update({ ...created, spec: blob(), expectedVersion: created.version }, at - 1n)),
        using((store) => store.delete(created.id, at - 1n))
      ]
      for (const operation of operations) {
        const stale = yield* Effect.flip(operation)
        assert.include(stale, { _tag: "NexusTableVersionConflict", expected: at - 1n, actual: at } as const)
      }
      assert.deepStrictEqual(yield* using((store) => store.get(created.id)), created)
      assert.strictEqual(yield* tableVersion, at)
    })
  )

  it.effect("refuse an endpoint's stale version, say which it has, and change nothing", () =>
    Effect.gen(function* () {
      const created = yield* given
      const updated = yield* using((store) =>
        Effect.flatMap(tableVersion, (at) => store.update({ ...created, expectedVersion: created.version }, at))
      )
      const at = yield* tableVersion
      const stale = yield* Effect.flip(
        using((store) => store.update({ ...created, spec: blob(), expectedVersion: created.version }, at))
      )
      const { id } = created
      assert.include(stale, { _tag: "NexusEndpointVersionConflict", id, expected: 1n, actual: 2n } as const)
      assert.deepStrictEqual(yield* using((store) => store.get(id)), updated)
      assert.strictEqual(yield* tableVersion, at)
    })
  )

  it.effect("say of an unknown id that there is no such endpoint", () =>
    Effect.gen(function* () {
      const at = yield* tableVersion
      const unknown = { ...endpoint(), version: 1n }
      const operations: ReadonlyArray<Operation> = [
        using((store) => store.get(unknown.id)),
        using((store) => store.update({ ...unknown, expectedVersion: unknown.version }, at)),
        using((store) => store.delete(unknown.id, at))
      ]
      for (const operation of operations) {
        assert.include(yield* Effect.flip(operation), { _tag: "NexusEndpointNotFound", id: unknown.id } as const)
      }
      assert.strictEqual(yield* tableVersion, at)
    })
  )

  it.effect("delete an endpoint, and move the table's version by one", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* tableVersion
      yield* using((store) => store.delete(created.id, at))
      const gone = yield* Effect.flip(using((store) => store.get(created.id)))
      assert.strictEqual(gone._tag, "NexusEndpointNotFound")
      assert.strictEqual(yield* tableVersion, at + 1n)
    })
  )

  it.effect("leave one success of sixteen updates at one version", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* tableVersion
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 16 }, blob),
        (spec) =>
          Effect.result(using((store) => store.update({ ...created, spec, expectedVersion: created.version }, at))),
        { concurrency: "unbounded" }
      )
      const [winner, ...others] = outcomes.filter(Result.isSuccess)
      assert.lengthOf(others, 0)
      assert.deepStrictEqual(yield* using((store) => store.get(created.id)), winner?.success)
      for (const outcome of outcomes.filter(Result.isFailure)) {
        assert.include(outcome.failure, { _tag: "NexusTableVersionConflict", expected: at, actual: at + 1n } as const)
      }
      assert.strictEqual(yield* tableVersion, at + 1n)
    })
  )

  it.effect("refuse a spec that no column could hold, before it is sent", () =>
    Effect.gen(function* () {
      const spec = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
      const at = yield* tableVersion
      const refused = yield* Effect.flip(using((store) => store.create({ ...endpoint(), spec }, at)))
      assert.include(refused, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
      assert.include(refused.message, "nexus_endpoints.data")
    })
  )
})

/** Two who know the same table version, and change an endpoint each. */
const both = <E>(
  update: (
    endpoint: NexusEndpoint.NexusEndpoint,
    at: bigint
  ) => Effect.Effect<unknown, E, NexusEndpoints.NexusEndpoints>
) =>
  Effect.gen(function* () {
    const endpoints = [yield* given, yield* given]
    const at = yield* tableVersion
    const outcomes = yield* Effect.forEach(endpoints, (each) => Effect.result(update(each, at)), {
      concurrency: "unbounded"
    })
    return outcomes.filter(Result.isSuccess).length
  })

describeAlone("Two endpoints, changed at one table version", (it) => {
  it.effect("leave one success, although they are different rows", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* both((each, at) => using((store) => store.update({ ...each, expectedVersion: each.version }, at))),
        1
      )
    })
  )

  it.effect("would both be changed if only the endpoint's own version were compared", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      const unfenced = ({ id, version }: NexusEndpoint.NexusEndpoint) =>
        sql`UPDATE nexus_endpoints SET version = version + 1 WHERE id = ${id} AND version = ${version}`
      assert.strictEqual(yield* both(unfenced), 2)
    })
  )
})

describeAlone("A list of Nexus endpoints", (it) => {
  it.effect("gives every endpoint once, by id, whatever the size of a page", () =>
    Effect.gen(function* () {
      yield* Effect.forEach([1, 2, 3], () => given)
      const all = (yield* pages(100)).flat()
      assert.deepStrictEqual(
        all.map(({ id }) => id),
        all.map(({ id }) => id).toSorted()
      )
      for (const [size, lengths] of [
        [1, [1, 1, 1]],
        [2, [2, 1]],
        [3, [3]]
      ] as const) {
        const read = yield* pages(size)
        assert.deepStrictEqual(
          read.map(({ length }) => length),
          [...lengths]
        )
        assert.deepStrictEqual(read.flat(), all)
      }
      assert.deepStrictEqual(yield* using((store) => Stream.runCollect(store.stream({ size: 2 }))), all)
    })
  )

  it.effect("is of the table version that the caller knows, or none", () =>
    Effect.gen(function* () {
      const at = yield* tableVersion
      const known = yield* using((store) => store.list({ tableVersion: at }))
      assert.lengthOf(known.items, 3)
      const stale = yield* Effect.flip(using((store) => store.list({ tableVersion: at - 1n })))
      assert.include(stale, { _tag: "NexusTableVersionConflict", expected: at - 1n, actual: at } as const)
    })
  )

  it.effect("without endpoints tells the table version, if it is the one that the caller knows", () =>
    Effect.gen(function* () {
      const at = yield* tableVersion
      const none = { items: [], next: undefined, tableVersion: at }
      assert.deepStrictEqual(yield* using((store) => store.list({ size: 0 })), none)
      const stale = yield* Effect.flip(using((store) => store.list({ size: 0, tableVersion: at - 1n })))
      assert.strictEqual(stale._tag, "NexusTableVersionConflict")
    })
  )

  it.effect("does not go on when an endpoint has changed since its first page", () =>
    Effect.gen(function* () {
      const first = yield* using((store) => store.list({ size: 2 }))
      yield* given
      const stale = yield* Effect.flip(using((store) => store.list({ size: 2, token: first.next })))
      const { tableVersion: expected } = first
      assert.include(stale, { _tag: "NexusTableVersionConflict", expected, actual: expected + 1n } as const)
      const streamed = yield* Effect.flip(using((store) => Stream.runDrain(store.stream({ tableVersion: expected }))))
      assert.strictEqual(streamed._tag, "NexusTableVersionConflict")
    })
  )

  it.effect("names a row that does not decode, and goes on after it", () =>
    Effect.gen(function* () {
      const all = (yield* pages(100)).flat()
      const bad = all[1]
      assert(bad !== undefined)
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE nexus_endpoints SET data_encoding = 'Thrift' WHERE id = ${bad.id}`
      const first = yield* using((store) => store.list())
      assert.deepStrictEqual(first.items, all.slice(0, 1))
      const malformed = yield* Effect.flip(using((store) => store.list({ token: first.next })))
      assert(malformed._tag === "MalformedRow")
      assert.include(malformed, { table: "nexus_endpoints", key: `id = ${bad.id}` })
      const rest = yield* using((store) => store.list({ token: malformed.next }))
      assert.deepStrictEqual(rest.items, all.slice(2))
    })
  )
})

describeEmulated("A change of a Nexus endpoint whose answer was lost", (it) => {
  it.effect("is done again where it is the very first, because there is no row yet that settles it", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      for (const when of ["before", "after"] as const) {
        yield* sql`DELETE FROM nexus_endpoints_partition_status WHERE id = 0`
        yield* loseAnswer(when)
        yield* using((store) => store.create(endpoint(), 0n))
        assert.strictEqual(yield* tableVersion, 1n)
      }
    })
  )

  it.effect("took effect, where the rows say so", () =>
    Effect.gen(function* () {
      const at = yield* tableVersion
      yield* loseAnswer("after")
      const created = yield* using((store) => store.create(endpoint(), at))
      yield* loseAnswer("after")
      const updated = yield* using((store) =>
        store.update({ ...created, spec: blob(), expectedVersion: created.version }, at + 1n)
      )
      assert.deepStrictEqual(yield* using((store) => store.get(created.id)), updated)
      yield* loseAnswer("after")
      yield* using((store) => store.delete(created.id, at + 2n))
      assert.strictEqual(yield* tableVersion, at + 3n)
    })
  )

  it.effect("is made once, where it had taken no effect", () =>
    Effect.gen(function* () {
      const created = yield* given
      const at = yield* tableVersion
      const operations: ReadonlyArray<Operation> = [
        using((store) => store.create(endpoint(), at)),
        using((store) => store.update({ ...created, spec: blob(), expectedVersion: created.version }, at + 1n)),
        using((store) => store.delete(created.id, at + 2n))
      ]
      for (const operation of operations) {
        yield* loseAnswer("before")
        yield* operation
      }
      assert.strictEqual(yield* tableVersion, at + 3n)
      assert.strictEqual((yield* Effect.flip(using((store) => store.get(created.id))))._tag, "NexusEndpointNotFound")
    })
  )

  it.effect("was, like every operation, one round trip of what the linter accepts", () =>
    Effect.gen(function* () {
      const store = yield* NexusEndpoints.NexusEndpoints
      const created = yield* given
      let at = yield* tableVersion
      let version = created.version
      const next = <A, E>(operation: (at: bigint) => Effect.Effect<A, E>) => Effect.suspend(() => operation(at++))
      const doomed = [yield* given, yield* given].map(({ id }) => id)
      at += 2n
      const counts = {
        create: yield* roundTrips(next((known) => store.create(endpoint(), known))),
        update: yield* roundTrips(next((known) => store.update({ ...created, expectedVersion: version++ }, known))),
        delete: yield* roundTrips(next((known) => store.delete(doomed.pop() ?? created.id, known))),
        get: yield* roundTrips(store.get(created.id)),
        list: yield* roundTrips(store.list({ tableVersion: at }))
      }
      assert.deepStrictEqual(counts, { create: 1, update: 1, delete: 1, get: 1, list: 1 })
    })
  )
})

import { DsqlClient } from "@effect-dsql/core"
import { type Cluster, Clusters, type DataBlob, Identifiers } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import { loseAnswer, roundTrips } from "./support/emulated.ts"
import { blob, clusterName } from "./support/rows.ts"
import { describeAlone, describeEmulated, describeStores } from "./support/persistence.ts"

const using = <A, E, R>(f: (store: Clusters.Clusters["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Clusters.Clusters, f)

const fresh = (): Cluster.Cluster => ({ name: clusterName(), version: 0n, metadata: blob() })

const given = Effect.suspend(() => using((store) => store.save(fresh(), 0n)))

describeStores("Metadata of clusters", (it) => {
  it.effect("say of a cluster that is missing that there are none", () =>
    Effect.gen(function* () {
      const name = clusterName()
      assert.include(yield* Effect.flip(using((store) => store.get(name))), { _tag: "ClusterNotFound", name } as const)
    })
  )

  it.effect("are saved first with version 1, and found by name", () =>
    Effect.gen(function* () {
      const row = fresh()
      const saved = yield* using((store) => store.save(row, row.version))
      assert.deepStrictEqual(saved, { ...row, version: 1n })
      assert.deepStrictEqual(yield* using((store) => store.get(row.name)), saved)
    })
  )

  it.effect("are replaced by who has read their version", () =>
    Effect.gen(function* () {
      const saved = yield* given
      const metadata = { ...blob(), encoding: "Json" as const }
      const next = yield* using((store) => store.save({ name: saved.name, metadata }, saved.version))
      assert.deepStrictEqual(next, { name: saved.name, version: 2n, metadata })
      assert.deepStrictEqual(yield* using((store) => store.get(saved.name)), next)
    })
  )

  it.effect("stay as they are for a stale version, a version to come, and a second first time", () =>
    Effect.gen(function* () {
      const { name } = yield* given
      const saved = yield* using((store) => store.save({ name, metadata: blob() }, 1n))
      for (const expected of [0n, 1n, 3n]) {
        const refused = yield* Effect.flip(using((store) => store.save({ name, metadata: blob() }, expected)))
        assert.include(refused, { _tag: "ClusterVersionConflict", name, expected, actual: 2n } as const)
      }
      assert.deepStrictEqual(yield* using((store) => store.get(name)), saved)
    })
  )

  it.effect("of a cluster that is missing are not saved with a version, and it is said why", () =>
    Effect.gen(function* () {
      const row = { ...fresh(), version: 5n }
      const refused = yield* Effect.flip(using((store) => store.save(row, row.version)))
      assert.include(refused, { _tag: "ClusterVersionConflict", expected: 5n, actual: 0n } as const)
      assert.include(refused.message, "there are none")
      assert.strictEqual((yield* Effect.flip(using((store) => store.get(row.name))))._tag, "ClusterNotFound")
    })
  )

  it.effect("leave one winner of sixteen first saves, and of sixteen with one version", () =>
    Effect.gen(function* () {
      const name = clusterName()
      for (const version of [0n, 1n]) {
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 16 }, blob),
          (metadata) => Effect.result(using((store) => store.save({ name, metadata }, version))),
          { concurrency: "unbounded" }
        )
        const [winner, ...others] = outcomes.filter(Result.isSuccess)
        assert.lengthOf(others, 0)
        assert.deepStrictEqual(yield* using((store) => store.get(name)), winner?.success)
        for (const outcome of outcomes.filter(Result.isFailure)) {
          assert.include(outcome.failure, { _tag: "ClusterVersionConflict", actual: version + 1n } as const)
        }
      }
    })
  )

  it.effect("keep a caller's rule on what may not change, because the version that it read is compared", () =>
    Effect.gen(function* () {
      const shards = (count: number): DataBlob.DataBlob => ({ data: Uint8Array.of(count), encoding: "Proto3" })
      const { name } = yield* using((store) => store.save({ ...fresh(), metadata: shards(43) }, 0n))
      /** The number of shards may never change. */
      const save = (metadata: DataBlob.DataBlob) =>
        using((store) =>
          Effect.gen(function* () {
            const stored = yield* store.get(name)
            if (stored.metadata.data[0] !== metadata.data[0]) return false
            yield* store.save({ name, metadata }, stored.version)
            return true
          })
        )
      assert.isFalse(yield* save(shards(77)))
      assert.include(yield* using((store) => store.get(name)), { version: 1n })
      assert.isTrue(yield* save(shards(43)))
      assert.include(yield* using((store) => store.get(name)), { version: 2n })
    })
  )

  it.effect("are deleted, twice without complaint", () =>
    Effect.gen(function* () {
      const { name } = yield* given
      yield* using((store) => store.delete(name))
      yield* using((store) => store.delete(name))
      assert.strictEqual((yield* Effect.flip(using((store) => store.get(name))))._tag, "ClusterNotFound")
    })
  )

  it.effect("refuse a name and a value that DSQL could not hold, before they are sent", () =>
    Effect.gen(function* () {
      const metadata = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
      const value = yield* Effect.flip(using((store) => store.save({ ...fresh(), metadata }, 0n)))
      assert.include(value, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
      const name = Identifiers.ClusterName.make("𝄞".repeat(255))
      const key = yield* Effect.flip(using((store) => store.save({ ...fresh(), name }, 0n)))
      assert.include(key, { _tag: "LimitExceeded", limit: "key_bytes" } as const)
    })
  )
})

/** Who read the metadata saves them after another has. */
const overtaken = <E>(
  save: (read: Cluster.Cluster) => Effect.Effect<unknown, E, Clusters.Clusters | DsqlClient.DsqlClient>
) =>
  Effect.gen(function* () {
    const read = yield* given
    const other = yield* using((store) => store.save({ name: read.name, metadata: blob() }, read.version))
    yield* Effect.result(save({ ...read, metadata: blob() }))
    return { other, stored: yield* using((store) => store.get(read.name)) }
  })

describeStores("A save that another has overtaken", (it) => {
  it.effect("leaves what the other saved", () =>
    Effect.gen(function* () {
      const { other, stored } = yield* overtaken((read) => using((store) => store.save(read, read.version)))
      assert.deepStrictEqual(stored, other)
    })
  )

  it.effect("would replace it if its WHERE clause did not name the version", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      const unfenced = ({ metadata, name, version }: Cluster.Cluster) =>
        sql`UPDATE cluster_metadata_info SET data = ${metadata.data}, version = ${version + 1n}
          WHERE metadata_partition = 0 AND cluster_name = ${name}`
      const { other, stored } = yield* overtaken(unfenced)
      assert.strictEqual(stored.version, other.version)
      assert.notDeepEqual(stored, other)
    })
  )
})

describeAlone("ClusterMetadata.list", (it) => {
  it.effect("gives every cluster once, by name, page by page and as a stream", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* using((store) => store.list()), { items: [], next: undefined })
      const saved = yield* Effect.forEach([1, 2, 3], () => given)
      const all = saved.toSorted((a, b) => (a.name < b.name ? -1 : 1))
      const first = yield* using((store) => store.list({ size: 2 }))
      assert.deepStrictEqual(first.items, all.slice(0, 2))
      const second = yield* using((store) => store.list({ size: 2, token: first.next }))
      assert.deepStrictEqual(second, { items: all.slice(2), next: undefined })
      for (const size of [1, 2, 3]) {
        assert.deepStrictEqual(yield* using((store) => Stream.runCollect(store.stream({ size }))), all)
      }
    })
  )

  it.effect("names a row that does not decode, and goes on after it", () =>
    Effect.gen(function* () {
      const [first, bad, last] = yield* using((store) => Stream.runCollect(store.stream()))
      assert(first !== undefined && bad !== undefined && last !== undefined)
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE cluster_metadata_info SET data_encoding = '' WHERE cluster_name = ${bad.name}`
      const before = yield* using((store) => store.list())
      assert.deepStrictEqual(before.items, [first])
      const malformed = yield* Effect.flip(using((store) => store.list({ token: before.next })))
      assert(malformed._tag === "MalformedRow")
      assert.include(malformed, {
        table: "cluster_metadata_info",
        key: `metadata_partition = 0, cluster_name = ${bad.name}`
      })
      assert.include(malformed.reason, "data_encoding")
      assert.deepStrictEqual((yield* using((store) => store.list({ token: malformed.next }))).items, [last])
    })
  )
})

describeEmulated("A save whose answer was lost", (it) => {
  it.effect("is known where it is there, and open where it is not: others may have saved or deleted since", () =>
    Effect.gen(function* () {
      yield* loseAnswer("after")
      const saved = yield* given
      assert.strictEqual(saved.version, 1n)
      yield* loseAnswer("after")
      const next = yield* using((store) => store.save({ name: saved.name, metadata: blob() }, saved.version))
      assert.deepStrictEqual(yield* using((store) => store.get(saved.name)), next)
      for (const expected of [0n, next.version]) {
        const name = expected === 0n ? clusterName() : next.name
        yield* loseAnswer("before")
        const lost = yield* Effect.flip(using((store) => store.save({ name, metadata: blob() }, expected)))
        assert.strictEqual(lost._tag, "CommitOutcomeUnknown")
      }
      assert.deepStrictEqual(yield* using((store) => store.get(saved.name)), next)
    })
  )

  it.effect("was a deletion, where the row is gone, and stays open, where one is there", () =>
    Effect.gen(function* () {
      const { name } = yield* given
      yield* loseAnswer("before")
      assert.strictEqual((yield* Effect.flip(using((store) => store.delete(name))))._tag, "CommitOutcomeUnknown")
      yield* loseAnswer("after")
      yield* using((store) => store.delete(name))
    })
  )

  it.effect("was, like every operation, one round trip of what the linter accepts", () =>
    Effect.gen(function* () {
      const { name } = yield* given
      const counts = yield* using((store) =>
        Effect.all({
          save: roundTrips(given),
          refused: roundTrips(Effect.flip(store.save({ name, metadata: blob() }, 9n))),
          get: roundTrips(store.get(name)),
          list: roundTrips(store.list()),
          delete: roundTrips(store.delete(name))
        })
      )
      assert.deepStrictEqual(counts, { save: 1, refused: 1, get: 1, list: 1, delete: 1 })
    })
  )
})

import { DsqlClient } from "@effect-dsql/core"
import { Identifiers, TaskQueueUserData, type UserData } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Option, Result, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { loseAnswer, roundTrips } from "./support/emulated.ts"
import { blob } from "./support/rows.ts"
import { describeEmulated, describeStores } from "./support/persistence.ts"

const namespaceId = () => Identifiers.NamespaceId.make(randomUUID())
const name = (text: string) => Identifiers.TaskQueueName.make(text)
const buildId = (text: string) => Identifiers.BuildId.make(text)

type Updates = ReadonlyArray<readonly [string, UserData.UserDataChange]>

const updates = (entries: Updates) => new Map(entries.map(([text, update]) => [name(text), update] as const))

const store = TaskQueueUserData.TaskQueueUserData

const versions = (of: Identifiers.NamespaceId) =>
  Effect.gen(function* () {
    const all = yield* Stream.runCollect((yield* store).stream(of))
    return all.map((each) => [each.name, each.version])
  })

describeStores("User data of task queues", (it) => {
  it.effect("begins with version 1, and gets one more with each update", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      assert.isTrue(Option.isNone(yield* data.find(of, name("a"))))
      const [first, second] = [blob(), blob()]
      yield* data.update(of, updates([["a", { expectedVersion: 0n, data: first }]]))
      assert.deepStrictEqual(
        yield* data.find(of, name("a")),
        Option.some({ name: name("a"), version: 1n, data: first })
      )
      yield* data.update(of, updates([["a", { expectedVersion: 1n, data: second }]]))
      assert.deepStrictEqual(
        yield* data.find(of, name("a")),
        Option.some({ name: name("a"), version: 2n, data: second })
      )
      yield* data.update(of, updates([]))
    })
  )

  it.effect("changes for three queues together or for none, and only the stale one is said to conflict", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      yield* data.update(of, updates(["a", "b"].map((each) => [each, { expectedVersion: 0n, data: blob() }])))
      yield* data.update(of, updates([["b", { expectedVersion: 1n, data: blob() }]]))
      const addBuildIds = [buildId("one")]
      const stale = yield* Effect.flip(
        data.update(
          of,
          updates([
            ["a", { expectedVersion: 1n, data: blob(), addBuildIds }],
            ["b", { expectedVersion: 1n, data: blob(), addBuildIds }],
            ["c", { expectedVersion: 0n, data: blob(), addBuildIds }]
          ])
        )
      )
      assert(stale._tag === "UserDataConflict")
      assert.deepStrictEqual(stale.conflicts, [{ name: name("b"), expected: 1n, actual: 2n }])
      assert.deepStrictEqual(yield* versions(of), [
        ["a", 1n],
        ["b", 2n]
      ])
      assert.strictEqual(yield* data.countByBuildId(of, buildId("one")), 0)
    })
  )

  it.effect("is neither made by an update of what is not there, nor replaced by one that takes it for missing", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      yield* data.update(of, updates([["a", { expectedVersion: 0n, data: blob() }]]))
      for (const [text, version, actual] of [
        ["a", 0n, 1n],
        ["b", 3n, 0n]
      ] as const) {
        const stale = yield* Effect.flip(data.update(of, updates([[text, { expectedVersion: version, data: blob() }]])))
        assert(stale._tag === "UserDataConflict")
        assert.deepStrictEqual(stale.conflicts, [{ name: name(text), expected: version, actual }])
      }
      assert.deepStrictEqual(yield* versions(of), [["a", 1n]])
    })
  )

  it.effect("of sixteen who update one version at once, one wins", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      for (const version of [0n, 1n]) {
        const outcomes = yield* Effect.all(
          Array.from({ length: 16 }, () =>
            Effect.result(
              data.update(
                of,
                updates([
                  ["a", { expectedVersion: version, data: blob() }],
                  ["b", { expectedVersion: version, data: blob() }]
                ])
              )
            )
          ),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(outcomes.filter(Result.isSuccess).length, 1)
        for (const lost of outcomes.filter(Result.isFailure)) assert.strictEqual(lost.failure._tag, "UserDataConflict")
        assert.deepStrictEqual(yield* versions(of), [
          ["a", version + 1n],
          ["b", version + 1n]
        ])
      }
    })
  )

  it.effect("would lose an update if the version were not part of the write", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      const [mine, theirs] = [blob(), blob()]
      const stored = Effect.map(data.find(of, name("a")), (found) => Option.getOrThrow(found).data)
      yield* data.update(of, updates([["a", { expectedVersion: 0n, data: blob() }]]))
      yield* data.update(of, updates([["a", { expectedVersion: 1n, data: mine }]]))
      yield* Effect.flip(data.update(of, updates([["a", { expectedVersion: 1n, data: theirs }]])))
      assert.deepStrictEqual(yield* stored, mine)
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE task_queue_user_data SET data = ${theirs.data}, version = version + 1 WHERE namespace_id = ${of}`
      assert.deepStrictEqual(yield* stored, theirs)
    })
  )

  it.effect("adds and removes build ids in the same write, and counts and lists the queues that use one", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      const [one, two] = [buildId("one"), buildId("two")]
      const queues = Array.from({ length: 7 }, (_, index) => `queue ${index}`)
      yield* data.update(
        of,
        updates(queues.map((each) => [each, { expectedVersion: 0n, data: blob(), addBuildIds: [one, two, one] }]))
      )
      yield* data.update(
        of,
        updates([["queue 3", { expectedVersion: 1n, data: blob(), addBuildIds: [one], removeBuildIds: [two] }]])
      )
      yield* data.update(
        of,
        updates([["queue 4", { expectedVersion: 1n, data: blob(), addBuildIds: [two], removeBuildIds: [two] }]])
      )
      assert.strictEqual(yield* data.countByBuildId(of, one), 7)
      assert.strictEqual(yield* data.countByBuildId(of, two), 5)
      assert.strictEqual(yield* data.countByBuildId(namespaceId(), one), 0)
      for (const size of [1, 3, 7, 100]) {
        assert.deepStrictEqual(
          [...(yield* Stream.runCollect(data.streamByBuildId(of, one, { size })))],
          queues.map(name)
        )
      }
      const used = yield* data.listByBuildId(of, two)
      assert.deepStrictEqual(used.items, ["queue 0", "queue 1", "queue 2", "queue 5", "queue 6"].map(name))
      const page = yield* data.listByBuildId(of, one, { size: 2 })
      const foreign = yield* Effect.flip(data.listByBuildId(of, two, { token: page.next }))
      assert.strictEqual(foreign._tag, "PageTokenInvalid")
    })
  )

  it.effect("is listed by name in pages of any size, and past a row that does not decode", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      const queues = Array.from({ length: 5 }, (_, index) => `queue ${index}`)
      yield* data.update(of, updates(queues.map((each) => [each, { expectedVersion: 0n, data: blob() }])))
      for (const size of [1, 2, 5]) {
        const listed = yield* Stream.runCollect(data.stream(of, { size }))
        assert.deepStrictEqual(
          listed.map((each) => each.name),
          queues.map(name)
        )
      }
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE task_queue_user_data SET data_encoding = 'Thrift'
        WHERE namespace_id = ${of} AND task_queue_name = 'queue 0'`
      const malformed = yield* Effect.flip(data.list(of))
      assert(malformed._tag === "MalformedRow")
      assert.include(malformed.message, "task_queue_name = queue 0")
      assert.strictEqual((yield* data.list(of, { token: malformed.next })).items.length, 4)
    })
  )

  it.effect("is refused when it is too large, or has too many build ids for one transaction", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      const large = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
      const refused = yield* Effect.flip(data.update(of, updates([["a", { expectedVersion: 0n, data: large }]])))
      assert.include(refused, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
      assert.include(refused.message, "task_queue_user_data.data")
      const addBuildIds = Array.from({ length: 3_000 }, (_, index) => buildId(`build ${index}`))
      const many = yield* Effect.flip(
        data.update(of, updates([["a", { expectedVersion: 0n, data: blob(), addBuildIds }]]))
      )
      assert.include(many, { _tag: "LimitExceeded", limit: "transaction_rows" } as const)
      assert.deepStrictEqual(yield* versions(of), [])
    })
  )
})

describeEmulated("User data of task queues, on the wire,", (it) => {
  it.effect("is read and changed in one round trip, for however many queues", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      let version = 0n
      const addBuildIds = [buildId("one")]
      const change = Effect.suspend(() => {
        const update = { expectedVersion: version++, data: blob(), addBuildIds, removeBuildIds: [buildId("two")] }
        return data.update(of, updates(["a", "b", "c"].map((each) => [each, update])))
      })
      assert.strictEqual(yield* roundTrips(change), 1)
      assert.strictEqual(yield* roundTrips(data.find(of, name("a"))), 1)
      assert.strictEqual(yield* roundTrips(data.list(of)), 1)
      assert.strictEqual(yield* roundTrips(data.countByBuildId(of, buildId("one"))), 1)
      assert.strictEqual(yield* roundTrips(data.listByBuildId(of, buildId("one"))), 1)
    })
  )

  it.effect("whose answer was lost is settled by what is there", () =>
    Effect.gen(function* () {
      const data = yield* store
      const of = namespaceId()
      const change = (version: bigint) =>
        updates(["a", "b"].map((each) => [each, { expectedVersion: version, data: blob() }]))
      for (const [version, when] of [
        [0n, "before"],
        [1n, "after"],
        [2n, "before"]
      ] as const) {
        yield* loseAnswer(when)
        yield* data.update(of, change(version))
      }
      const other = namespaceId()
      yield* loseAnswer("after")
      yield* data.update(other, change(0n))
      assert.deepStrictEqual(yield* versions(other), [
        ["a", 1n],
        ["b", 1n]
      ])
      // Nothing tells that a change was refused from one that was made and changed again.
      yield* loseAnswer("before")
      assert.strictEqual((yield* Effect.flip(data.update(of, change(1n))))._tag, "CommitOutcomeUnknown")
      assert.deepStrictEqual(yield* versions(of), [
        ["a", 3n],
        ["b", 3n]
      ])
    })
  )
})

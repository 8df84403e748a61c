import { RetryPolicy, Transaction } from "@effect-dsql/core"
import { Namespaces } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result } from "effect"
import { loseAnswer, roundTrips } from "./support/emulated.ts"
import { blob, namespace, namespaceName } from "./support/rows.ts"
import { describeEmulated } from "./support/persistence.ts"

const using = <A, E, R>(f: (store: Namespaces.Namespaces["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Namespaces.Namespaces, f)

const version = using((store) => store.version)
const given = using((store) => store.create(namespace()))

describeEmulated("A change of a namespace whose answer was lost", (it) => {
  it.effect("created it, where it is there", () =>
    Effect.gen(function* () {
      const row = namespace()
      const before = yield* version
      yield* loseAnswer("after")
      const created = yield* using((store) => store.create(row))
      assert.deepStrictEqual(created, { ...row, notificationVersion: before })
      assert.strictEqual(yield* version, before + 1n)
    })
  )

  it.effect("is open where the namespace is not there: somebody may have deleted it since", () =>
    Effect.gen(function* () {
      const row = namespace()
      const before = yield* version
      yield* loseAnswer("before")
      const lost = yield* Effect.flip(using((store) => store.create(row)))
      assert.strictEqual(lost._tag, "CommitOutcomeUnknown")
      assert.strictEqual(yield* version, before)
      yield* using((store) => store.create(row))
    })
  )

  it.effect("is made once for the system's, which is there whoever deletes it", () =>
    Effect.gen(function* () {
      yield* loseAnswer("before")
      yield* using((store) => store.initializeSystem(blob()))
      const { items } = yield* using((store) => store.list({ size: 100 }))
      assert.strictEqual(items.filter(({ name }) => name === "temporal-system").length, 1)
    })
  )

  for (const operation of ["update", "rename"] as const) {
    const change = (store: Namespaces.Namespaces["Service"], row: ReturnType<typeof namespace>, expected: bigint) =>
      operation === "update" ? store.update(row, expected) : store.rename(row, expected)

    it.effect(`took effect, where the row says so (${operation})`, () =>
      Effect.gen(function* () {
        const created = yield* given
        const at = yield* version
        const next = { ...created, detail: blob(), ...(operation === "rename" && { name: namespaceName() }) }
        yield* loseAnswer("after")
        yield* using((store) => change(store, next, at))
        assert.deepStrictEqual(yield* using((store) => store.getById(created.id)), { ...next, notificationVersion: at })
        assert.strictEqual(yield* version, at + 1n)
      })
    )

    it.effect(`is made once, where it had taken no effect (${operation})`, () =>
      Effect.gen(function* () {
        const created = yield* given
        const at = yield* version
        yield* loseAnswer("before")
        const next = { ...created, detail: blob() }
        yield* using((store) => change(store, next, at))
        assert.deepStrictEqual(yield* using((store) => store.getById(created.id)), { ...next, notificationVersion: at })
        assert.strictEqual(yield* version, at + 1n)
      })
    )
  }

  it.effect("deleted it, where it is gone", () =>
    Effect.gen(function* () {
      const created = yield* given
      yield* loseAnswer("after")
      yield* using((store) => store.deleteById(created.id))
      const again = yield* using((store) => store.create(created))
      yield* loseAnswer("after")
      yield* using((store) => store.deleteByName(again.name))
    })
  )

  it.effect("is open where a namespace is there after a deletion: it may be a new one", () =>
    Effect.gen(function* () {
      const created = yield* given
      yield* loseAnswer("before")
      const byId = yield* Effect.flip(using((store) => store.deleteById(created.id)))
      assert.strictEqual(byId._tag, "CommitOutcomeUnknown")
      yield* loseAnswer("before")
      const byName = yield* Effect.flip(using((store) => store.deleteByName(created.name)))
      assert.strictEqual(byName._tag, "CommitOutcomeUnknown")
      assert.deepStrictEqual(yield* using((store) => store.getById(created.id)), created)
    })
  )
})

/** What the server still works on when the connection is gone: it commits after somebody has looked. */
const late = <E, R>(look: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const looked = yield* Deferred.make<void>()
    const change = Effect.gen(function* () {
      const sql = yield* Transaction.sql
      yield* sql`UPDATE namespace_metadata SET notification_version = notification_version + 1 WHERE partition_id = 54321`
      yield* Deferred.succeed(begun, undefined)
      yield* Deferred.await(looked)
    })
    const running = yield* Transaction.run(change, { policy: RetryPolicy.none }).pipe(Effect.result, Effect.forkChild)
    yield* Deferred.await(begun)
    yield* look
    yield* Deferred.succeed(looked, undefined)
    return yield* Fiber.join(running)
  })

describeEmulated("A change that is still under way", (it) => {
  it.effect("can no longer commit once it has been looked for", () =>
    Effect.gen(function* () {
      const before = yield* version
      const look = Effect.gen(function* () {
        yield* loseAnswer("before")
        assert.strictEqual((yield* Effect.flip(given))._tag, "CommitOutcomeUnknown")
      })
      const outcome = yield* late(look)
      assert(Result.isFailure(outcome))
      assert.strictEqual(outcome.failure._tag, "ConflictRetriesExhausted")
      assert.strictEqual(yield* version, before)
    })
  )

  it.effect("could, if who looked had only read", () =>
    Effect.gen(function* () {
      const before = yield* version
      const outcome = yield* late(version)
      assert.isTrue(Result.isSuccess(outcome))
      assert.strictEqual(yield* version, before + 1n)
    })
  )
})

describeEmulated("Each operation on namespaces", (it) => {
  it.effect("is one round trip of what the linter accepts", () =>
    Effect.gen(function* () {
      const created = yield* given
      const changed = (
        change: Namespaces.Namespaces["Service"]["rename"] | Namespaces.Namespaces["Service"]["update"]
      ) => Effect.flatMap(version, (at) => change(created, at))
      const one = using((store) =>
        Effect.all({
          create: roundTrips(Effect.suspend(() => store.create(namespace()))),
          refusedCreate: roundTrips(Effect.flip(store.create(created))),
          initializeSystem: roundTrips(store.initializeSystem(blob())),
          getById: roundTrips(store.getById(created.id)),
          getByName: roundTrips(store.getByName(created.name)),
          staleUpdate: roundTrips(Effect.flip(store.update(created, 0n))),
          version: roundTrips(store.version),
          list: roundTrips(store.list()),
          deleteById: roundTrips(store.deleteById(created.id)),
          deleteByName: roundTrips(store.deleteByName(created.name))
        })
      )
      // The version is read first, in a round trip of its own.
      const two = using((store) =>
        Effect.all({ update: roundTrips(changed(store.update)), rename: roundTrips(changed(store.rename)) })
      )
      assert.deepStrictEqual(yield* two, { update: 2, rename: 2 })
      for (const [operation, count] of Object.entries(yield* one)) assert.strictEqual(count, 1, operation)
    })
  )
})

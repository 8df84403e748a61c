import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { type Identifiers, type Namespace, Namespaces } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result, Stream } from "effect"
import fc from "fast-check"
import { blob, namespace, namespaceName } from "./support/rows.ts"
import { describeAlone } from "./support/persistence.ts"

const using = <A, E, R>(f: (store: Namespaces.Namespaces["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Namespaces.Namespaces, f)

const version = using((store) => store.version)
const given = using((store) => store.create(namespace()))

const sixteen = Array.from({ length: 16 }, (_, index) => index)

const successes = <A, E>(outcomes: ReadonlyArray<Result.Result<A, E>>) => outcomes.filter(Result.isSuccess)

describeAlone("Sixteen at once", (it) => {
  it.effect("who create one name leave one winner, and the rest are told who it is", () =>
    Effect.gen(function* () {
      const before = yield* version
      const rows = sixteen.map(() => namespace({ name: namespaceName() }))
      const name = rows[0]?.name ?? namespaceName()
      const outcomes = yield* Effect.forEach(
        rows,
        (row) => Effect.result(using((store) => store.create({ ...row, name }))),
        { concurrency: "unbounded" }
      )
      const [winner, ...others] = successes(outcomes)
      assert(winner !== undefined)
      assert.lengthOf(others, 0)
      assert.deepStrictEqual(yield* using((store) => store.getByName(name)), winner.success)
      for (const outcome of outcomes.filter(Result.isFailure)) {
        assert.include(outcome.failure, { _tag: "NamespaceAlreadyExists", id: winner.success.id, name } as const)
      }
      assert.strictEqual(yield* version, before + 1n)
    })
  )

  it.effect("who create names of their own all succeed, each with a version of its own", () =>
    Effect.gen(function* () {
      const before = yield* version
      const created = yield* Effect.forEach(sixteen, () => given, { concurrency: "unbounded" })
      const versions = created.map((each) => each.notificationVersion).toSorted((a, b) => Number(a - b))
      assert.deepStrictEqual(
        versions,
        sixteen.map((index) => before + BigInt(index))
      )
      assert.strictEqual(yield* version, before + 16n)
    })
  )

  it.effect("who update with one version leave one success, and the rest are told the version", () =>
    Effect.gen(function* () {
      const created = yield* given
      const expected = yield* version
      const changes = sixteen.map(() => ({ ...created, detail: blob() }))
      const outcomes = yield* Effect.forEach(
        changes,
        (change) => Effect.result(using((store) => store.update(change, expected))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(successes(outcomes), 1)
      const winner = changes[outcomes.findIndex(Result.isSuccess)]
      const stored = yield* using((store) => store.getById(created.id))
      assert.deepStrictEqual(stored, { ...created, detail: winner?.detail, notificationVersion: expected })
      for (const outcome of outcomes.filter(Result.isFailure)) {
        assert.include(outcome.failure, { _tag: "NamespaceVersionConflict", expected, actual: expected + 1n } as const)
      }
      assert.strictEqual(yield* version, expected + 1n)
    })
  )
})

const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })

/** The name, taken in a transaction that begins before another takes it, and ends after. */
const race = <E>(
  take: (name: Identifiers.NamespaceName, other: Effect.Effect<void>) => Effect.Effect<void, E, Transaction.Transaction>
) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    // What the index would do is not what is tested: it is built asynchronously, and may not be there yet.
    yield* sql`DROP INDEX IF EXISTS idx_namespaces_name`
    const name = namespaceName()
    const begun = yield* Deferred.make<void>()
    const taken = yield* Deferred.make<void>()
    const slow = yield* Transaction.run(
      take(name, Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(taken))),
      { policy }
    ).pipe(Effect.result, Effect.forkChild)
    yield* Deferred.await(begun)
    const other = yield* using((store) => store.create(namespace({ name })))
    yield* Deferred.succeed(taken, undefined)
    const outcome = yield* Fiber.join(slow)
    const rows = yield* sql<{ id: string }>`SELECT id FROM namespaces WHERE name = ${name}`
    return { outcome, other, rows: rows.map(({ id }) => id) }
  })

/** Creates a namespace as the servers of the earlier system do: the metadata locked, the row, the version. */
const create = (name: Identifiers.NamespaceName, between: Effect.Effect<void>, guard: boolean) =>
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const lock = sql.literal(guard ? "FOR UPDATE" : "")
    yield* sql`SELECT notification_version FROM namespace_metadata WHERE partition_id = 54321 ${lock}`
    const there = yield* sql`SELECT 1 FROM namespaces WHERE name = ${name}`
    yield* between
    if (there.length > 0) return yield* Effect.fail("taken")
    const { detail, id } = namespace()
    const columns = { partition_id: 54_321, id, name, is_global: false, notification_version: 1n }
    yield* sql`INSERT INTO namespaces ${sql.insert({ ...columns, data: detail.data, data_encoding: detail.encoding })}`
  })

describeAlone("A name, while its unique index is not there", (it) => {
  it.effect("is given to one of two, whoever the other is, if both hold the metadata row", () =>
    Effect.gen(function* () {
      const { other, outcome, rows } = yield* race((name, between) => create(name, between, true))
      assert(Result.isFailure(outcome))
      assert.strictEqual(outcome.failure, "taken")
      assert.deepStrictEqual(rows, [other.id])
    })
  )

  it.effect("would be given to both if one only looked for it", () =>
    Effect.gen(function* () {
      const { outcome, rows } = yield* race((name, between) => create(name, between, false))
      assert.isTrue(Result.isSuccess(outcome))
      assert.lengthOf(rows, 2)
    })
  )

  it.effect("is given to one of sixteen", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`DROP INDEX IF EXISTS idx_namespaces_name`
      const name = namespaceName()
      const outcomes = yield* Effect.forEach(
        sixteen,
        () => Effect.result(using((store) => store.create(namespace({ name })))),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(successes(outcomes), 1)
      assert.lengthOf(yield* sql`SELECT 1 FROM namespaces WHERE name = ${name}`, 1)
    })
  )
})

describeAlone("A deletion, which leaves the version as it is", (it) => {
  it.effect("conflicts with a change of the same namespace by its row", () =>
    Effect.gen(function* () {
      const created = yield* given
      const begun = yield* Deferred.make<void>()
      const deleted = yield* Deferred.make<void>()
      const attempts: Array<number> = []
      const changing = yield* Transaction.run(
        Effect.gen(function* () {
          const { attempt, sql } = yield* Transaction.Transaction
          attempts.push(attempt)
          const rows = yield* sql`UPDATE namespaces SET is_global = true WHERE id = ${created.id} RETURNING 1`
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(deleted)
          return rows.length
        }),
        { policy }
      ).pipe(Effect.forkChild)
      yield* Deferred.await(begun)
      yield* using((store) => store.deleteById(created.id))
      yield* Deferred.succeed(deleted, undefined)
      assert.strictEqual(yield* Fiber.join(changing), 0)
      assert.deepStrictEqual(attempts, [1, 2])
      assert.strictEqual((yield* Effect.flip(using((store) => store.getById(created.id))))._tag, "NamespaceNotFound")
    })
  )
})

/** One change to one of several namespaces, with a version that is current or stale by some. */
const step = fc.record({
  kind: fc.constantFrom("create", "update", "rename", "delete"),
  which: fc.nat(),
  stale: fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: fc.bigInt(1n, 5n) })
})

const steps = fc.array(step, { minLength: 3, maxLength: 12 })

const freshSteps = steps.map((taken) => taken.map((each) => ({ ...each, stale: 0n })))

type Steps = typeof steps extends fc.Arbitrary<infer Taken> ? Taken : never

type Update = (
  change: Namespace.NamespaceChange,
  expected: bigint
) => Effect.Effect<unknown, unknown, DsqlClient.DsqlClient | Namespaces.Namespaces>

/** Runs the steps on three namespaces and more, and holds each answer and each version against a model. */
const follows = Effect.fnUntraced(function* (taken: Steps, update: Update) {
  const store = yield* Namespaces.Namespaces
  const model: Array<Namespace.Namespace> = []
  let current = yield* version
  for (let index = 0; index < 3; index++) {
    model.push(yield* given)
    current++
  }
  for (const { kind, stale, which } of taken) {
    const at = which % model.length
    const chosen = model[at]
    const expected = current - stale
    const fresh = stale === 0n
    if (kind === "create" || chosen === undefined) {
      model.push(yield* given)
      current++
    } else if (kind === "delete") {
      yield* store.deleteById(chosen.id)
      model.splice(at, 1)
    } else {
      const change = { ...chosen, detail: blob(), ...(kind === "rename" && { name: namespaceName() }) }
      const outcome = yield* Effect.result(
        kind === "rename" ? store.rename(change, expected) : update(change, expected)
      )
      assert.strictEqual(Result.isSuccess(outcome), fresh, `${kind} with a version stale by ${stale}`)
      if (fresh) {
        model[at] = { ...change, notificationVersion: current }
        current++
      }
    }
    assert.strictEqual(yield* version, current, `the version after ${kind}`)
    for (const each of model) assert.deepStrictEqual(yield* store.getById(each.id), each)
  }
})

describeAlone("Any of three namespaces and more", (it) => {
  const checked = (update: Update, all = steps) =>
    Effect.flatMap(Effect.context<DsqlClient.DsqlClient | Namespaces.Namespaces>(), (context) =>
      Effect.promise(() =>
        fc.check(
          fc.asyncProperty(all, (taken) => Effect.runPromiseWith(context)(follows(taken, update))),
          { numRuns: 25, seed: 0x5eed }
        )
      )
    )

  it.effect("can be changed in any order, and each change moves the version by one", () =>
    Effect.gen(function* () {
      const result = yield* checked((change, expected) => using((store) => store.update(change, expected)))
      assert.isFalse(result.failed, fc.defaultReportMessage(result))
    })
  )

  /** An update with another condition in place of the fence on the global version. */
  const fencedBy = (condition: "namespaces.notification_version = expected.version - 1" | "true"): Update =>
    Effect.fnUntraced(function* (change, expected) {
      const { sql } = yield* DsqlClient.DsqlClient
      const rows = yield* sql`
        WITH expected AS (SELECT ${expected}::bigint AS version),
        written AS (
          UPDATE namespaces SET data = ${change.detail.data}, notification_version = expected.version
          FROM expected
          WHERE partition_id = 54321 AND id = ${change.id} AND ${sql.literal(condition)}
          RETURNING 1
        ),
        moved AS (
          UPDATE namespace_metadata SET notification_version = notification_version + 1
          WHERE partition_id = 54321 AND EXISTS (SELECT 1 FROM written)
        )
        SELECT 1 FROM written`
      if (rows.length === 0) yield* Effect.fail("refused")
    })

  it.effect("could not, if the version in a namespace's own row were the fence", () =>
    Effect.gen(function* () {
      const fence = fencedBy("namespaces.notification_version = expected.version - 1")
      const result = yield* checked(fence, freshSteps)
      assert.isTrue(result.failed)
      assert.include(String(result.errorInstance), "update with a version stale by 0")
    })
  )

  it.effect("could be changed by who has not seen the last change, without a fence", () =>
    Effect.gen(function* () {
      const result = yield* checked(fencedBy("true"))
      assert.isTrue(result.failed)
      assert.match(String(result.errorInstance), /update with a version stale by [1-5]/)
    })
  )
})

/** What each of two to four sessions does, one thing after another, while the others do theirs. */
const sessions = fc.array(
  fc.array(fc.record({ kind: fc.constantFrom("create", "update", "rename", "delete"), which: fc.nat(2) }), {
    minLength: 1,
    maxLength: 6
  }),
  { minLength: 2, maxLength: 4 }
)

type Sessions = typeof sessions extends fc.Arbitrary<infer All> ? All : never

/** Runs the sessions on three namespaces and three names, and gives how many changes they were told to have made. */
const meet = Effect.fnUntraced(function* (all: Sessions) {
  const store = yield* Namespaces.Namespaces
  const shared = [yield* given, yield* given, yield* given]
  const names = shared.map(() => namespaceName())
  const before = yield* version
  const attempt = Effect.fnUntraced(function* ({ kind, which }: Sessions[number][number]) {
    const [chosen, name] = [shared[which], names[which]]
    assert(chosen !== undefined && name !== undefined)
    const change = { ...chosen, name, detail: blob() }
    switch (kind) {
      case "create":
        return yield* store.create(namespace({ name }))
      case "update":
        return yield* store.update(change, yield* version)
      case "rename":
        return yield* store.rename(change, yield* version)
      default:
        yield* store.deleteByName(name)
        return yield* Effect.fail("a deletion does not count")
    }
  })
  const outcomes = yield* Effect.forEach(
    all,
    (steps) => Effect.forEach(steps, (each) => Effect.result(attempt(each))),
    {
      concurrency: "unbounded"
    }
  )
  const changes = outcomes.flat().filter(Result.isSuccess).length
  assert.strictEqual((yield* version) - before, BigInt(changes), "changes that were counted")
  const stored = yield* Stream.runCollect(store.stream())
  const distinct = (of: (each: Namespace.Namespace) => unknown) => new Set(stored.map(of)).size
  assert.strictEqual(
    distinct(({ name }) => name),
    stored.length,
    "names"
  )
  assert.strictEqual(
    distinct(({ notificationVersion }) => notificationVersion),
    stored.length,
    "versions"
  )
  for (const { notificationVersion } of stored) assert.isTrue(notificationVersion < before + BigInt(changes))
})

describeAlone("Two to four sessions at once", (it) => {
  it.effect("give no version to two changes, and no name to two namespaces", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`DROP INDEX IF EXISTS idx_namespaces_name`
      const context = yield* Effect.context<Namespaces.Namespaces>()
      const property = fc.asyncProperty(sessions, (all) => Effect.runPromiseWith(context)(meet(all)))
      const result = yield* Effect.promise(() => fc.check(property, { numRuns: 20, seed: 0x5eed }))
      assert.isFalse(result.failed, fc.defaultReportMessage(result))
    })
  )
})

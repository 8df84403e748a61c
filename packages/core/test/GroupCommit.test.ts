import { DsqlClient, DsqlError, GroupCommit, RetryPolicy, Transaction } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Metric, Option, Queue, Scope } from "effect"
import { TestCluster } from "../../../test/database.ts"

const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE counters (id integer PRIMARY KEY, n integer NOT NULL CHECK (n < 1000))`
    yield* sql`INSERT INTO counters SELECT id, 0 FROM generate_series(1, 9) AS id`
  })
)

interface Add {
  readonly id: number
  readonly n: number
}

const valueOf = (id: number) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    const [row] = yield* sql<{ n: number }>`SELECT n FROM counters WHERE id = ${id}`
    return row?.n
  })

/** Adds, and says which groups it was asked for; a group waits for leave to commit. */
const adding = (options: { readonly most?: number; readonly leave?: Effect.Effect<void> } = {}) =>
  Effect.gen(function* () {
    const groups: Array<ReadonlyArray<number>> = []
    const begun = yield* Queue.unbounded<number>()
    const add = yield* GroupCommit.make({
      operation: "Add",
      policy: RetryPolicy.none,
      most: options.most,
      key: ({ id }: Add) => ({ table: "counters", key: { id } }),
      commit: (requests) =>
        Effect.gen(function* () {
          groups.push(requests.map(({ n }) => n))
          yield* Queue.offer(begun, requests.length)
          yield* options.leave ?? Effect.void
          const sql = yield* Transaction.sql
          const bad = requests.find(({ n }) => n < 0)
          if (bad !== undefined) return yield* Effect.fail("negative" as const)
          const sum = requests.reduce((total, { n }) => total + n, 0)
          const [row] = yield* sql<{ n: number }>`
            UPDATE counters SET n = n + ${sum} WHERE id = ${requests[0].id} RETURNING n`
          let after = (row?.n ?? 0) - sum
          return requests.map(({ n }) => (after += n))
        })
    })
    return { add, groups, begun }
  })

const all = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects.map(Effect.exit), { concurrency: "unbounded" })

layer(Layer.provideMerge(schema, TestCluster()), { excludeTestServices: true })("GroupCommit", (it) => {
  it.effect("commits together what is asked for at once, and answers each by its own", () =>
    Effect.gen(function* () {
      const { add, groups } = yield* adding({ most: 3 })
      const answers = yield* all([1, 2, 3, 4].map((n) => add({ id: 1, n })))
      assert.deepStrictEqual(groups, [[1, 2, 3], [4]])
      assert.deepStrictEqual(
        answers,
        [1, 3, 6, 10].map((n) => Exit.succeed(n))
      )
      assert.strictEqual(yield* valueOf(1), 10)
    })
  )

  it.effect("gathers while a group is under way, and keeps keys apart", () =>
    Effect.gen(function* () {
      const leave = yield* Deferred.make<void>()
      const { add, begun, groups } = yield* adding({ leave: Deferred.await(leave) })
      const first = yield* Effect.forkChild(add({ id: 2, n: 1 }))
      yield* Queue.take(begun)
      const later = yield* Effect.forkChild(all([add({ id: 2, n: 2 }), add({ id: 3, n: 5 }), add({ id: 2, n: 3 })]))
      // The other key waits for nobody.
      yield* Queue.take(begun)
      assert.deepStrictEqual(groups, [[1], [5]])
      yield* Deferred.succeed(leave, undefined)
      yield* Fiber.join(first)
      yield* Fiber.join(later)
      assert.deepStrictEqual(groups, [[1], [5], [2, 3]])
      assert.strictEqual(yield* valueOf(2), 6)
    })
  )

  it.effect("does the others where one of them cannot be done", () =>
    Effect.gen(function* () {
      const { add } = yield* adding()
      const answers = yield* all([1, 2, -1, 3, 2000].map((n) => add({ id: 4, n })))
      assert.deepStrictEqual(answers.map(Exit.isSuccess), [true, true, false, true, false])
      assert.deepStrictEqual(answers[2], Exit.fail("negative"))
      const violation = answers[4]
      assert(violation !== undefined && Exit.isFailure(violation))
      assert.instanceOf(Cause.squash(violation.cause), DsqlError.CheckViolation)
      assert.strictEqual(yield* valueOf(4), 6)
    })
  )

  it.effect("tells all of a group what says nothing of any of them, and does it once", () =>
    Effect.gen(function* () {
      const lost = new DsqlError.CommitOutcomeUnknown({ message: "the answer to COMMIT was lost", operation: "Lost" })
      let groups = 0
      const ask = yield* GroupCommit.make({
        key: (id: number) => ({ table: "counters", key: { id } }),
        commit: (): Effect.Effect<ReadonlyArray<void>, DsqlError.CommitOutcomeUnknown> =>
          Effect.suspend(() => {
            groups += 1
            return Effect.fail(lost)
          })
      })
      assert.deepStrictEqual(yield* all([ask(5), ask(5), ask(5)]), [Exit.fail(lost), Exit.fail(lost), Exit.fail(lost)])
      assert.strictEqual(groups, 1)
    })
  )

  it.effect("looks what became of a group whose answer was lost, and tells each of it", () =>
    Effect.gen(function* () {
      const asked: Array<readonly [ReadonlyArray<number>, Option.Option<ReadonlyArray<string>>]> = []
      const lost = new DsqlError.CommitOutcomeUnknown({ message: "the answer to COMMIT was lost", operation: "Lost" })
      const ask = yield* GroupCommit.make({
        key: (id: number) => ({ table: "counters", key: { id: id % 10 } }),
        commit: (): Effect.Effect<ReadonlyArray<string>, DsqlError.CommitOutcomeUnknown> => Effect.fail(lost),
        verify: (requests, answers) => {
          asked.push([requests, answers])
          const isThere = requests[0] % 10 === 8
          return Effect.succeed(
            isThere ? Transaction.committed(requests.map((id) => `${id} is there`)) : Transaction.notCommitted
          )
        }
      })
      const answers = yield* all([ask(8), ask(18), ask(9)])
      assert.deepStrictEqual(answers.slice(0, 2), [Exit.succeed("8 is there"), Exit.succeed("18 is there")])
      const [, , absent] = answers
      assert(absent !== undefined && Exit.isFailure(absent))
      assert.instanceOf(Cause.squash(absent.cause), DsqlError.ConnectionLost)
      assert.deepStrictEqual(asked, [
        [[8, 18], Option.none()],
        [[9], Option.none()]
      ])
    })
  )

  it.effect("reports how many went together, and how long they had waited", () =>
    Effect.gen(function* () {
      const { add } = yield* adding({ most: 3 })
      yield* all([1, 2, 3, 4].map((n) => add({ id: 1, n })))
      const snapshot = yield* Metric.snapshot
      const of = (id: string) => snapshot.find((series) => series.id === id)
      assert.deepInclude(of("dsql_group_size"), { attributes: { operation: "Add" } })
      assert.deepInclude(of("dsql_group_size")?.state, { count: 2, sum: 4, min: 1, max: 3 })
      assert.propertyVal(of("dsql_group_wait")?.state, "count", 4)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("takes back what is interrupted while it waits, and goes on with what is under way", () =>
    Effect.gen(function* () {
      const leave = yield* Deferred.make<void>()
      const { add, begun, groups } = yield* adding({ leave: Deferred.await(leave) })
      const first = yield* Effect.forkChild(add({ id: 6, n: 1 }))
      yield* Queue.take(begun)
      const second = yield* Effect.forkChild(add({ id: 6, n: 2 }), { startImmediately: true })
      const third = yield* Effect.forkChild(add({ id: 6, n: 4 }), { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* Fiber.interrupt(second)
      yield* Deferred.succeed(leave, undefined)
      assert.strictEqual(yield* Fiber.join(third), 5)
      assert.deepStrictEqual(groups, [[1], [4]])
    })
  )

  it.effect("refuses what more than may would wait for, and ends with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const begun = yield* Deferred.make<void>()
      const ask = yield* Scope.provide(
        GroupCommit.make({
          operation: "Ask",
          waiting: 1,
          key: (id: number) => ({ table: "counters", key: { id } }),
          commit: () => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
        }),
        scope
      )
      const first = yield* Effect.forkChild(ask(7))
      yield* Deferred.await(begun)
      const second = yield* Effect.forkChild(ask(7), { startImmediately: true })
      const error = yield* Effect.flip(ask(7))
      assert.include(error, { _tag: "KeyQueueFull", operation: "Ask", table: "counters", waiting: 1 } as const)
      yield* Scope.close(scope, Exit.void)
      for (const fiber of [first, second]) {
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }
      const late = yield* Effect.exit(ask(7))
      assert.isTrue(Exit.isFailure(late) && Cause.hasInterruptsOnly(late.cause))
    })
  )
})

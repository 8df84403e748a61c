import { DsqlClient, DsqlError, Fence, HotKeys, RetryPolicy, Transaction } from "@effect-dsql/core"
import { assert, describe, it, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Metric, Queue } from "effect"
import { TestClock } from "effect/testing"
import { TestCluster } from "../../../test/database.ts"

const key = (id: number) => ({ table: "counters", key: { id }, token: "token" })

const schema = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* sql`CREATE TABLE counters (id integer PRIMARY KEY, token bigint NOT NULL)`
    yield* sql`INSERT INTO counters SELECT id, 0 FROM generate_series(1, 9) AS id`
  })
)

const client = (hotKeys: HotKeys.Options) => Layer.provideMerge(schema, TestCluster({ hotKeys, maxConnections: 4 }))

const increment = (id: number) =>
  Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE counters SET token = token + 1 WHERE id = ${id}`)

const tokenOf = (id: number) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    const [row] = yield* sql<{ token: bigint }>`SELECT token FROM counters WHERE id = ${id}`
    return row?.token
  })

const inUse = Effect.flatMap(DsqlClient.DsqlClient, ({ pool }) => Effect.map(pool, (stats) => stats.inUse))

/** A transaction that says when it has begun, and goes on when it is told to. */
const stepped = (name: string, begun: Queue.Queue<string>, options: Transaction.Options<unknown>, id = 1) =>
  Effect.gen(function* () {
    const goOn = yield* Deferred.make<void>()
    const body = Effect.gen(function* () {
      yield* increment(id)
      yield* Queue.offer(begun, name)
      yield* Deferred.await(goOn)
    })
    const fiber = yield* Effect.forkChild(Transaction.run(body, options))
    // It has come as far as it can without others.
    yield* Effect.yieldNow
    return { fiber, goOn: Deferred.succeed(goOn, undefined) }
  })

const observed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    yield* effect
    const snapshot = yield* Metric.snapshot
    return new Map(snapshot.map((series) => [`${series.id}${JSON.stringify(series.attributes ?? {})}`, series.state]))
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))

layer(client({ waiting: 2 }), { excludeTestServices: true })("transactions that name the same key", (it) => {
  it.effect("come one after the other, as they came, and take no connection before", () =>
    Effect.gen(function* () {
      const begun = yield* Queue.unbounded<string>()
      const first = yield* stepped("first", begun, { keys: [key(1)] })
      assert.strictEqual(yield* Queue.take(begun), "first")
      const second = yield* stepped("second", begun, { keys: [key(1)] })
      const third = yield* stepped("third", begun, { keys: [key(1)] })
      assert.strictEqual(yield* inUse, 1)
      // Who names another key waits for nobody.
      yield* Transaction.run(increment(2), { keys: [key(2)] })
      for (const { fiber, goOn } of [first, second, third]) {
        yield* goOn
        yield* Fiber.join(fiber)
      }
      assert.deepStrictEqual(yield* Queue.takeAll(begun), ["second", "third"])
      assert.strictEqual(yield* tokenOf(1), 3n)
    })
  )

  it.effect("are let go of where one is interrupted, waiting or not", () =>
    Effect.gen(function* () {
      const begun = yield* Queue.unbounded<string>()
      const first = yield* stepped("first", begun, { keys: [key(3)] }, 3)
      yield* Queue.take(begun)
      const second = yield* stepped("second", begun, { keys: [key(3)] }, 3)
      const third = yield* stepped("third", begun, { keys: [key(3)] }, 3)
      yield* Fiber.interrupt(second.fiber)
      yield* Fiber.interrupt(first.fiber)
      assert.strictEqual(yield* Queue.take(begun), "third")
      yield* third.goOn
      yield* Fiber.join(third.fiber)
      assert.strictEqual(yield* tokenOf(3), 1n)
    })
  )

  it.effect("do not wait for each other for ever where they name two in different orders", () =>
    Effect.gen(function* () {
      const orders = [
        [4, 5],
        [5, 4],
        [4, 5],
        [5, 4]
      ]
      const begun = yield* Queue.unbounded<string>()
      const before = yield* stepped("before", begun, { keys: [key(5)] }, 5)
      yield* Queue.take(begun)
      const both = yield* Effect.forkChild(
        Effect.forEach(
          orders.slice(0, 2),
          (ids) => Transaction.run(Effect.forEach(ids, increment), { keys: ids.map(key) }),
          { concurrency: "unbounded" }
        )
      )
      yield* Effect.yieldNow
      yield* before.goOn
      yield* Fiber.join(both)
      assert.strictEqual(yield* tokenOf(4), 2n)
    })
  )

  it.effect("are refused where as many wait as may", () =>
    Effect.gen(function* () {
      const begun = yield* Queue.unbounded<string>()
      const first = yield* stepped("first", begun, { keys: [key(6)] }, 6)
      yield* Queue.take(begun)
      const waiting = [
        yield* stepped("second", begun, { keys: [key(6)] }, 6),
        yield* stepped("third", begun, { keys: [key(6)] }, 6)
      ]
      const series = yield* observed(
        Effect.gen(function* () {
          const error = yield* Effect.flip(Transaction.run(increment(6), { keys: [key(6)], operation: "Late" }))
          assert.include(error, { _tag: "KeyQueueFull", operation: "Late", table: "counters", waiting: 2 } as const)
        })
      )
      assert.propertyVal(series.get('dsql_key_refused_total{"key_class":"counters"}'), "count", 1)
      yield* Effect.forEach(waiting, ({ fiber }) => Fiber.interrupt(fiber))
      yield* first.goOn
      yield* Fiber.join(first.fiber)
      // Who has gone makes room again.
      yield* Transaction.run(increment(6), { keys: [key(6)] })
      assert.strictEqual(yield* tokenOf(6), 2n)
    })
  )

  it.effect("have a deadline that counts the wait", () =>
    Effect.gen(function* () {
      const begun = yield* Queue.unbounded<string>()
      const first = yield* stepped("first", begun, { keys: [key(7)] }, 7)
      yield* Queue.take(begun)
      const error = yield* Effect.gen(function* () {
        const late = yield* Effect.forkChild(
          Effect.flip(Transaction.run(increment(7), { keys: [key(7)], deadline: "5 seconds", operation: "Late" }))
        )
        yield* TestClock.adjust("6 seconds")
        return yield* Fiber.join(late)
      }).pipe(Effect.provide(TestClock.layer()))
      assert.include(error, { _tag: "DeadlineExceeded", operation: "Late" } as const)
      yield* first.goOn
      yield* Fiber.join(first.fiber)
      assert.strictEqual(yield* tokenOf(7), 1n)
    })
  )

  it.effect("wait for nobody where they read alone", () =>
    Effect.gen(function* () {
      const begun = yield* Queue.unbounded<string>()
      const first = yield* stepped("first", begun, { keys: [key(8)] }, 8)
      yield* Queue.take(begun)
      const read = Effect.flatMap(Transaction.sql, (sql) => sql`SELECT token FROM counters WHERE id = 8`)
      yield* Transaction.run(read, { keys: [key(8)], readOnly: true })
      yield* first.goOn
      yield* Fiber.join(first.fiber)
    })
  )

  it.effect("are counted by their table, and the key by its heat", () =>
    Effect.gen(function* () {
      const series = yield* observed(
        Effect.gen(function* () {
          const begun = yield* Queue.unbounded<string>()
          const first = yield* stepped("first", begun, { keys: [key(9)] }, 9)
          yield* Queue.take(begun)
          const second = yield* stepped("second", begun, { keys: [key(9)] }, 9)
          yield* Effect.forEach([first, second], ({ fiber, goOn }) => Effect.andThen(goOn, Fiber.join(fiber)))
        })
      )
      assert.propertyVal(series.get('dsql_key_attempt_total{"key_class":"counters"}'), "count", 2)
      assert.propertyVal(series.get('dsql_key_wait{"key_class":"counters"}'), "count", 1)
      assert.isFalse(series.has('dsql_key_conflict_total{"key_class":"counters"}'))
      const found = (yield* Transaction.hottest).find((hot) => hot.key.key["id"] === 9)
      assert.include(found, { waits: 1, conflicts: 0 })
    })
  )
})

const conflict = new DsqlError.SerializationConflict({ code: "OC000", message: "change conflicts (OC000)" })

/** Conflicts so often before it commits. */
const conflicting = (times: number) =>
  Transaction.run(
    Effect.gen(function* () {
      const { attempt } = yield* Transaction.Transaction
      if (attempt <= times) return yield* conflict
    }),
    { policy: RetryPolicy.make({ jitter: "none", base: 0 }), operation: "Conflicting" }
  )

/** Two transactions that meet on a row: how often their bodies ran, as which attempts. */
const meeting = (id: number) =>
  Effect.gen(function* () {
    const attempts: Array<string> = []
    const holds = yield* Deferred.make<void>()
    const goOn = yield* Deferred.make<void>()
    const body = (name: string, meanwhile: Effect.Effect<unknown>) =>
      Effect.gen(function* () {
        const { attempt } = yield* Transaction.Transaction
        attempts.push(`${name} ${attempt}`)
        yield* Fence.exclusive(key(id))
        yield* meanwhile
        yield* increment(id)
      })
    const first = yield* Effect.forkChild(
      Transaction.run(body("first", Effect.andThen(Deferred.succeed(holds, undefined), Deferred.await(goOn))))
    )
    yield* Deferred.await(holds)
    const second = yield* Effect.forkChild(
      Transaction.run(body("second", Deferred.succeed(goOn, undefined)), {
        policy: RetryPolicy.make({ jitter: "none", base: "1 millis" })
      })
    )
    return { attempts, first, second, goOn: Deferred.succeed(goOn, undefined) }
  })

layer(client({}), { excludeTestServices: true })("where nothing has conflicted", (it) => {
  it.effect("a fence names no key before its transaction has conflicted itself", () =>
    Effect.gen(function* () {
      const { attempts, first, second } = yield* meeting(1)
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      assert.deepStrictEqual(attempts.slice(0, 2), ["first 1", "second 1"])
      assert.isAbove(attempts.length, 2)
      const [hot] = yield* Transaction.hottest
      assert.isUndefined(hot)
    })
  )
})

layer(client({}), { excludeTestServices: true })("transactions whose fences name a key", (it) => {
  it.effect("begin anew when it is free, without a conflict and without a connection", () =>
    Effect.gen(function* () {
      yield* conflicting(1)
      const { attempts, first, goOn, second } = yield* meeting(1)
      const isWaiting = Effect.map(inUse, (count) => count === 1 && attempts.length === 2)
      yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => isWaiting }))
      yield* goOn
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      assert.deepStrictEqual(attempts, ["first 1", "second 1", "second 1"])
      assert.strictEqual(yield* tokenOf(1), 2n)
    })
  )

  it.effect("commit nothing of an attempt that went on after it", () =>
    Effect.gen(function* () {
      yield* conflicting(1)
      const begun = yield* Queue.unbounded<string>()
      const first = yield* stepped("first", begun, { keys: [key(2)] }, 2)
      yield* Queue.take(begun)
      let runs = 0
      const heedless = Effect.gen(function* () {
        runs += 1
        yield* Effect.catchCause(Fence.exclusive(key(2)), () => Effect.void)
        yield* increment(3)
      })
      const second = yield* Effect.forkChild(Transaction.run(heedless))
      yield* Effect.yieldNow.pipe(Effect.repeat({ until: () => Effect.map(inUse, (n) => n === 1 && runs === 1) }))
      yield* first.goOn
      yield* Fiber.join(first.fiber)
      yield* Fiber.join(second)
      assert.strictEqual(runs, 2)
      assert.strictEqual(yield* tokenOf(3), 1n)
    })
  )

  it.effect("do so in one statement, too", () =>
    Effect.gen(function* () {
      yield* conflicting(1)
      const begun = yield* Queue.unbounded<string>()
      const first = yield* stepped("first", begun, { keys: [key(4)] }, 5)
      yield* Queue.take(begun)
      const second = yield* Effect.forkChild(
        Effect.exit(Transaction.autocommit(Fence.compareAndSet(key(4), 0n, { token: 1n })))
      )
      yield* Effect.yieldNow
      assert.strictEqual(yield* tokenOf(4), 0n)
      yield* first.goOn
      yield* Fiber.join(first.fiber)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(second)))
      assert.strictEqual(yield* tokenOf(4), 1n)
    })
  )

  it.effect("do not wait where they hold it beside each other", () =>
    Effect.gen(function* () {
      yield* conflicting(1)
      const begun = yield* Queue.unbounded<string>()
      const goOn = yield* Deferred.make<void>()
      const holder = (name: string) =>
        Effect.gen(function* () {
          yield* Fence.shared(key(6), 0n)
          yield* Queue.offer(begun, name)
          yield* Deferred.await(goOn)
        })
      const both = yield* Effect.forkChild(
        Effect.all([Transaction.run(holder("a")), Transaction.run(holder("b"))], { concurrency: "unbounded" })
      )
      yield* Queue.takeN(begun, 2)
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(both)
    })
  )
})

layer(client({ queue: "off" }), { excludeTestServices: true })("the same transactions without a queue", (it) => {
  it.effect("conflict", () =>
    Effect.gen(function* () {
      const { attempts, first, second } = yield* meeting(1)
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      assert.isAbove(attempts.length, 2)
      assert.include(["first 2", "second 2"], attempts[2])
    })
  )
})

layer(client({ retryQuota: { tokens: 20, cost: 10 } }), { excludeTestServices: true })("a retry quota", (it) => {
  it.effect("is paid by retries, refilled by commits, and refuses what it cannot pay", () =>
    Effect.gen(function* () {
      yield* conflicting(2)
      // The last retry was given back: one is left, and the second one cannot be paid.
      const series = yield* observed(
        Effect.gen(function* () {
          const error = yield* Effect.flip(conflicting(2))
          assert.include(error, { _tag: "RetryQuotaExhausted", operation: "Conflicting", attempts: 2 } as const)
        })
      )
      assert.propertyVal(series.get('dsql_tx_retry_quota_exhausted_total{"operation":"Conflicting"}'), "count", 1)
      yield* Effect.replicateEffect(conflicting(0), 9)
      assert.strictEqual((yield* Effect.flip(conflicting(1)))._tag, "RetryQuotaExhausted")
      yield* conflicting(0)
      yield* Effect.replicateEffect(conflicting(0), 1)
      yield* conflicting(1)
    })
  )
})

describe("HotKeys.make", () => {
  it.each([
    [{ waiting: 0 }, "hotKeys.waiting must be a whole number of at least 1, and is 0"],
    [
      { retryQuota: { tokens: 1.5, cost: 1 } },
      "hotKeys.retryQuota.tokens must be a whole number of at least 0, and is 1.5"
    ],
    [{ retryQuota: { tokens: 5, cost: 0 } }, "hotKeys.retryQuota.cost must be a whole number of at least 1, and is 0"]
  ])("refuses %j", (options, message) => {
    assert.throws(() => HotKeys.make(options), message)
  })
})

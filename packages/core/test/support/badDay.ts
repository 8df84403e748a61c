/**
 * A real run on an emulated cluster in which everything happens that a metric counts, and the end of it, at which all
 * gauges show something.
 */
import {
  ConnectionBudget,
  ConnectionSlots,
  DsqlClient,
  type DsqlError,
  GroupCommit,
  RetryPolicy,
  TokenSource,
  Transaction
} from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Redacted, Scope } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { readFileSync } from "node:fs"
import { sharedPostgres } from "../../../../test/postgres.ts"
import type { Series } from "./occurrences.ts"

const pem = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8")

const ask = (text: string) => Effect.flatMap(Transaction.sql, (sql) => sql.unsafe<{ readonly n: number }>(text))

const policy = RetryPolicy.make({ attempts: 2, base: "2 millis", jitter: "none" })

const increment = Transaction.run(ask("UPDATE counters SET n = n + 1 WHERE id = 1"), { operation: "Increment", policy })

/** Holds a connection of a client for as long as the scope is open. */
const hold = (client: Context.Context<DsqlClient.Provided>) =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void, DsqlError.TransactionError>()
    const holding = Effect.andThen(
      ask("SELECT 1 AS n"),
      Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
    )
    yield* Effect.forkScoped(
      Transaction.run(holding).pipe(
        Effect.tapError((error) => Deferred.fail(begun, error)),
        Effect.provideContext(client)
      )
    )
    yield* Deferred.await(begun)
  })

const transactions = (emulator: Emulator.Emulator, series: Series) =>
  Effect.gen(function* () {
    yield* increment
    yield* emulator.control.inject({ on: "commit", fault: "conflict", times: 1 })
    yield* increment
    yield* emulator.control.inject({ on: "commit", fault: "schema-conflict", times: 2 })
    yield* Effect.flip(increment)
    yield* emulator.control.inject({ on: "commit", fault: "cut-after", times: 1 })
    yield* Effect.flip(increment)
    yield* series.until("dsql_pool_closed_total")
  })

/** A key that one transaction has, another waits for, and a third finds taken and waited for; and a retry that is not paid. */
const hotKey = (emulator: Emulator.Emulator, series: Series) =>
  Effect.gen(function* () {
    const keys = [{ table: "counters", key: { id: 1 } }]
    const named = (body: Effect.Effect<unknown, SqlError, Transaction.Transaction>) =>
      Transaction.run(body, { operation: "Named", keys })
    const begun = yield* Deferred.make<void>()
    const goOn = yield* Deferred.make<void>()
    const holding = Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(goOn))
    const first = yield* Effect.forkChild(named(Effect.andThen(ask("SELECT 1 AS n"), holding)))
    yield* Deferred.await(begun)
    const second = yield* Effect.forkChild(named(ask("SELECT 1 AS n")), { startImmediately: true })
    yield* Effect.flip(named(ask("SELECT 1 AS n")))
    yield* Deferred.succeed(goOn, undefined)
    yield* Fiber.joinAll([first, second])
    yield* emulator.control.inject({ on: "commit", fault: "conflict", times: 1 })
    yield* Effect.flip(named(ask("UPDATE counters SET n = n + 1 WHERE id = 1")))
    yield* series.until("dsql_tx_retry_quota_exhausted_total")
    const grouped = yield* GroupCommit.make({
      key: () => ({ table: "counters", key: { id: 1 } }),
      commit: (requests: ReadonlyArray<number>) => Effect.succeed(requests)
    })
    yield* grouped(1)
  })

/** The cluster, which refuses the first token. It has to live longer than the scope of the day. */
export const cluster = Effect.suspend(() =>
  Emulator.make({
    postgres: sharedPostgres(),
    log: false,
    tls: { cert: pem("server.pem"), key: pem("server.key") },
    authorize: (token) => (token === "token-1" ? "expired" : "ok")
  })
)

/** Runs the bad day, which reports to a registry of its own. The scope keeps what the gauges show. */
export const badDay = Effect.fnUntraced(function* (emulator: Emulator.Emulator, series: Series) {
  const database = `test_bad_day_${emulator.port}`
  yield* emulator.createDatabase(database)
  let signed = 0
  const tokens = TokenSource.make(
    Effect.map(Clock.currentTimeMillis, (now) => ({
      token: Redacted.make(`token-${++signed}`),
      expiresAt: now + 900_000
    }))
  )
  const options = { endpoint: "localhost", port: emulator.port, database, ca: pem("ca.pem"), tokens }
  const scope = yield* Effect.scope
  const build = <E, R>(layer: Layer.Layer<DsqlClient.Provided, E, R>) => Layer.buildWithScope(Layer.fresh(layer), scope)

  // The first token is refused, and replaced.
  const orders = yield* build(DsqlClient.layer({ ...options, applicationName: "orders", maxConnections: 2 }))
  yield* Effect.provideContext(
    Effect.andThen(
      Transaction.autocommit(ask("CREATE TABLE counters (id integer PRIMARY KEY, n integer NOT NULL)")),
      Transaction.autocommit(ask("INSERT INTO counters VALUES (1, 0)"))
    ),
    orders
  )
  yield* Effect.provideContext(transactions(emulator, series), orders)

  const hot = yield* build(
    DsqlClient.layer({
      ...options,
      applicationName: "hot",
      hotKeys: { waiting: 1, retryQuota: { tokens: 0, cost: 1 } }
    })
  )
  yield* Effect.provideContext(hotKey(emulator, series), hot)

  // A pool of one that is in use, and somebody who waits.
  const busy = yield* build(
    DsqlClient.layer({ ...options, applicationName: "busy", maxConnections: 1, waitTimeout: "2 seconds" })
  )
  yield* hold(busy)
  yield* Effect.flip(Effect.provideContext(increment, busy))

  // A cluster that refuses one connection, and credentials that are not there.
  yield* emulator.control.inject({ on: "connect", fault: "rate-exceeded", times: 1 })
  yield* hold(orders)
  yield* Effect.provideContext(increment, orders)
  const unsigned = TokenSource.makeIam({
    endpoint: "localhost",
    region: "local",
    user: "admin",
    credentials: () => Promise.reject(new Error("none"))
  })
  yield* Effect.flip(unsigned.token)

  // A budget that is used up, then stolen from, then out of reach.
  const keeper = yield* build(DsqlClient.layer({ ...options, applicationName: "budget", maxConnections: 1 }))
  const own = <A, E>(effect: Effect.Effect<A, E, DsqlClient.DsqlClient>) => Effect.provideContext(effect, keeper)
  yield* own(Transaction.autocommit(ask(ConnectionSlots.ddl)))
  const leasing = Effect.fnUntraced(function* (options: ConnectionSlots.Options, within: Scope.Scope) {
    const slots = Layer.fresh(ConnectionSlots.layer(options))
    const budget = Context.get(yield* own(Layer.buildWithScope(slots, within)), ConnectionBudget.ConnectionBudget)
    return Scope.provide(budget.lease, within)
  })
  const short = yield* Scope.make()
  const lease = yield* leasing({ limit: 2, slotSize: 1, ttl: "1 second" }, short)
  yield* lease
  yield* lease
  yield* Effect.flip(lease)
  yield* own(
    Transaction.autocommit(
      ask(
        "UPDATE dsql_connection_slots SET holder = gen_random_uuid(), expires_at = now() + interval '1 minute' WHERE slot = 0"
      )
    )
  )
  yield* series.until("dsql_budget_lost_total")
  yield* own(Transaction.autocommit(ask("ALTER TABLE dsql_connection_slots RENAME TO out_of_reach")))
  yield* series.until("dsql_budget_renew_failures_total")
  yield* own(Transaction.autocommit(ask("ALTER TABLE out_of_reach RENAME TO dsql_connection_slots")))
  yield* Scope.close(short, Exit.void)
  yield* yield* leasing({ limit: 100 }, scope)

  const waiting = yield* build(DsqlClient.layer({ ...options, applicationName: "waiting", maxConnections: 1 }))
  yield* hold(waiting)
  // It runs until it has to wait, which is for the one connection.
  yield* Effect.forkScoped(Effect.provideContext(increment, waiting), { startImmediately: true })
})

/**
 * What becomes of room when the answer to a statement of the table of slots is lost, and the statement comes late.
 */
import { ConnectionBudget, ConnectionSlots, DsqlClient, Transaction } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Metric, Scope } from "effect"
import type { SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { clusterDatabase } from "../../../test/database.ts"
import { type Holding, holding } from "../../../test/lifetime.ts"
import * as Proxy from "../../../test/proxy.ts"
import * as SlotTable from "../src/internal/budget/slotTable.ts"

/** A slot for each connection, so that who takes another one claims, and waits for its turn behind a renewal. */
const options = { limit: 4, slotSize: 1, ttl: "1 minute" } as const

/** Leases room, for as long as the scope that is given back is open. */
const take = (from: ConnectionBudget.ConnectionBudget) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Scope.provide(from.lease, scope)
    return scope
  })

interface Scene {
  readonly budget: ConnectionBudget.ConnectionBudget
  /** Holds back a statement of the process's. */
  readonly hold: Holding["hold"]
  /** Cuts its connection off from the next answer. */
  readonly lose: Effect.Effect<void>
  readonly slots: Effect.Effect<ReadonlyArray<{ readonly slot: number; readonly expires: bigint }>, SqlError.SqlError>
  /** Others take all that is leased. */
  readonly taken: Effect.Effect<unknown, SqlError.SqlError>
}

/** Runs a test on a process whose budget is kept through a proxy, and renewed when the test moves the clock. */
const scene = <A, E>(test: (scene: Scene) => Effect.Effect<A, E, DsqlClient.DsqlClient | Scope.Scope>) =>
  Effect.gen(function* () {
    const url = yield* clusterDatabase
    const { sql } = Context.get(yield* Layer.build(DsqlClient.layerUrl({ url })), DsqlClient.DsqlClient)
    yield* sql.unsafe(ConnectionSlots.ddl)
    const proxy = yield* Proxy.make(url)
    const { hold, layer } = holding(proxy)
    const client = yield* Layer.build(DsqlClient.layerUrl({ url: proxy.url, maxConnections: 2 }))
    yield* Effect.provideContext(
      Transaction.autocommit(Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1`)),
      client
    )
    const slots = sql<{ readonly slot: number; readonly expires: bigint }>`
      SELECT slot, (extract(epoch FROM expires_at) * 1000000)::bigint AS expires
      FROM dsql_connection_slots ORDER BY slot`
    const taken = sql`UPDATE dsql_connection_slots SET holder = gen_random_uuid(), expires_at = now()`
    return yield* Effect.gen(function* () {
      const services = yield* Layer.build(ConnectionSlots.layer(options))
      const budget = Context.get(services, ConnectionBudget.ConnectionBudget)
      return yield* test({ budget, hold, lose: proxy.cut("answer"), slots, taken })
    }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.provide(layer), Effect.provideContext(client))
  })

const renew = TestClock.adjust("20 seconds")

const inTable = "dsql_connection_slots"

describe("a statement of the table of slots whose answer is lost", () => {
  it.live("leases one slot, however late the lost claim comes", () =>
    scene(({ budget, hold, slots }) =>
      Effect.gen(function* () {
        const late = yield* hold(`INSERT INTO "${inTable}"`)
        yield* take(budget)
        yield* late.arrive
        assert.strictEqual((yield* slots).length, 1)
      })
    )
  )

  it.live("leases no slot that was given back, however late the lost claim comes", () =>
    scene(({ hold, slots }) =>
      Effect.gen(function* () {
        const late = yield* hold(`INSERT INTO "${inTable}"`)
        const name = randomUUID()
        const slot = yield* SlotTable.claim({ count: 2, ttlMillis: 60_000 }, name, 0)
        assert(slot !== undefined)
        yield* SlotTable.release(new Map([[slot, name]]))
        assert.isTrue(yield* late.arrive)
        assert.deepStrictEqual(yield* slots, [])
      })
    )
  )

  it.live("leases one slot, where the claim had taken it", () =>
    scene(({ budget, lose, slots }) =>
      Effect.gen(function* () {
        yield* lose
        yield* take(budget)
        assert.strictEqual((yield* slots).length, 1)
      })
    )
  )

  it.live("frees no room that was leased again, however late the lost release comes", () =>
    scene(({ budget, hold, slots }) =>
      Effect.gen(function* () {
        yield* take(budget)
        const given = yield* take(budget)
        const late = yield* hold(`DELETE FROM "${inTable}"`)
        yield* Scope.close(given, Exit.void)
        yield* renew
        yield* late.held
        yield* take(budget)
        const leased = yield* slots
        assert.strictEqual(leased.length, 2)
        yield* late.arrive
        assert.deepStrictEqual(yield* slots, leased)
      })
    )
  )

  it.live("prolongs nothing that is somebody else's by now, however late the lost renewal comes", () =>
    scene(({ budget, hold, slots, taken }) =>
      Effect.gen(function* () {
        yield* take(budget)
        const late = yield* hold(`UPDATE "${inTable}"`)
        yield* renew
        yield* late.held
        yield* take(budget)
        yield* taken
        const before = yield* slots
        yield* late.arrive
        assert.deepStrictEqual(yield* slots, before)
      })
    )
  )

  it.live("counts as a renewal, because it is sent again", () =>
    scene(({ budget, lose, slots }) =>
      Effect.gen(function* () {
        yield* take(budget)
        const [before] = yield* slots
        yield* lose
        yield* renew
        yield* take(budget)
        const [after] = yield* slots
        assert.isTrue(before !== undefined && after !== undefined && after.expires > before.expires)
        const failures = (yield* Metric.snapshot).filter(({ id }) => id === "dsql_budget_renew_failures_total")
        assert.deepStrictEqual(failures, [])
      })
    ).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

import { ConnectionBudget, ConnectionSlots, DsqlClient, Transaction } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Metric, Option, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import { clusterDatabase } from "../../../test/database.ts"
import * as Proxy from "../../../test/proxy.ts"
import { Quiet } from "../../../test/quiet.ts"
import * as SlotTable from "../src/internal/budget/slotTable.ts"

/** A database on the emulated Aurora DSQL with the table of slots, and a client on it. */
const cluster = Effect.gen(function* () {
  const url = yield* clusterDatabase
  const client = yield* Layer.build(DsqlClient.layerUrl({ url, maxConnections: 8 }))
  yield* Effect.provide(statement(ConnectionSlots.ddl), client)
  return { url, client }
})

const statement = (text: string) =>
  Transaction.autocommit(Effect.flatMap(Transaction.sql, (sql) => sql.unsafe<{ readonly n: number }>(text)))

const rows = Effect.map(statement("SELECT count(*)::integer AS n FROM dsql_connection_slots"), (found) => found[0]?.n)

/** The time of all who hold a slot is over. */
const timeIsOver = statement("UPDATE dsql_connection_slots SET expires_at = now()")

/** A process of its own, as far as the table can tell: it dies without a word when its scope is forgotten. */
const budget = (options: ConnectionSlots.Options, scope: Scope.Scope) =>
  Effect.map(Layer.buildWithScope(Layer.fresh(ConnectionSlots.layer(options)), scope), (context) =>
    Context.get(context, ConnectionBudget.ConnectionBudget)
  )

/** Leases room, for as long as the scope that is given back is open. */
const take = (from: ConnectionBudget.ConnectionBudget) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Scope.provide(from.lease, scope)
    return scope
  })

const takeAll = (from: ConnectionBudget.ConnectionBudget) =>
  Effect.gen(function* () {
    const scopes: Array<Scope.Closeable> = []
    for (;;) {
      const scope = yield* Effect.option(take(from))
      if (scope._tag === "None") return scopes
      scopes.push(scope.value)
    }
  })

const slots = { count: 4, ttlMillis: 60_000 }

describe("the table of slots", () => {
  it.live("gives each slot to one holder, and gives nothing beyond the last", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      yield* Effect.gen(function* () {
        const claims = yield* Effect.all(
          Array.from({ length: 6 }, (_, index) => SlotTable.claim(slots, randomUUID(), index)),
          { concurrency: "unbounded" }
        )
        const got = claims.filter((slot) => slot !== undefined)
        assert.deepStrictEqual(got.toSorted(), [0, 1, 2, 3])
      }).pipe(Effect.provide(client))
    })
  )

  it.live("takes nothing from who holds it now when it is given back late, or twice", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      yield* Effect.gen(function* () {
        const [mine, other] = [randomUUID(), randomUUID()]
        assert.strictEqual(yield* SlotTable.claim(slots, mine, 2), 2)
        yield* SlotTable.release(new Map([[2, mine]]))
        yield* SlotTable.release(new Map([[2, mine]]))
        assert.strictEqual(yield* rows, 0)
        assert.strictEqual(yield* SlotTable.claim(slots, other, 2), 2)
        yield* SlotTable.release(new Map([[2, mine]]))
        assert.deepStrictEqual(yield* SlotTable.renew(slots, new Map([[2, other]])), new Map([[2, other]]))
      }).pipe(Effect.provide(client))
    })
  )

  it.live("frees a slot when the database's clock says so", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      yield* Effect.gen(function* () {
        const [dead, heir] = [randomUUID(), randomUUID()]
        const one = { count: 1, ttlMillis: 60_000 }
        assert.strictEqual(yield* SlotTable.claim(one, dead, 0), 0)
        assert.isUndefined(yield* SlotTable.claim(one, heir, 0))
        yield* timeIsOver
        assert.strictEqual(yield* SlotTable.claim(one, heir, 0), 0)
        assert.deepStrictEqual(yield* SlotTable.renew(one, new Map([[0, dead]])), new Map())
      }).pipe(Effect.provide(client))
    })
  )

  it.live("lets holders renew at the same time without a conflict", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      yield* Effect.gen(function* () {
        const many = { count: 8, ttlMillis: 60_000 }
        const holders = Array.from({ length: 8 }, () => randomUUID())
        for (const [slot, holder] of holders.entries()) yield* SlotTable.claim(many, holder, slot)
        yield* Effect.all(
          holders.map((holder, slot) => Effect.replicateEffect(SlotTable.renew(many, new Map([[slot, holder]])), 10)),
          { concurrency: "unbounded" }
        )
        const conflicts = (yield* Metric.snapshot).filter(
          ({ attributes, id }) =>
            id === "dsql_tx_conflict_total" && attributes?.["operation"] === "RenewConnectionSlots"
        )
        assert.deepStrictEqual(conflicts, [])
      }).pipe(Effect.provide(client), Effect.provideService(Metric.MetricRegistry, new Map()))
    })
  )
})

describe("ConnectionSlots.layer", () => {
  it.live("never gives more room than there is, whoever asks and in whatever order", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      const services = yield* Effect.context<Scope.Scope>()
      const run = Effect.runPromiseWith(Context.merge(services, client))
      const seed = 20_261_121
      // A step is a process and whether it takes room or gives the oldest back; -1 lets the processes renew.
      const step = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.constantFrom("take", "take", "give", "renew"))
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) =>
            run(
              Effect.gen(function* () {
                const own = yield* Scope.make()
                const options = { limit: 7, slotSize: 2, ttl: "1 minute" } as const
                const processes: ReadonlyArray<ConnectionBudget.ConnectionBudget> = [
                  yield* budget(options, own),
                  yield* budget(options, own),
                  yield* budget(options, own)
                ]
                const taken: Array<Array<Scope.Closeable>> = [[], [], []]
                for (const [process, action] of steps) {
                  const mine = taken[process] ?? []
                  if (action === "take") {
                    const from = processes[process]
                    const scope = from === undefined ? Option.none() : yield* Effect.option(take(from))
                    if (Option.isSome(scope)) mine.push(scope.value)
                  } else if (action === "give") {
                    const scope = mine.shift()
                    if (scope !== undefined) yield* Scope.close(scope, Exit.void)
                  } else yield* TestClock.adjust("20 seconds")
                  const used = taken.flat().length
                  assert.isAtMost(used, 7)
                  assert.isAtLeast((yield* rows) ?? 0, Math.ceil(used / 2))
                }
                yield* Scope.close(own, Exit.void)
                assert.strictEqual(yield* rows, 0)
              }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
            )
          ),
          { seed, numRuns: 15 }
        )
      ).pipe(Effect.tapCause(() => Effect.log(`seed ${seed}`)))
    })
  )

  it.live("gives back at its end what it was giving back when it ended", () =>
    Effect.gen(function* () {
      const { client, url } = yield* cluster
      const proxy = yield* Proxy.make(url)
      const late = yield* Layer.build(DsqlClient.layerUrl({ url: proxy.url }))
      yield* Effect.gen(function* () {
        const own = yield* Scope.make()
        const mine = yield* Effect.provide(budget({ limit: 10, slotSize: 5, ttl: "1 minute" }, own), late)
        yield* Scope.close(yield* take(mine), Exit.void)
        const message = yield* proxy.hold((sql) => sql.includes("DELETE"))
        yield* TestClock.adjust("20 seconds")
        yield* message.held
        yield* Scope.close(own, Exit.void)
        assert.strictEqual(yield* Effect.provide(rows, client), 0)
        assert.isTrue(yield* message.arrive)
      }).pipe(Effect.provide(TestClock.layer()))
    })
  )

  it.live("gives all the room that there is, where the limit is no multiple of a slot", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      yield* Effect.gen(function* () {
        const scope = yield* Effect.scope
        const mine = yield* budget({ limit: 7, slotSize: 3 }, scope)
        const other = yield* budget({ limit: 7, slotSize: 3 }, scope)
        const taken = [yield* take(mine), ...(yield* takeAll(other)), ...(yield* takeAll(mine))]
        assert.strictEqual(taken.length, 7)
      }).pipe(Effect.provide(client))
    })
  )

  it.live.each([
    [{ limit: 0 }, "limit must be a whole number of at least 1, and is 0"],
    [{ limit: Number.NaN }, "limit must be a whole number of at least 1, and is NaN"],
    [{ limit: 7.5 }, "limit must be a whole number of at least 1, and is 7.5"],
    [{ slotSize: 0 }, "slotSize must be a whole number of at least 1, and is 0"],
    [{ slotSize: -3 }, "slotSize must be a whole number of at least 1, and is -3"],
    [{ ttl: 0 }, "ttl must be from 1s to 1d, and is 0 ms"],
    [{ ttl: "Infinity" }, "ttl must be from 1s to 1d, and is Infinity ms"]
  ] as const)("cannot be cut like this: %o", ([options, message]) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Layer.build(ConnectionSlots.layer(options)).pipe(
          Effect.provide(DsqlClient.layer({ endpoint: "abc.dsql.us-east-1.on.aws" }))
        )
      )
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), message)
    })
  )

  it.live("gives a killed process's room to others once its time is over, and not before", () =>
    Effect.gen(function* () {
      const { client, url } = yield* cluster
      const child = spawn(
        process.execPath,
        [fileURLToPath(new URL("./fixtures/holdConnections.ts", import.meta.url))],
        {
          env: { ...process.env, DSQL_URL: Redacted.value(url), CONNECTIONS: "10", LIMIT: "10" },
          stdio: ["ignore", "pipe", "inherit"]
        }
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
      yield* Effect.callback<void>((resume) => {
        child.stdout.once("data", () => resume(Effect.void))
      })
      yield* Effect.gen(function* () {
        const mine = yield* budget({ limit: 10, slotSize: 5 }, yield* Effect.scope)
        yield* Effect.flip(take(mine))
        const killed = Effect.callback<void>((resume) => {
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
        yield* killed
        yield* Effect.flip(take(mine))
        yield* timeIsOver
        assert.strictEqual((yield* takeAll(mine)).length, 10)
      }).pipe(Effect.provide(client))
    })
  )

  it.live("gives no more room while it is not heard of", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      yield* Effect.gen(function* () {
        const mine = yield* budget({ limit: 10, slotSize: 5, ttl: "1 minute" }, yield* Effect.scope)
        yield* take(mine)
        yield* statement("ALTER TABLE dsql_connection_slots RENAME TO out_of_reach")
        yield* TestClock.adjust("1 minute")
        const failure = yield* Effect.flip(take(mine))
        assert.strictEqual(failure.message, "the connection budget was not renewed in time")
        yield* statement("ALTER TABLE out_of_reach RENAME TO dsql_connection_slots")
        yield* TestClock.adjust("20 seconds")
        yield* take(mine)
      }).pipe(Effect.provide(TestClock.layer()), Effect.provide(client))
    }).pipe(Effect.provide(Quiet))
  )
})

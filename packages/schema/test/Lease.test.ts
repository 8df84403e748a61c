/**
 * Many migrators at once, and one that was paused for longer than its lease, on the emulated Aurora DSQL.
 */
import { DsqlClient, Guarded, Transaction } from "@effect-dsql/core"
import { Engine, type Event, Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import * as Books from "../src/internal/books/books.ts"
import * as Journal from "../src/internal/books/journal.ts"
import * as Lease from "../src/internal/books/lease.ts"
import * as Step from "../src/internal/run/step.ts"
import { clusterDatabase, guarded } from "../../../test/database.ts"
import { execute, rows } from "./support/database.ts"
import { everything, kinds } from "./support/kinds.ts"
import { sourceOf } from "./support/schemas.ts"

/** A database, and as many clients on it as are asked for. */
const cluster = Effect.map(clusterDatabase, (url) => ({
  client: Layer.fresh(Layer.provideMerge(Migrator.layer, DsqlClient.layerUrl({ url, guarded, maxConnections: 2 })))
}))

/** Nobody waits for a lease to run out. */
const expire = execute("UPDATE schema_lease SET expires_at = now() - interval '1 second'")

const table = sourceOf("CREATE TABLE t (id INTEGER PRIMARY KEY);")

const setUp = Effect.gen(function* () {
  const migrator = yield* Migrator.Migrator
  yield* migrator.setup({ source: yield* table })
})

// A heartbeat by the clock would find out first.
const noWait = { wait: false, duration: "10 minutes" } as const

describe("twenty migrators at once", () => {
  it.live("apply each step exactly once", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      const source = yield* kinds
      const applied = new Map<string, number>()
      const onEvent = (event: Event.Event) =>
        Effect.sync(() => {
          if (event._tag !== "Applied" || event.location === "bookkeeping") return
          applied.set(event.location, (applied.get(event.location) ?? 0) + 1)
        })
      const one = Effect.flatMap(Migrator.Migrator, (migrator) => migrator.setup({ source, onEvent })).pipe(
        Effect.provide(client)
      )
      const reports = yield* Effect.all(
        Array.from({ length: 20 }, () => one),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        reports.map(({ to }) => to as string),
        reports.map(() => "1.1")
      )
      const statements = source.versions.flatMap(({ statements }) => statements.map(({ location }) => location))
      assert.deepStrictEqual(
        [...applied].toSorted(),
        [...Map.groupBy(statements, (location) => location)]
          .map(([location, all]) => [location, all.length] as const)
          .toSorted()
      )
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* rows("SELECT id, count FROM b ORDER BY id"), [
          { id: 1, count: 1 },
          { id: 2, count: 1 }
        ])
        assert.deepStrictEqual(yield* rows("SELECT count(*)::integer AS n FROM schema_update_history"), [{ n: 1 }])
        assert.deepStrictEqual(yield* rows("SELECT DISTINCT fence FROM schema_journal"), [{ fence: 1 }])
      }).pipe(Effect.provide(client))
    })
  )

  it.live("would apply some twice without a lease", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      const source = yield* sourceOf("UPDATE t SET n = n + 1;")
      yield* execute("CREATE TABLE t (n INTEGER)", "INSERT INTO t VALUES (0)").pipe(Effect.provide(client))
      const one = Effect.flatMap(Migrator.Migrator, (migrator) => migrator.setup({ source, versioning: false })).pipe(
        Effect.provide(client)
      )
      yield* Effect.all([one, one], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* Effect.provide(rows("SELECT n FROM t"), client), [{ n: 2 }])
    })
  )
})

describe("Lease.hold", () => {
  it.live("says who holds it where it is not to wait, and waits where it is", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      yield* Effect.provide(setUp, client)
      const taken = yield* Deferred.make<Lease.Lease>()
      const done = yield* Deferred.make<void>()
      const first = yield* Lease.hold(
        "postgres",
        {},
        () => Effect.void,
        (lease) => Effect.andThen(Deferred.succeed(taken, lease), Deferred.await(done))
      ).pipe(Effect.provide(client), Effect.forkChild)
      const { owner } = yield* Deferred.await(taken)
      const refused = yield* Effect.flip(
        Lease.hold(
          "postgres",
          noWait,
          () => Effect.void,
          () => Effect.void
        )
      ).pipe(Effect.provide(client))
      assert.strictEqual(refused._tag, "LeaseHeld")
      assert.include(refused.message, `${owner} is migrating database postgres, with a lease until 20`)
      // The one that waits is what makes the first one end.
      const told: Array<string> = []
      const fence = yield* Lease.hold(
        "postgres",
        {},
        (holder) =>
          Effect.andThen(
            Effect.sync(() => told.push(holder.owner)),
            Deferred.succeed(done, undefined)
          ),
        (lease) => Effect.succeed(lease.fence)
      ).pipe(Effect.provide(client))
      yield* Fiber.join(first)
      assert.deepStrictEqual([told, fence], [[owner], 3])
    })
  )

  it.live("fails at once where the pool has one connection", () =>
    Effect.gen(function* () {
      const url = yield* clusterDatabase
      const error = yield* Effect.flip(
        Effect.flatMap(Effect.all([Migrator.Migrator, table]), ([migrator, source]) =>
          migrator.setup({ source, lease: { duration: "1500 millis" } })
        )
      ).pipe(
        Effect.provide(Layer.provideMerge(Migrator.layer, DsqlClient.layerUrl({ url, guarded, maxConnections: 1 })))
      )
      assert.strictEqual(error._tag, "TooFewConnections")
    })
  )
})

/** Runs an effect with a lease that has run out: of itself, or because another migrator has taken it. */
const paused = <A, E>(
  way: "nobody has taken it" | "another has taken it",
  use: (lease: Lease.Lease) => Effect.Effect<A, E, DsqlClient.DsqlClient>
) =>
  Effect.flip(
    Lease.hold(
      "postgres",
      noWait,
      () => Effect.void,
      (lease) =>
        Effect.gen(function* () {
          yield* expire
          if (way === "another has taken it") {
            yield* Lease.hold(
              "postgres",
              noWait,
              () => Effect.void,
              () => Effect.void
            )
          }
          return yield* use(lease)
        })
    )
  )

describe("a migrator that was paused for longer than its lease", () => {
  it.live.each(["nobody has taken it", "another has taken it"] as const)("cannot write when it wakes: %s", (way) =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      yield* Effect.gen(function* () {
        yield* setUp
        const [statement] = (yield* table).versions[0].statements
        assert(statement !== undefined)
        const before = yield* everything
        const key = { version: "9.9", ordinal: 1 }
        const writes = (lease: Lease.Lease) => {
          const journal = Journal.make(lease, [])
          return [
            journal.begin({ key, statement }, null),
            journal.adopt({ key, statement }),
            journal.finish({ version: "1.0", ordinal: 1 }),
            Step.run(
              { key, statement: { ...statement, text: "INSERT INTO t VALUES (1)", changesRows: true } },
              {
                engine: "dsql",
                schema: { statements: [], acceptedTypes: {} },
                journal: { ...journal, begin: () => Effect.void },
                emit: () => Effect.void
              }
            ),
            lease.renew
          ]
        }
        for (const i of [0, 1, 2, 3, 4]) {
          const error = yield* paused(way, (lease) => writes(lease)[i] ?? Effect.void)
          assert.strictEqual(error._tag, "LeaseLost")
        }
        assert.deepStrictEqual(yield* everything, before)
        assert.deepStrictEqual(yield* rows("SELECT * FROM t"), [])
      }).pipe(Effect.provide(client))
    })
  )

  it.live.each(["CREATE TABLE a", "CREATE UNIQUE INDEX a_name", "UPDATE a"])(
    "says that its lease is lost, not that somebody should mend what the next one made: after %s",
    (summary) =>
      Effect.gen(function* () {
        const { client } = yield* cluster
        const source = yield* kinds
        const setup = (onEvent: (event: Event.Event) => Effect.Effect<void>) =>
          Effect.flatMap(Migrator.Migrator, (migrator) => migrator.setup({ source, lease: noWait, onEvent })).pipe(
            Effect.provide(client)
          )
        const takeOver = Effect.andThen(
          Effect.provide(expire, client),
          setup(() => Effect.void)
        )
        const error = yield* Effect.flip(
          setup((event) =>
            event._tag === "Applied" && event.summary === summary ? Effect.orDie(takeOver) : Effect.void
          )
        )
        assert.strictEqual(error._tag, "LeaseLost")
      })
  )

  /** A write under the lease that is not committed before another migrator has taken it. */
  const straddling = (guard: (lease: Lease.Lease) => Effect.Effect<unknown, unknown, Transaction.Transaction>) =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      return yield* Effect.gen(function* () {
        yield* setUp
        let attempts = 0
        const exit = yield* Lease.hold(
          "postgres",
          noWait,
          () => Effect.void,
          (lease) =>
            Effect.gen(function* () {
              const written = yield* Deferred.make<void>()
              const taken = yield* Deferred.make<void>()
              const writer = yield* Transaction.run(
                Effect.gen(function* () {
                  attempts++
                  const sql = yield* Transaction.sql
                  yield* guard(lease)
                  yield* sql`INSERT INTO t VALUES (1)`
                  yield* Deferred.succeed(written, undefined)
                  yield* Deferred.await(taken)
                })
              ).pipe(Effect.result, Effect.forkChild)
              yield* Deferred.await(written)
              yield* expire
              yield* Lease.hold(
                "postgres",
                noWait,
                () => Effect.void,
                () => Effect.void
              ).pipe(Effect.provide(client))
              yield* Deferred.succeed(taken, undefined)
              return yield* Fiber.join(writer)
            })
        )
        return { attempts, outcome: exit._tag, rows: yield* rows("SELECT id FROM t") }
      }).pipe(Effect.provide(client))
    })

  it.live("conflicts with the one that takes over, and finds out", () =>
    Effect.gen(function* () {
      const guard = (lease: Lease.Lease) => Guarded.write({ guards: [Lease.held(lease)], writes: [] })
      assert.deepStrictEqual(yield* straddling(guard), { attempts: 2, outcome: "Failure", rows: [] })
    })
  )

  it.live("would write, if it only read its fence", () =>
    Effect.gen(function* () {
      const guard = ({ fence }: Lease.Lease) =>
        Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1 FROM schema_lease WHERE fence = ${fence}`)
      assert.deepStrictEqual(yield* straddling(guard), { attempts: 1, outcome: "Success", rows: [{ id: 1 }] })
    })
  )

  it.live("cannot bring back a table that the one after it has renamed, with DDL that was under way", () =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      const source = yield* kinds
      const [statement] = source.versions[0].statements
      assert(statement !== undefined)
      const expected = yield* Effect.gen(function* () {
        const other = yield* cluster
        return yield* Effect.flatMap(Migrator.Migrator, (migrator) =>
          Effect.andThen(migrator.setup({ source }), everything)
        ).pipe(Effect.provide(other.client))
      })
      yield* Effect.gen(function* () {
        yield* setUp
        yield* execute("DROP TABLE t", "DELETE FROM schema_version", "DELETE FROM schema_journal")
        yield* execute("DELETE FROM schema_update_history")
        const error = yield* Effect.flip(
          Lease.hold(
            "postgres",
            noWait,
            () => Effect.void,
            (lease) =>
              Effect.gen(function* () {
                const journal = Journal.make(lease, [])
                const asked = yield* Deferred.make<void>()
                const over = yield* Deferred.make<void>()
                let renewals = 0
                // Between the last heartbeat and COMMIT.
                const renew = Effect.andThen(
                  lease.renew,
                  Effect.suspend(() =>
                    renewals++ > 0
                      ? Effect.void
                      : Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(over))
                  )
                )
                const late = yield* Step.run(
                  { key: { version: "1.0", ordinal: 1 }, statement },
                  {
                    engine: "dsql",
                    schema: { statements: [], acceptedTypes: {} },
                    journal: { ...journal, renew },
                    emit: () => Effect.void
                  }
                ).pipe(Effect.forkChild)
                yield* Deferred.await(asked)
                yield* expire
                yield* Effect.flatMap(Migrator.Migrator, (migrator) => migrator.setup({ source, lease: noWait })).pipe(
                  Effect.provide(client)
                )
                yield* Deferred.succeed(over, undefined)
                return yield* Fiber.join(late)
              })
          )
        )
        assert.strictEqual(error._tag, "LeaseLost")
        assert.deepStrictEqual(yield* everything, expected)
        assert.strictEqual(Lease.holderOf((yield* Books.read("postgres")).lease), undefined)
        assert.strictEqual(yield* Engine.read, "dsql")
      }).pipe(Effect.provide(client))
    })
  )
})

describe("a lease that somebody wrote never to end", () => {
  it.live.each(["infinity", "-infinity"])("is read, and ended by a repair: until %s", (until) =>
    Effect.gen(function* () {
      const { client } = yield* cluster
      yield* Effect.gen(function* () {
        yield* setUp
        yield* execute(
          `UPDATE schema_lease SET owner = 'dead', expires_at = '${until}'`,
          `UPDATE schema_journal SET started_at = '${until}', finished_at = '${until}'`,
          `UPDATE schema_update_history SET update_time = '${until}'`
        )
        const migrator = yield* Migrator.Migrator
        const source = yield* table
        if (until === "infinity") {
          const error = yield* Effect.flip(migrator.baseline({ source, verify: Effect.void, lease: noWait }))
          assert.include(error.message, "with a lease until 9999-12-31T23:59:59")
        }
        const { lease } = yield* migrator.repair({ source, release: true })
        assert.deepStrictEqual([lease?.owner, lease?.released], ["dead", true])
        assert.strictEqual((yield* migrator.repair({ source })).lease, null)
        assert.strictEqual((yield* migrator.history()).changes.length, 1)
      }).pipe(Effect.provide(client))
    })
  )
})

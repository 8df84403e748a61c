/**
 * Writes of the migrator whose answer is lost and which arrive after all, on the emulated Aurora DSQL: whatever was
 * decided in between stays true.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Fiber, Layer } from "effect"
import * as Proxy from "../../core/test/support/proxy.ts"
import { clusterDatabase } from "../../../test/database.ts"
import * as Bookkeeping from "../src/internal/books/bookkeeping.ts"
import * as Journal from "../src/internal/books/journal.ts"
import * as Lease from "../src/internal/books/lease.ts"
import * as Step from "../src/internal/run/step.ts"
import { execute, rows } from "./support/database.ts"
import { sourceOf, version } from "./support/schemas.ts"

const key = { version: "1.1", ordinal: 1 }

/**
 * Runs an effect under the lease of a schema that is set up, on a client of its own behind a proxy that can hold a
 * message back: its connections are new, so that each statement is sent with its text.
 */
const behindProxy = <A, E>(
  use: (lease: Lease.Lease, proxy: Proxy.Proxy) => Effect.Effect<A, E, DsqlClient.DsqlClient>
) =>
  Effect.gen(function* () {
    const url = yield* clusterDatabase
    const proxy = yield* Proxy.make(url)
    return yield* Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      yield* migrator.setup({ source: yield* sourceOf("CREATE TABLE cnt (n INTEGER);"), version: version("1.0") })
      yield* execute("INSERT INTO cnt VALUES (0)")
      return yield* Lease.hold(
        "postgres",
        { duration: "10 minutes" },
        () => Effect.void,
        (lease) => Effect.provide(use(lease, proxy), Layer.fresh(DsqlClient.layerUrl({ url: proxy.url })))
      )
    }).pipe(Effect.provide(Layer.provideMerge(Migrator.layer, DsqlClient.layerUrl({ url, maxConnections: 2 }))))
  })

const increment = Effect.map(sourceOf("UPDATE cnt SET n = n + 1;"), ({ versions: [{ statements }] }) => {
  const [statement] = statements
  assert(statement !== undefined)
  return { key, statement }
})

describe("a COMMIT that arrives after it was looked for", () => {
  it.live("does not run a statement that changes rows a second time", () =>
    Effect.gen(function* () {
      const found = yield* behindProxy((lease, proxy) =>
        Effect.gen(function* () {
          const journal = Journal.make(lease, [])
          let late: Proxy.Late | undefined
          // The first attempt's COMMIT is held; it arrives when the second one is about to begin.
          const commit = (key: Parameters<typeof journal.commit>[0]) =>
            Effect.gen(function* () {
              if (late !== undefined) yield* late.arrive
              yield* journal.commit(key)
              late ??= yield* proxy.hold("COMMIT")
            })
          const setting = { engine: "dsql", journal: { ...journal, commit }, emit: () => Effect.void } as const
          yield* Step.run(yield* increment, setting)
          return yield* rows("SELECT n FROM cnt")
        })
      )
      assert.deepStrictEqual(found, [{ n: 1 }])
    })
  )

  it.live("does not record a version a second time", () =>
    Effect.gen(function* () {
      const found = yield* behindProxy((lease, proxy) =>
        Effect.gen(function* () {
          const waiting = yield* Deferred.make<void>()
          const arrived = yield* Deferred.make<void>()
          // The pause before the write is tried again, and nothing else, lasts as long.
          const real = yield* Clock.Clock
          const clock: Clock.Clock = Object.assign(Object.create(real) as typeof real, {
            sleep: (duration: Duration.Duration) =>
              Duration.toMillis(duration) === 100
                ? Effect.andThen(Deferred.succeed(waiting, undefined), Deferred.await(arrived))
                : real.sleep(duration)
          })
          const late = yield* proxy.hold("COMMIT")
          const to = { version: version("1.1"), minCompatible: version("1.0") }
          const record = Bookkeeping.record(lease, { ...to, description: "", manifestMd5: "", from: "1.0" })
          const fiber = yield* Effect.forkChild(Effect.provideService(record, Clock.Clock, clock))
          yield* Deferred.await(waiting)
          yield* late.arrive
          yield* Deferred.succeed(arrived, undefined)
          yield* Fiber.join(fiber)
          return yield* rows("SELECT new_version FROM schema_update_history WHERE old_version = '1.0'")
        })
      )
      assert.deepStrictEqual(found, [{ new_version: "1.1" }])
    })
  )
})

describe("a write of the journal that arrives after it was repeated", () => {
  it.live("does not begin a statement again that has finished", () =>
    Effect.gen(function* () {
      const found = yield* behindProxy((lease, proxy) =>
        Effect.gen(function* () {
          const journal = Journal.make(lease, [])
          const late = yield* proxy.hold("INSERT INTO schema_journal")
          yield* journal.begin(yield* increment, null)
          yield* journal.finish(key)
          yield* late.arrive
          return yield* rows("SELECT finished_at IS NOT NULL AS finished FROM schema_journal WHERE version = '1.1'")
        })
      )
      assert.deepStrictEqual(found, [{ finished: true }])
    })
  )
})

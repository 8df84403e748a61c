/**
 * Writes of the migrator whose answer is lost and which arrive after all, on the emulated Aurora DSQL: whatever was
 * decided in between stays true.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { clusterDatabase } from "../../../test/database.ts"
import { holding as holdingBack } from "../../../test/lifetime.ts"
import * as Proxy from "../../../test/proxy.ts"
import * as Bookkeeping from "../src/internal/books/bookkeeping.ts"
import * as Books from "../src/internal/books/books.ts"
import * as Journal from "../src/internal/books/journal.ts"
import * as Lease from "../src/internal/books/lease.ts"
import * as Step from "../src/internal/run/step.ts"
import { execute, rows } from "./support/database.ts"
import { sourceOf, version } from "./support/schemas.ts"

const key = { version: "1.1", ordinal: 1 }

type Guarded = DsqlClient.DsqlClient["Service"]["guarded"]

const holding = <A, E>(use: (lease: Lease.Lease) => Effect.Effect<A, E, DsqlClient.DsqlClient>) =>
  Lease.hold("postgres", { duration: "10 minutes" }, () => Effect.void, use)

/**
 * Runs an effect under the lease of a schema that is set up, on a client of its own behind a proxy that can hold a
 * message back.
 */
const behindProxy = <A, E>(
  guarded: Guarded,
  use: (lease: Lease.Lease, proxy: Proxy.Proxy) => Effect.Effect<A, E, DsqlClient.DsqlClient>
) =>
  Effect.gen(function* () {
    const url = yield* clusterDatabase
    const proxy = yield* Proxy.make(url)
    return yield* Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      yield* migrator.setup({ source: yield* sourceOf("CREATE TABLE cnt (n INTEGER);"), version: version("1.0") })
      yield* execute("INSERT INTO cnt VALUES (0)")
      return yield* holding((lease) =>
        Effect.provide(use(lease, proxy), Layer.fresh(DsqlClient.layerUrl({ url: proxy.url, guarded })))
      )
    }).pipe(Effect.provide(Layer.provideMerge(Migrator.layer, DsqlClient.layerUrl({ url, maxConnections: 2 }))))
  })

const increment = Effect.map(sourceOf("UPDATE cnt SET n = n + 1;"), ({ versions: [{ statements }] }) => {
  const [statement] = statements
  assert(statement !== undefined)
  return { key, statement }
})

for (const form of ["statement", "transaction"] as const) {
  describe(`a COMMIT in form ${form} that arrives after it was looked for`, () => {
    it.live("does not run a statement that changes rows a second time", () =>
      Effect.gen(function* () {
        const found = yield* behindProxy(form, (lease, proxy) =>
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
            const setting = {
              engine: "dsql",
              schema: { statements: [], acceptedTypes: {} },
              journal: { ...journal, commit },
              emit: () => Effect.void
            } as const
            yield* Step.run(yield* increment, setting)
            return yield* rows("SELECT n FROM cnt")
          })
        )
        assert.deepStrictEqual(found, [{ n: 1 }])
      })
    )
  })
}

/** A write that is late, what is done after it was settled, and what is then there whether or not it arrives. */
interface Late {
  /** `arm` makes the next message of it late. */
  readonly write: (
    lease: Lease.Lease,
    arm: Effect.Effect<void>
  ) => Effect.Effect<unknown, unknown, DsqlClient.DsqlClient>
  readonly before?: (lease: Lease.Lease) => Effect.Effect<unknown, unknown, DsqlClient.DsqlClient>
  readonly after: (lease: Lease.Lease) => Effect.Effect<unknown, unknown, DsqlClient.DsqlClient>
  readonly look: string
  readonly expected: object
}

const journalOf = (lease: Lease.Lease) => Journal.make(lease, [])

const begin = (lease: Lease.Lease) => Effect.flatMap(increment, (step) => journalOf(lease).begin(step, null))

const adopt = (lease: Lease.Lease) => Effect.flatMap(increment, (step) => journalOf(lease).adopt(step))

const finish = (lease: Lease.Lease) => journalOf(lease).finish(key)

const record = (lease: Lease.Lease, from: string, to: string) =>
  Bookkeeping.record(lease, {
    version: version(to),
    minCompatible: version("1.0"),
    description: "",
    manifestMd5: "",
    from
  })

const revoke = Effect.gen(function* () {
  const { lease } = yield* Books.read("postgres")
  assert(lease !== undefined)
  yield* Lease.revoke("postgres", lease)
})

/** The lease of who comes next, as long as nobody ends it. */
const next = (use: (lease: Lease.Lease) => Effect.Effect<unknown, unknown, DsqlClient.DsqlClient>) =>
  Effect.andThen(revoke, holding(use))

const taken = execute(
  "UPDATE schema_lease SET owner = 'next', fence = fence + 1, expires_at = now() + interval '1 hour'"
)

const row = `SELECT finished_at IS NOT NULL AS finished, job_id AS job, error FROM schema_journal WHERE version = '1.1'`

const holder = "SELECT owner, expires_at > now() AS held FROM schema_lease"

const writes: Readonly<Record<string, Late>> = {
  "begins no statement again that has finished": {
    write: (lease, arm) => Effect.andThen(arm, begin(lease)),
    after: finish,
    look: row,
    expected: { finished: true, job: null, error: null }
  },
  "attaches no job to a statement that has finished without it": {
    before: begin,
    write: (lease, arm) => Effect.andThen(arm, journalOf(lease).attach(key, "job")),
    after: adopt,
    look: row,
    expected: { finished: true, job: null, error: null }
  },
  "finishes no statement that the next lease has begun": {
    before: begin,
    write: (lease, arm) => Effect.andThen(arm, finish(lease)),
    after: () => next(begin),
    look: row,
    expected: { finished: false, job: null, error: null }
  },
  "refuses no statement that the next lease has begun": {
    before: begin,
    write: (lease, arm) => Effect.andThen(arm, journalOf(lease).refuse(key, "refused")),
    after: () => next(begin),
    look: row,
    expected: { finished: false, job: null, error: null }
  },
  "adopts no statement that the next lease has begun": {
    write: (lease, arm) => Effect.andThen(arm, adopt(lease)),
    after: () => next(begin),
    look: row,
    expected: { finished: false, job: null, error: null }
  },
  "removes no statement that was adopted since": {
    write: (lease, arm) => Effect.andThen(arm, journalOf(lease).remove(key)),
    after: adopt,
    look: row,
    expected: { finished: true, job: null, error: null }
  },
  "records no version after the next one": {
    write: (lease, arm) => Effect.andThen(arm, record(lease, "1.0", "1.1")),
    after: (lease) => record(lease, "1.1", "1.2"),
    look: `SELECT curr_version AS version, (SELECT count(*)::integer FROM schema_update_history) AS changes
      FROM schema_version`,
    expected: { version: "1.2", changes: 3 }
  },
  "forgets nothing that was written since": {
    write: (lease, arm) => Effect.andThen(arm, Bookkeeping.forget(lease)),
    after: (lease) => Effect.andThen(adopt(lease), record(lease, "0", "1.1")),
    look: `SELECT curr_version AS version, (SELECT count(*)::integer FROM schema_journal) AS statements
      FROM schema_version`,
    expected: { version: "1.1", statements: 1 }
  },
  "does not claim a lease that was given back": {
    before: () => revoke,
    write: (_, arm) =>
      Effect.andThen(
        arm,
        holding(() => Effect.void)
      ),
    after: () => Effect.void,
    look: holder,
    expected: { owner: "", held: false }
  },
  "does not make a lease last that was given back": {
    before: () => revoke,
    write: (_, arm) => holding((lease) => Effect.andThen(arm, lease.renew)),
    after: () => Effect.void,
    look: holder,
    expected: { owner: "", held: false }
  },
  "does not give back the lease of who has taken it since": {
    before: () => revoke,
    write: (_, arm) => holding(() => arm),
    after: () => taken,
    look: holder,
    expected: { owner: "next", held: true }
  },
  "does not end the lease of who has taken it since": {
    write: (_, arm) => Effect.andThen(arm, revoke),
    after: () => taken,
    look: holder,
    expected: { owner: "next", held: true }
  }
}

for (const [part, form] of [
  ["statement", "statement"],
  ["COMMIT", "transaction"]
] as const) {
  describe(`a write whose ${part} arrives after it was settled`, () => {
    for (const [name, late] of Object.entries(writes)) {
      it.live(name, () =>
        Effect.gen(function* () {
          const found = yield* behindProxy(form, (lease, proxy) => {
            const { hold, layer } = holdingBack(proxy)
            return Effect.gen(function* () {
              yield* late.before?.(lease) ?? Effect.void
              let held: Proxy.Late | undefined
              const arm = Effect.gen(function* () {
                held = yield* hold(form === "transaction" ? "COMMIT" : "MATERIALIZED")
              })
              yield* late.write(lease, arm)
              yield* late.after(lease)
              assert(held !== undefined)
              assert.isTrue(yield* held.arrive)
              return yield* rows(late.look)
            }).pipe(Effect.provide(layer))
          })
          assert.deepStrictEqual(found, [late.expected])
        })
      )
    }
  })
}

/**
 * Brings a database to a version of a schema.
 *
 * Each statement is a transaction of its own, as Aurora DSQL demands, and what
 * has run is recognised in the catalogue. So a run that failed or was killed is
 * resumed by running it again, and a run too many changes nothing.
 *
 * @since 0.1.0
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Baseline from "./Baseline.ts"
import * as Bookkeeping from "./Bookkeeping.ts"
import { Event } from "./Event.ts"
import type * as History from "./History.ts"
import * as Journal from "./Journal.ts"
import type { MigrationError, Owned as OwnedTable, Report, Settings as Options, SetupOptions } from "./Migration.ts"
import type * as Outline from "./Outline.ts"
import * as Owned from "./Owned.ts"
import * as Plan from "./Plan.ts"
import * as Repair from "./Repair.ts"
import * as Route from "./Route.ts"
import * as Run from "./Run.ts"
import * as SchemaSource from "./SchemaSource.ts"
import * as State from "./State.ts"
import * as Status from "./Status.ts"
import type { StepError } from "./Step.ts"
import * as Version from "./Version.ts"

export type { MigrationError, Owned, Report, Settings as Options, SetupOptions } from "./Migration.ts"

/**
 * Sets schemas up and updates them.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { Migrator, SchemaSource } from "@effect-dsql/schema"
 * import { NodeServices } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const migrator = yield* Migrator.Migrator
 *   const report = yield* migrator.setup({ source: yield* SchemaSource.builtIn() })
 *   yield* Effect.log(`the database is at ${report.to}`)
 * })
 *
 * const live = Migrator.layer.pipe(
 *   Layer.provide(DsqlClient.layer({ endpoint: "abc.dsql.us-east-1.on.aws" })),
 *   Layer.provideMerge(NodeServices.layer)
 * )
 * const main = Effect.provide(program, live)
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Migrator extends Context.Service<
  Migrator,
  {
    /**
     * Creates the bookkeeping tables and everything up to a version (`0.0`: nothing else), and records it. A
     * database that is at an earlier version is updated; one that is there already, or further, is left alone.
     */
    readonly setup: (options: SetupOptions) => Effect.Effect<Report, MigrationError>
    /** Runs the versions after the recorded one. Fails where none is recorded. */
    readonly update: (options: Options) => Effect.Effect<Report, MigrationError>
    /** Compares what is recorded with a schema's manifests; an `Outline` is enough. Writes nothing. */
    readonly status: (options: {
      readonly source: Outline.Outline
      readonly database?: string | undefined
    }) => Effect.Effect<Status.Status, MigrationError>
    /** What `update`, or `setup` where no version is recorded, would do. Reads in one READ ONLY transaction. */
    readonly plan: (
      options: Pick<Options, "source" | "version" | "database">
    ) => Effect.Effect<Plan.Plan, MigrationError>
    /**
     * Records that a database is at a version, without running it: one that the earlier tool set up, so that its
     * files are watched for changes from now on, or one that was made by hand. Fails where another version is recorded.
     */
    readonly baseline: <E>(options: Baseline.Options<E>) => Effect.Effect<Report, MigrationError | E>
    /** Finds invalid indexes, changed files and the lease of a dead migrator, and repairs what it is asked to. */
    readonly repair: (options: Repair.Options) => Effect.Effect<Repair.Repair, MigrationError>
    /** Everything that has run. Writes nothing. */
    readonly history: (options?: {
      readonly database?: string | undefined
    }) => Effect.Effect<History.History, MigrationError>
    /** The tables that `setup` with `overwrite` would drop: those of the schema that are there. */
    readonly owned: (
      source: SchemaSource.SchemaSource,
      database?: string
    ) => Effect.Effect<ReadonlyArray<OwnedTable>, MigrationError>
  }
>()("@effect-dsql/schema/Migrator") {}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Migrator, never, DsqlClient> = Layer.effect(
  Migrator,
  Effect.map(DsqlClient, (client) => {
    const connected = <A, E>(effect: Effect.Effect<A, E, DsqlClient>) =>
      Effect.provideService(effect, DsqlClient, client)
    return Migrator.of({
      setup: Effect.fn("Migrator.setup")((options) => connected(setup(options))),
      update: Effect.fn("Migrator.update")((options) => connected(update(options))),
      status: Effect.fn("Migrator.status")(({ database, source }) => connected(Status.read(source, database))),
      plan: Effect.fn("Migrator.plan")((settings) => connected(Plan.make(settings))),
      baseline: Effect.fn("Migrator.baseline")((options) => connected(Baseline.run(options))),
      repair: Effect.fn("Migrator.repair")((options) => connected(Repair.run(options))),
      history: Effect.fn("Migrator.history")((options = {}) => connected(State.history(Run.databaseOf(options)))),
      owned: Effect.fn("Migrator.owned")((source, database) =>
        connected(
          Effect.gen(function* () {
            const state = yield* State.read(Run.databaseOf({ database }))
            const found = yield* Owned.find(Owned.names(source, state))
            return found.map(({ hasRows, table }) => ({ hasRows, table }))
          })
        )
      )
    })
  })
)

const { databaseOf } = Run

const setup = (options: SetupOptions): Effect.Effect<Report, MigrationError, DsqlClient> =>
  Effect.gen(function* () {
    const { overwrite = false, source, version, versioning = true } = options
    const target = yield* Route.goal(source, version)
    const before = yield* State.read(databaseOf(options))
    if (!versioning) return yield* unrecorded(options, before, target.version)
    if (!overwrite) {
      const { from, versions } = yield* Route.ofSetup(source, version, before)
      if (from !== undefined && versions.length === 0) return Run.unchanged(options, from.version)
    }
    return yield* Run.leased(options, before, (run) =>
      Effect.gen(function* () {
        const state = overwrite ? yield* forget(source, run) : run.state
        return yield* follow(yield* Route.ofSetup(source, version, state), state, run)
      })
    )
  })

const update = (options: Options): Effect.Effect<Report, MigrationError, DsqlClient> =>
  Effect.gen(function* () {
    const { source, version } = options
    const database = databaseOf(options)
    const before = yield* State.read(database)
    const { from, versions } = yield* Route.ofUpdate(source, version, before, database)
    if (from !== undefined && versions.length === 0) return Run.unchanged(options, from.version)
    return yield* Run.leased(options, before, (run) =>
      Effect.flatMap(Route.ofUpdate(source, version, run.state, database), (route) => follow(route, run.state, run))
    )
  })

/** Goes a way, and records each version once its statements have run. */
const follow = Effect.fnUntraced(function* (
  { from, to, versions }: Route.Route,
  { journal }: State.State,
  run: Run.Run
): Effect.fn.Return<Report, StepError, DsqlClient> {
  const kept = Journal.make(run.lease, journal)
  if (from === undefined) {
    yield* Effect.forEach(versions, (version) => run.apply(version, kept), { discard: true })
    // What the earlier tool writes for a schema that was set up at once, whatever its manifests say.
    yield* run.record({ ...to, description: "initial version", manifestMd5: "", from: "0" })
    return run.report(null, to.version)
  }
  let at = from.version
  for (const version of versions) {
    yield* run.apply(version, kept)
    if (!Version.isAfter(version.version, at)) continue
    yield* run.record({ ...version, manifestMd5: version.md5, from: at })
    at = version.version
  }
  return run.report(from.version, at)
})

/** Drops what a schema owns. What is written down goes first: a run that is killed from here on starts over. */
const forget = Effect.fnUntraced(function* (source: SchemaSource.SchemaSource, { emit, lease, state }: Run.Run) {
  const found = yield* Owned.find(Owned.names(source, state))
  yield* Bookkeeping.forget(lease)
  for (const each of found.toReversed()) {
    yield* Owned.drop(each, lease.renew)
    yield* emit(Event.Dropped({ table: each.table }))
  }
  return { ...state, recorded: undefined, journal: [] }
})

/** Sets up without lease and journal. Where there are books, what they say of the schema is forgotten under the lease. */
const unrecorded = Effect.fnUntraced(function* (
  options: SetupOptions,
  before: State.State,
  version: Version.Version
): Effect.fn.Return<Report, MigrationError, DsqlClient> {
  const { overwrite = false, source } = options
  const run = Run.make(options, before.engine)
  if (overwrite) {
    const found = yield* Owned.find(Owned.names(source, before))
    if (before.missing.length === 0) yield* Run.leased(options, before, ({ lease }) => Bookkeeping.forget(lease))
    for (const each of found.toReversed()) {
      yield* Owned.drop(each, Effect.void)
      yield* run.emit(Event.Dropped({ table: each.table }))
    }
  }
  yield* Effect.forEach(SchemaSource.upTo(source, version), (each) => run.apply(each, Journal.none), { discard: true })
  return run.report(null, null)
})

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
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Bookkeeping from "./Bookkeeping.ts"
import * as Catalogue from "./Catalogue.ts"
import type * as Baseline from "./Baseline.ts"
import { Event } from "./Event.ts"
import type * as History from "./History.ts"
import type { MigrationError, Owned, Report, Settings as Options, SetupOptions } from "./Migration.ts"
import type * as Outline from "./Outline.ts"
import type * as Plan from "./Plan.ts"
import type * as Repair from "./Repair.ts"
import { Downgrade, NotSetUp, type UnknownVersion } from "./SchemaError.ts"
import * as SchemaSource from "./SchemaSource.ts"
import * as Status from "./Status.ts"
import * as Step from "./Step.ts"
import { display } from "./Target.ts"
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
    ) => Effect.Effect<ReadonlyArray<Owned>, MigrationError>
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
      status: Effect.fn("Migrator.status")(({ database = Bookkeeping.defaultDatabase, source }) =>
        connected(Effect.map(Bookkeeping.read(database), (recorded) => Status.make(source, database, recorded)))
      ),
      plan: () => later("plan"),
      baseline: () => later("baseline"),
      repair: () => later("repair"),
      history: () => later("history"),
      owned: Effect.fn("Migrator.owned")((source) => connected(owned(source)))
    })
  })
)

const later = (what: string) => Effect.die(new Error(`${what} is not there yet`))

const setup = Effect.fnUntraced(function* (
  options: SetupOptions
): Effect.fn.Return<Report, MigrationError, DsqlClient> {
  const { source } = options
  const database = options.database ?? Bookkeeping.defaultDatabase
  const versioning = options.versioning ?? true
  const target = yield* goal(source, options.version)
  const run = yield* start(options, database)
  if (options.overwrite === true) yield* overwrite(source, database, run)
  if (!versioning) {
    yield* Effect.forEach(initial(source, target), run.apply, { discard: true })
    return run.report(null, null)
  }
  yield* Effect.forEach(Bookkeeping.tables, run.step, { discard: true })
  const recorded = yield* Bookkeeping.read(database)
  if (recorded !== undefined) return yield* upTo(source, recorded, target, run)
  yield* Effect.forEach(initial(source, target), run.apply, { discard: true })
  // What the earlier tool writes for a schema that was set up at once, whatever its manifests say.
  yield* run.record({ ...target, description: "initial version", manifestMd5: "", from: "0" })
  return run.report(null, target.version)
})

const update = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<Report, MigrationError, DsqlClient> {
  const { source } = options
  const database = options.database ?? Bookkeeping.defaultDatabase
  const target = yield* goal(source, options.version)
  const recorded = yield* Bookkeeping.read(database)
  if (recorded === undefined) return yield* new NotSetUp({ database })
  const tooFar =
    options.version === undefined
      ? Status.make(source, database, recorded).state === "incompatible"
      : Version.isAfter(recorded.version, target.version)
  if (tooFar) return yield* new Downgrade({ current: recorded.version, target: target.version })
  return yield* upTo(source, recorded, target, yield* start(options, database))
})

/** Where a run ends, as it is recorded. `0.0` is where no version has been applied. */
const goal = (
  source: SchemaSource.SchemaSource,
  version: Version.Version | undefined
): Effect.Effect<Bookkeeping.Recorded, UnknownVersion> => {
  if (version === undefined) return Effect.succeed(SchemaSource.latest(source))
  const found = SchemaSource.find(source, version)
  return Version.equals(version, Version.none)
    ? Effect.orElseSucceed(found, () => ({ version: Version.none, minCompatible: Version.none }))
    : found
}

/** The versions that setting up has to run: unlike an update's, they may begin with a file that is called 0.0. */
const initial = (source: SchemaSource.SchemaSource, target: Bookkeeping.Recorded) =>
  source.versions.filter(({ version }) => !Version.isAfter(version, target.version))

/** Runs the versions after the recorded one, and records each once its statements have run. */
const upTo = Effect.fnUntraced(function* (
  source: SchemaSource.SchemaSource,
  recorded: Bookkeeping.Recorded,
  target: Bookkeeping.Recorded,
  run: Run
) {
  let at = recorded.version
  for (const version of SchemaSource.between(source, recorded.version, target.version)) {
    yield* run.apply(version)
    yield* run.record({ ...version, manifestMd5: version.md5, from: at })
    at = version.version
  }
  return run.report(recorded.version, at)
})

const owned = (source: SchemaSource.SchemaSource) =>
  Effect.map(
    Effect.forEach(SchemaSource.tables(source), (name) =>
      Effect.gen(function* () {
        const found = yield* Catalogue.relation(name)
        if (found?.kind !== "table") return []
        return [{ name, table: display(name), hasRows: yield* Catalogue.hasRows(name) }]
      })
    ),
    (tables) => tables.flat()
  )

const overwrite = Effect.fnUntraced(function* (source: SchemaSource.SchemaSource, database: string, run: Run) {
  // The version goes first: a run that is killed from here on is not taken for one that was finished.
  const bookkeeping = yield* Catalogue.relation({ schema: undefined, name: "schema_version" })
  if (bookkeeping !== undefined) {
    yield* Bookkeeping.read(database)
    yield* Bookkeeping.forget(database)
  }
  for (const { name, table } of yield* owned(source)) {
    yield* Transaction.autocommit(
      Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(`DROP TABLE IF EXISTS ${Catalogue.quoted(name)}`).unprepared),
      { operation: "DropTable" }
    )
    yield* run.dropped(table)
  }
})

/** A run under way: what it does, and the counts that its report gives. */
interface Run {
  readonly step: (statement: Parameters<typeof Step.run>[0]) => Effect.Effect<void, Step.StepError, DsqlClient>
  readonly apply: (version: SchemaSource.SchemaVersion) => Effect.Effect<void, Step.StepError, DsqlClient>
  readonly record: (change: Omit<Bookkeeping.Change, "database">) => Effect.Effect<void, TransactionError, DsqlClient>
  readonly dropped: (table: string) => Effect.Effect<void>
  readonly report: (from: Version.Version | null, to: Version.Version | null) => Report
}

const start = Effect.fnUntraced(function* (
  { onEvent = () => Effect.void, source }: Options,
  database: string
): Effect.fn.Return<Run, TransactionError, DsqlClient> {
  const engine = yield* Catalogue.engine
  const events: Array<Event> = []
  const emit = (event: Event) => {
    events.push(event)
    return onEvent(event)
  }
  const step: Run["step"] = (statement) => Step.run(statement, engine, emit)
  return {
    step,
    apply: ({ statements }) => Effect.forEach(statements, step, { discard: true }),
    record: ({ description, from, manifestMd5, minCompatible, version }) =>
      Effect.andThen(
        Bookkeeping.record({ database, description, from, manifestMd5, minCompatible, version }),
        emit(Event.Recorded({ version }))
      ),
    dropped: (table) => emit(Event.Dropped({ table })),
    report: (from, to) => ({
      schema: source.name,
      database,
      from,
      to,
      changed: events.some((event) => event._tag !== "Present" && event._tag !== "Waiting"),
      applied: events.filter(Event.$is("Applied")).length,
      present: events.filter(Event.$is("Present")).length,
      dropped: events.filter(Event.$is("Dropped")).map(({ table }) => table)
    })
  }
})

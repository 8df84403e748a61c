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
import { Event } from "./Event.ts"
import { Downgrade, type InvalidBookkeeping, NotSetUp, type UnknownVersion } from "./SchemaError.ts"
import * as SchemaSource from "./SchemaSource.ts"
import { display } from "./SqlFile.ts"
import * as Status from "./Status.ts"
import * as Step from "./Step.ts"
import * as Version from "./Version.ts"

/**
 * What a migration can end with.
 *
 * @since 0.1.0
 * @category models
 */
export type MigrationError = Step.StepError | NotSetUp | Downgrade | InvalidBookkeeping | UnknownVersion

/**
 * What every command takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly source: SchemaSource.SchemaSource
  /** The version to end at. Default: the latest of the schema. */
  readonly version?: Version.Version | undefined
  /** The name that the version is recorded under. Default: `postgres`, as the earlier tool always wrote it. */
  readonly database?: string | undefined
  /** Called with each event as it happens. Default: nothing. */
  readonly onEvent?: ((event: Event) => Effect.Effect<void>) | undefined
}

/**
 * How a schema is set up.
 *
 * @since 0.1.0
 * @category models
 */
export interface SetupOptions extends Options {
  /** Whether the version is recorded. Default: true. */
  readonly versioning?: boolean | undefined
  /** Drops the tables that the schema creates, with all their rows, before anything else. Default: false. */
  readonly overwrite?: boolean | undefined
}

/**
 * What a run did. It is also the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  /** The name of the schema: a built-in one, or a path. */
  readonly schema: string
  /** The name that the version is recorded under. */
  readonly database: string
  /** The version before; null where none was recorded. */
  readonly from: Version.Version | null
  /** The version after; null where none is recorded. */
  readonly to: Version.Version | null
  /** Whether the run changed the database. */
  readonly changed: boolean
  /** Statements that ran. */
  readonly applied: number
  /** Statements that did not run, because the catalogue shows that they had. */
  readonly present: number
  /** Tables that were dropped by `overwrite`, before they were created again. */
  readonly dropped: ReadonlyArray<string>
}

/**
 * A table that `overwrite` would drop.
 *
 * @since 0.1.0
 * @category models
 */
export interface Owned {
  readonly table: string
  readonly hasRows: boolean
}

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
    /** Compares what is recorded with a schema. Writes nothing. */
    readonly status: (options: Omit<Options, "version" | "onEvent">) => Effect.Effect<Status.Status, MigrationError>
    /** The tables that `setup` with `overwrite` would drop: those of the schema that are there. */
    readonly owned: (source: SchemaSource.SchemaSource) => Effect.Effect<ReadonlyArray<Owned>, MigrationError>
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
      owned: Effect.fn("Migrator.owned")((source) => connected(owned(source)))
    })
  })
)

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

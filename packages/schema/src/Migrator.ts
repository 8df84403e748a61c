/**
 * Brings a database to a version of a schema.
 *
 * Each statement is a transaction of its own, as Aurora DSQL demands, and what
 * has run is recognised in the catalogue. So a run that failed or was killed is
 * resumed by running it again, and a run too many changes nothing.
 *
 * @since 0.1.0
 * @stability stable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { History } from "./History.ts"
import * as Books from "./internal/books/books.ts"
import * as Baseline from "./internal/run/baseline.ts"
import { setup, update } from "./internal/run/migrate.ts"
import * as Owned from "./internal/run/owned.ts"
import { make } from "./internal/run/plan.ts"
import * as Repairing from "./internal/run/repair.ts"
import { databaseOf } from "./internal/run/run.ts"
import * as Standing from "./internal/run/status.ts"
import type { BaselineOptions, Options, OwnedTable, Report, SetupOptions } from "./Migration.ts"
import type { MigrationError } from "./MigrationError.ts"
import * as Outline from "./Outline.ts"
import type { Plan } from "./Plan.ts"
import type * as Repair from "./Repair.ts"
import type { SchemaSource } from "./SchemaSource.ts"
import type { Status } from "./Status.ts"

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
    /**
     * Compares what is recorded with a schema's manifests; an `Outline` is enough, and a `SchemaSource` is told more
     * surely from another one that has the same version numbers. Writes nothing.
     */
    readonly status: (options: {
      readonly source: Outline.Outline
      readonly database?: string | undefined
    }) => Effect.Effect<Status, MigrationError>
    /** What `update`, or `setup` where no version is recorded, would do. Reads in one READ ONLY transaction. */
    readonly plan: (options: Pick<Options, "source" | "version" | "database">) => Effect.Effect<Plan, MigrationError>
    /**
     * Records that a database is at a version, without running it: one that the earlier tool set up, so that its
     * files are watched for changes from now on, or one that was made by hand. Fails where another version is recorded.
     */
    readonly baseline: <E>(options: BaselineOptions<E>) => Effect.Effect<Report, MigrationError | E>
    /** Finds invalid indexes, changed files and the lease of a dead migrator, and repairs what it is asked to. */
    readonly repair: (options: Repair.Options) => Effect.Effect<Repair.Repair, MigrationError>
    /** Everything that has run. Writes nothing. */
    readonly history: (options?: { readonly database?: string | undefined }) => Effect.Effect<History, MigrationError>
    /** The tables that `setup` with `overwrite` would drop: those of the schema that are there. */
    readonly owned: (
      source: SchemaSource,
      database?: string
    ) => Effect.Effect<ReadonlyArray<OwnedTable>, MigrationError>
  }
>()("@effect-dsql/schema/Migrator") {}

/**
 * A migrator on the client that is there.
 *
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
      status: Effect.fn("Migrator.status")((options) => connected(Standing.read(options.source, databaseOf(options)))),
      plan: Effect.fn("Migrator.plan")((options) => connected(make(options))),
      baseline: Effect.fn("Migrator.baseline")((options) => connected(Baseline.run(options))),
      repair: Effect.fn("Migrator.repair")((options) => connected(Repairing.run(options))),
      history: Effect.fn("Migrator.history")(({ database = Outline.recordedUnder(Outline.builtInNames[0]) } = {}) =>
        connected(Books.history(database))
      ),
      owned: Effect.fn("Migrator.owned")((source, database) =>
        connected(
          Effect.gen(function* () {
            const books = yield* Books.read(databaseOf({ database, source }))
            const found = yield* Owned.find(Owned.names(source, books))
            return found.map(({ hasRows, table }) => ({ hasRows, table }))
          })
        )
      )
    })
  })
)

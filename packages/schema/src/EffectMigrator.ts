/**
 * Migrations of Effect's own `Migrator`, run by this package's: its `Loader`, its ledger, and the names that it returns.
 *
 * Effect's migrator runs all pending migrations in one transaction under LOCK TABLE, which Aurora DSQL refuses for a
 * single CREATE TABLE. Here each statement of a migration is a transaction of its own, written down in the journal
 * before it runs and after, under the lease: a run that was killed is resumed where it stopped, and several processes
 * that start at once run each statement once.
 *
 * For that a migration has to be known before it runs, so its Effect is run on a client that sends nothing and writes
 * down what it is asked to send. It is run so at each start, whether it is pending or not, and twice: a migration that has
 * changed since it ran is found, so is one whose statements are others each time, and one that does something besides
 * its statements does it each time. Refused, before anything runs, are statements that are answered with rows, because
 * no rows are there yet; values that a migration draws, such as `randomUUID()` and `new Date()`; a transaction or a
 * connection of the migration's own; and what Aurora DSQL would refuse.
 *
 * The ledger (`effect_sql_migrations`) is a table as Effect's migrator makes it, so that one can read what this one has
 * run. A database that Effect's migrator has migrated is adopted: what its ledger has is taken for run. From then on this
 * one is to be used alone: what the other one runs later is refused as somebody else's.
 *
 * @since 0.2.0
 * @stability unstable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as EffectSql from "effect/sql/Migrator"
import * as Adoption from "./internal/loader/adoption.ts"
import * as Ledger from "./internal/loader/ledger.ts"
import * as Loading from "./internal/loader/loading.ts"
import type { LeaseOptions } from "./Migration.ts"
import type { MigrationError } from "./MigrationError.ts"
import * as Migrator from "./Migrator.ts"
import type * as SchemaSource from "./SchemaSource.ts"
import type { SourceError } from "./SourceError.ts"
import * as Version from "./Version.ts"

/**
 * What is run, and how.
 *
 * @since 0.2.0
 * @category models
 */
export interface Options<R = never> {
  /** `Migrator.fromGlob`, `fromRecord`, `MigratorFileSystem.fromFileSystem`, or one of your own. */
  readonly loader: EffectSql.Loader<R>
  /** The ledger; also the name that the journal and the lease know these migrations by. Default: `effect_sql_migrations`. */
  readonly table?: string | undefined
  readonly lease?: LeaseOptions | undefined
}

/**
 * What a run can end with.
 *
 * @since 0.2.0
 * @category models
 */
export type Failure = EffectSql.MigrationError | SourceError | MigrationError | TransactionError

/**
 * The migrations as a schema, a version for each by its id, for the rest of this package: `Migrator`'s `plan`, `status`
 * and `repair`, `Verify`. Each version ends with its row in the ledger, which version 0.1 creates.
 *
 * @since 0.2.0
 * @category constructors
 */
export const source = <R = never>(
  options: Pick<Options<R>, "loader" | "table">
): Effect.Effect<SchemaSource.SchemaSource, EffectSql.MigrationError | SourceError, R> =>
  Loading.source(options.loader, options.table ?? Ledger.defaultName)

/**
 * Runs the pending migrations, and gives their ids and names, as Effect's migrator does.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { EffectMigrator } from "@effect-dsql/schema"
 * import { Effect } from "effect"
 * import { Migrator, SqlClient } from "effect/sql"
 *
 * const loader = Migrator.fromRecord({
 *   "0001_accounts": SqlClient.SqlClient.use((sql) =>
 *     Effect.asVoid(sql`CREATE TABLE accounts (id uuid PRIMARY KEY, owner text NOT NULL)`)
 *   ),
 *   "0002_accounts_by_owner": SqlClient.SqlClient.use((sql) =>
 *     Effect.asVoid(sql`CREATE INDEX ASYNC accounts_by_owner ON accounts (owner)`)
 *   )
 * })
 *
 * const program = EffectMigrator.run({ loader }).pipe(Effect.provide(DsqlClient.layerConfig()))
 * ```
 *
 * @since 0.2.0
 * @category execution
 */
export const run = <R = never>(
  options: Options<R>
): Effect.Effect<ReadonlyArray<readonly [id: number, name: string]>, Failure, DsqlClient | R> =>
  Effect.gen(function* () {
    const { table = Ledger.defaultName } = options
    const schema = yield* source(options)
    const migrator = yield* Effect.provide(Migrator.Migrator, Migrator.layer)
    const each = { source: schema, database: table, lease: options.lease }
    yield* Adoption.adopt(each, table)
    const { from, to } = yield* migrator.setup(each)
    const isNew = ({ version }: SchemaSource.SchemaVersion) =>
      (from === null || Version.isAfter(version, from)) && to !== null && !Version.isAfter(version, to)
    return schema.versions
      .filter((version) => version.version !== Ledger.version && isNew(version))
      .map(({ description, version }) => [Number(version), description] as const)
  })

/**
 * Runs the pending migrations when the layer is built.
 *
 * @since 0.2.0
 * @category layers
 */
export const layer = <R = never>(options: Options<R>): Layer.Layer<never, Failure, DsqlClient | R> =>
  Layer.effectDiscard(run(options))

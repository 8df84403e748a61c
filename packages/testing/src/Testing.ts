/**
 * A test file's own Aurora DSQL: an emulator, a fresh database in it that is
 * migrated already, and a `DsqlClient`.
 *
 * The emulator belongs to the file, so faults, time and counts disturb nobody
 * else; the PostgreSQL beneath it is the run's (`@effect-dsql/testing/GlobalSetup`),
 * or started for the file where there is none.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as DsqlClient from "@effect-dsql/core/DsqlClient"
import type { DsqlError } from "@effect-dsql/core/DsqlError"
import * as Emulator from "@effect-dsql/emulator/Emulator"
import type { PostgresError } from "@effect-dsql/emulator/Postgres"
import type { MigrationError } from "@effect-dsql/schema/MigrationError"
import type { SourceError } from "@effect-dsql/schema/SourceError"
import type { SchemaSource } from "@effect-dsql/schema/SchemaSource"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { Path } from "effect/Path"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { randomUUID } from "node:crypto"
import * as Server from "./Server.ts"
import * as Template from "./Template.ts"

/**
 * Asks the file's emulator for faults, time and counts.
 *
 * @since 0.1.0
 * @category services
 */
export class Control extends Context.Service<Control, Emulator.Emulator["control"]>()(
  "@effect-dsql/testing/Testing/Control"
) {}

/**
 * What a test file gets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The schema to set up: `SchemaSource.builtIn()`, `SchemaSource.directory(path)`, …; or several that have names of
   * their own, such as `Effect.all([SchemaSource.builtIn(), SchemaSource.builtIn("dsql/storage")])`. Left out: an empty
   * database.
   */
  readonly source?:
    | Effect.Effect<SchemaSource | ReadonlyArray<SchemaSource>, SourceError, FileSystem | Path>
    | undefined
  /** How the client connects. */
  readonly client?: DsqlClient.PoolOptions | undefined
  /** How the emulator runs; a job takes 20 milliseconds unless this says otherwise. */
  readonly emulator?: Omit<Emulator.Options, "postgres" | "dataDirectory"> | undefined
}

/**
 * Why there is no database: the server, the schema, or its statements.
 *
 * @since 0.1.0
 * @category errors
 */
export type TestingError = PostgresError | Emulator.EmulatorError | SourceError | MigrationError | DsqlError | SqlError

/**
 * A database that exists for as long as the scope is open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Omit<Options, "client"> = {}
): Effect.Effect<
  { readonly url: Redacted.Redacted; readonly control: Emulator.Emulator["control"] },
  TestingError,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const server = yield* Server.make
    const emulator = yield* Emulator.make({ jobDelay: "20 millis", ...options.emulator, postgres: server })
    const template =
      options.source === undefined
        ? undefined
        : yield* Effect.flatMap(options.source, (source) =>
            Template.make(server, emulator, Arr.ensure<SchemaSource>(source))
          )
    const name = `test_${randomUUID().replaceAll("-", "")}`
    yield* Effect.acquireRelease(emulator.createDatabase(name, template), () =>
      Effect.orDie(emulator.dropDatabase(name))
    )
    return { url: emulator.url(name), control: emulator.control }
  }).pipe(
    // The emulator's time is real, whatever the test's is.
    Effect.provideService(Clock.Clock, Clock.Clock.defaultValue()),
    Effect.provide(NodeServices.layer)
  )

/**
 * A client on a database of the file's own.
 *
 * @example
 * ```ts
 * import { Transaction } from "@effect-dsql/core"
 * import { SchemaSource } from "@effect-dsql/schema"
 * import { Testing } from "@effect-dsql/testing"
 * import { layer } from "@effect/vitest"
 * import { Effect } from "effect"
 *
 * layer(Testing.layer({ source: SchemaSource.builtIn() }), { excludeTestServices: true })("shards", (it) => {
 *   it.effect("begin at none", () =>
 *     Transaction.autocommit(Effect.flatMap(Transaction.sql, (sql) => sql`SELECT * FROM shards`)))
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<DsqlClient.Provided | Control, TestingError> =>
  Layer.unwrap(
    Effect.map(make(options), ({ control, url }) =>
      Layer.merge(DsqlClient.layerUrl({ ...options.client, url }), Layer.succeed(Control, control))
    )
  )

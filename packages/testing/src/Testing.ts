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
import * as Watch from "@effect-dsql/emulator/Watch"
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
  /** How the emulator runs; a job takes 20 milliseconds, and it watches, unless this says otherwise. */
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
    // Reading a schema keeps this process busy, starting a server another one.
    const [server, source] = yield* Effect.all([Server.make, options.source ?? noSource], { concurrency: 2 })
    const starting = Emulator.make({ jobDelay: "20 millis", watch: true, ...options.emulator, postgres: server })
    const copied = Template.make(server, Arr.ensure<SchemaSource>(source))
    const [emulator, template] = yield* Effect.all([starting, copied], { concurrency: 2 })
    const watched = { control: emulator.control, told: 0 }
    yield* Effect.acquireRelease(
      Effect.sync(() => open.add(watched)),
      () => Effect.sync(() => open.delete(watched))
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

/** An empty database is copied, too: what the emulator adds to a new one takes longer than a copy of it. */
const noSource = Effect.succeed<ReadonlyArray<SchemaSource>>([])

/** The emulators that are open in this process, with the last transaction of which it was told that it lost. */
const open = new Set<{ readonly control: Emulator.Emulator["control"]; told: number }>()

/**
 * What the transactions of the file's emulator cost at least, in DPU, since `control.reset`; of one label or of all.
 *
 * @example
 * ```ts
 * import { Transaction } from "@effect-dsql/core"
 * import { Testing } from "@effect-dsql/testing"
 * import { Effect } from "effect"
 *
 * const cheap = Effect.gen(function* () {
 *   const control = yield* Testing.Control
 *   yield* control.reset
 *   yield* Transaction.run(Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE orders SET paid = true WHERE id = 1`))
 *   const { read, write } = yield* Testing.cost()
 *   if (read + write > 0.06) yield* Effect.die("more than a row is written")
 * })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const cost = (label?: string): Effect.Effect<Watch.Cost, never, Control> =>
  Effect.flatMap(Control, (control) =>
    Effect.flatMap(control.counts(label), ({ cost }) =>
      cost === undefined ? Effect.die("the emulator does not watch: leave out `watch: false`") : Effect.succeed(cost)
    )
  )

/**
 * What of a test's end is looked at: the errors that Vitest gives an `afterEach`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ended {
  readonly task: {
    readonly result?:
      | { readonly errors?: ReadonlyArray<{ readonly name?: string; readonly message?: string }> | undefined }
      | undefined
  }
}

/**
 * Prints who met whom, on which row and with which statements, when a test fails with `ConflictRetriesExhausted`.
 * Called once, in a test file or in a file of Vitest's `setupFiles`, with the runner's `afterEach`.
 *
 * @example
 * ```ts
 * import { Testing } from "@effect-dsql/testing"
 * import { afterEach } from "vitest"
 *
 * Testing.printConflicts(afterEach)
 * ```
 *
 * @since 0.1.0
 * @category output
 */
export const printConflicts = (
  afterEach: (hook: (ended: Ended) => Promise<void>) => void,
  print: (text: string) => void = (text) => void process.stderr.write(text)
): void =>
  afterEach(({ task }) => {
    const isExhausted = task.result?.errors?.some(({ name }) => name?.endsWith("ConflictRetriesExhausted")) === true
    const telling = Effect.forEach(
      open,
      (each) =>
        Effect.map(each.control.conflicts(), (conflicts) => {
          const fresh = conflicts.filter(({ transaction }) => transaction > each.told)
          each.told = conflicts.at(-1)?.transaction ?? each.told
          if (isExhausted && fresh.length > 0) print(textOf(fresh))
        }),
      { discard: true }
    )
    return Effect.runPromise(telling)
  })

const textOf = (conflicts: ReadonlyArray<Watch.Conflict>): string => {
  const lines = conflicts.slice(-shown).map((each) => `  ${Watch.nameText(each)} lost ${Watch.conflictText(each)}\n`)
  const more = conflicts.length > shown ? `  and ${conflicts.length - shown} before\n` : ""
  return `who met whom:\n${lines.join("")}${more}`
}

/** Conflicts that are printed of one test. */
const shown = 20

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

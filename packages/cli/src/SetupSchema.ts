/**
 * `setup-schema`: creates a schema on a database that has none.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { OwnedTable } from "@effect-dsql/schema/Migration"
import { Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { confirm } from "./internal/confirm.ts"
import * as Connection from "./Connection.ts"
import { InvalidUsage } from "./Failure.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"

const flags = {
  ...Migrating.versionFlag("Version to set up; 0.0 for the bookkeeping alone [default: the latest]"),
  schemaFile: Flag.String("schema-file").pipe(
    Flag.withAlias("f"),
    Flag.withMetavar("path"),
    Flag.withDescription("SQL file to run in place of a built-in schema; needs --version"),
    Flag.optional
  ),
  ...Migrating.schemaFlags,
  disableVersioning: Flag.Boolean("disable-versioning").pipe(
    Flag.withAlias("d"),
    Flag.withDescription("Record no version, and create no bookkeeping tables"),
    Flag.withDefault(false)
  ),
  overwrite: Flag.Boolean("overwrite").pipe(
    Flag.withAlias("o"),
    Flag.withDescription("Drop the schema's own tables first, with all their rows; asks before it does"),
    Flag.withDefault(false)
  ),
  ...Migrating.yesFlag("--overwrite"),
  ...Migrating.waitFlag
}

/**
 * Prints a `Json.Report`.
 *
 * @since 0.1.0
 * @category commands
 */
export const setupSchema = Command.make(
  "setup-schema",
  flags,
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    yield* checked(input)
    const version = yield* Migrating.version(input.version)
    const settings = yield* Connection.settings(shared)
    const { database, source } = yield* Option.isSome(input.schemaFile)
      ? Migrating.fileOf(input.schemaFile.value, version, shared)
      : Migrating.sourceOf(input, shared)
    const report = yield* Migrating.running(shared, settings, (migrator, onEvent) =>
      Effect.gen(function* () {
        if (input.overwrite && !input.yes) {
          const owned = yield* migrator.owned(source, database)
          if (owned.length > 0) yield* confirm(shared.format, "--overwrite", loss(owned))
        }
        return yield* migrator.setup({
          source,
          version,
          database,
          versioning: !input.disableVersioning,
          overwrite: input.overwrite,
          lease: { wait: input.wait },
          onEvent
        })
      })
    )
    yield* Migrating.report(shared, source, report)
  })
).pipe(
  Command.withAlias("setup"),
  Command.withDescription("Create a schema and record its version; what is there already is left alone"),
  Command.withExamples([
    {
      command: "effect-dsql setup-schema --endpoint abc.dsql.us-east-1.on.aws",
      description: "Set up the built-in schema on a cluster"
    },
    {
      command: "effect-dsql setup-schema --endpoint abc.dsql.us-east-1.on.aws --version 1.0",
      description: "Set up an earlier version, to be updated later"
    },
    {
      command: "effect-dsql setup-schema --endpoint abc.dsql.us-east-1.on.aws --schema-dir ./schema",
      description: "Set up a schema of your own"
    },
    {
      command: "SQL_PASSWORD=… effect-dsql setup-schema -ep localhost -u postgres -db temporal",
      description: "Set it up on a local PostgreSQL server"
    },
    {
      command: "effect-dsql setup-schema --overwrite --yes",
      description: "Start over: drop the schema's tables with all their rows, and create them again"
    }
  ])
)

interface Input extends Migrating.Named {
  readonly version: Option.Option<string>
  readonly schemaFile: Option.Option<string>
  readonly disableVersioning: boolean
}

const invalid = (message: string) => Effect.fail(new InvalidUsage({ message }))

/** Refuses flags that contradict each other. */
const checked = (input: Input): Effect.Effect<void, InvalidUsage> => {
  for (const [flag, given] of [
    ["--schema-dir", input.schemaDir],
    ["--schema-name", input.schemaName]
  ] as const) {
    if (Option.isSome(input.schemaFile) && Option.isSome(given)) {
      return invalid(`--schema-file and ${flag} exclude each other: give one`)
    }
  }
  if (Option.isSome(input.version) && input.disableVersioning) {
    return invalid("--version and --disable-versioning exclude each other: give one")
  }
  if (Option.isSome(input.schemaFile) && Option.isNone(input.version) && !input.disableVersioning) {
    return invalid("--schema-file needs --version, the version to record, or --disable-versioning")
  }
  return Effect.void
}

/** What `--overwrite` does, for the question before it. */
const loss = (owned: ReadonlyArray<OwnedTable>): string => {
  const holding = owned.flatMap(({ hasRows, table }) => (hasRows ? [table] : []))
  return `drop ${Output.counted(owned.length, "table")}, ${
    holding.length === 0 ? "all empty" : `of which these hold rows: ${holding.join(", ")}`
  }`
}

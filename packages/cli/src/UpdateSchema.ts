/**
 * `update-schema`: brings a schema to a later version.
 *
 * @since 0.1.0
 */
import { Command, Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidUsage } from "./Failure.ts"
import * as Connection from "./Connection.ts"
import * as Migrating from "./Migrating.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"

/**
 * Where the versions are, for the commands that compare a database with them.
 *
 * @since 0.1.0
 * @category flags
 */
export const sourceFlags = {
  schemaDir: Flag.String("schema-dir").pipe(
    Flag.withAlias("d"),
    Flag.withMetavar("path"),
    Flag.withDescription("Directory with a directory per version (v1.0, v1.1), or with them below versioned/"),
    Flag.optional
  ),
  schemaName: Flag.String("schema-name").pipe(
    Flag.withAlias("s"),
    Flag.withMetavar("name"),
    Flag.withDescription("Built-in schema [default: dsql/temporal]"),
    Flag.optional
  )
}

/**
 * Reads the schema that these flags name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const sourceOf = Effect.fnUntraced(function* (input: {
  readonly schemaDir: Option.Option<string>
  readonly schemaName: Option.Option<string>
}) {
  const { schemaDir, schemaName } = input
  if (Option.isSome(schemaDir) && Option.isSome(schemaName)) {
    return yield* new InvalidUsage({ message: "--schema-dir and --schema-name exclude each other: give one" })
  }
  return yield* Migrating.source((sources) =>
    Option.isSome(schemaDir) ? sources.directory(schemaDir.value) : sources.builtIn(Option.getOrUndefined(schemaName))
  )
})

/**
 * Prints a `Report` of `@effect-dsql/schema/Migrator`.
 *
 * @since 0.1.0
 * @category commands
 */
export const updateSchema = Command.make(
  "update-schema",
  {
    version: Flag.String("version").pipe(
      Flag.withAlias("v"),
      Flag.withMetavar("version"),
      Flag.withDescription("Version to end at [default: the latest]"),
      Flag.optional
    ),
    ...sourceFlags
  },
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    const version = yield* Migrating.version(input.version)
    const settings = yield* Connection.settings(shared)
    const source = yield* sourceOf(input)
    const report = yield* Migrating.migrate(settings, (migrator) =>
      migrator.update({ source, version, database: shared.dbName, onEvent: Output.progress(shared) })
    )
    yield* Output.report(shared, report)
  })
).pipe(
  Command.withAlias("update"),
  Command.withDescription("Run the versions after the recorded one; run it again after a failure, it goes on"),
  Command.withExamples([
    {
      command: "effect-dsql update-schema --endpoint abc.dsql.us-east-1.on.aws",
      description: "Update the built-in schema to its latest version"
    },
    {
      command: "effect-dsql update-schema -ep localhost --schema-dir ./schema/versioned --version 2.3",
      description: "Update a schema of your own, up to a version"
    }
  ])
)

/**
 * `update-schema`: brings a schema to a later version.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Connection from "./Connection.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Root from "./Root.ts"

/**
 * Prints a `Json.Report`.
 *
 * @since 0.1.0
 * @category commands
 */
export const updateSchema = Command.make(
  "update-schema",
  {
    ...Migrating.versionFlag("Version to end at [default: the latest]"),
    ...Migrating.waitFlag,
    ...Migrating.sourceFlags
  },
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    const version = yield* Migrating.version(input.version)
    const settings = yield* Connection.settings(shared)
    const { database, source } = yield* Migrating.sourceOf(input, shared)
    const report = yield* Migrating.running(shared, settings, (migrator, onEvent) =>
      migrator.update({ source, version, database, lease: { wait: input.wait }, onEvent })
    )
    yield* Migrating.report(shared, source, report)
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

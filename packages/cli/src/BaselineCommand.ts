/**
 * `baseline`: adopts a database that something else set up.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Connection from "./Connection.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Progress from "./Progress.ts"
import * as Root from "./Root.ts"

/**
 * Verifies, then records; prints a `Json.Report`.
 *
 * @since 0.1.0
 * @category commands
 */
export const baseline = Command.make(
  "baseline",
  {
    ...Migrating.versionFlag("Version that the database is at [default: the latest]"),
    ...Migrating.waitFlag,
    ...Migrating.sourceFlags
  },
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    const version = yield* Migrating.version(input.version)
    const settings = yield* Connection.settings(shared)
    const { database, source } = yield* Migrating.sourceOf(input, shared)
    const { latest } = yield* Effect.promise(() => import("@effect-dsql/schema/SchemaSource"))
    const { ensure } = yield* Effect.promise(() => import("@effect-dsql/schema/Verify"))
    const onEvent = yield* Progress.onStandardError(shared)
    const report = yield* Migrating.migrate(settings, (migrator) =>
      migrator.baseline({
        source,
        version,
        database,
        lease: { wait: input.wait },
        onEvent,
        verify: ensure(source, version ?? latest(source).version)
      })
    )
    yield* Migrating.report(shared, source, report)
  })
).pipe(
  Command.withDescription(`Record that a database is at a version, without running it: one that the earlier tool set up, or that was made by
  hand. It is verified first; where anything differs, nothing is written.`),
  Command.withShortDescription("Adopt a database that something else set up, verified first"),
  Command.withExamples([
    {
      command: "effect-dsql baseline --version 1.0 --endpoint abc.dsql.us-east-1.on.aws",
      description: "Adopt a cluster that the earlier tool set up at 1.0"
    }
  ])
)

/**
 * `status`: where a database stands against a schema.
 *
 * @since 0.1.0
 */
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import { ExitCode } from "./ExitCode.ts"
import * as Connection from "./Connection.ts"
import * as Migrating from "./Migrating.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"
import * as Stop from "./Stop.ts"
import { sourceFlags, sourceOf } from "./UpdateSchema.ts"

/**
 * Prints a `Status` of `@effect-dsql/schema/Status`, and ends with 4 where a
 * program that expects the schema's latest version cannot work with the database.
 *
 * @since 0.1.0
 * @category commands
 */
export const status = Command.make(
  "status",
  sourceFlags,
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    const settings = yield* Connection.settings(shared)
    const source = yield* sourceOf(input)
    const found = yield* Migrating.migrate(settings, (migrator) => migrator.status({ source, database: shared.dbName }))
    yield* Output.status(shared, found)
    if (!found.compatible) return yield* new Stop.Stop({ exitCode: ExitCode.incompatible })
  })
).pipe(
  Command.withDescription("Compare the recorded version with the schema's; ends with 4 where they do not fit"),
  Command.withExamples([
    { command: "effect-dsql status --endpoint abc.dsql.us-east-1.on.aws", description: "Is the cluster up to date?" },
    {
      command: "effect-dsql status --format json",
      description: "The same for a script; host and role from the environment"
    }
  ])
)

/**
 * `status`: where a database stands against a schema.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command } from "effect/cli"
import type { Status } from "@effect-dsql/schema/Status"
import * as Effect from "effect/Effect"
import * as Connection from "./Connection.ts"
import { ExitCode } from "./ExitCode.ts"
import * as Json from "./Json.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Root from "./Root.ts"
import * as Stop from "./Stop.ts"

/**
 * Prints a `Json.Status`, and ends with 4 where a program that expects the
 * schema's latest version cannot work with the database.
 *
 * @since 0.1.0
 * @category commands
 */
export const status = Command.make(
  "status",
  Migrating.sourceFlags,
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    const settings = yield* Connection.settings(shared)
    const { database, source } = yield* Migrating.sourceOf(input, shared)
    const found = yield* Migrating.migrate(settings, (migrator) => migrator.status({ source, database }))
    const { command } = yield* Effect.promise(() => import("@effect-dsql/schema/Status"))
    yield* Output.print(shared, Json.Status, found, (paint) => text(found, command(found), paint))
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

const text = (value: Status, command: string | undefined, paint: Output.Paint): string =>
  Output.aligned([
    ["schema", value.schema],
    ["expected", value.expected],
    ["current", value.current ?? "none recorded"],
    ["works from", value.minCompatible ?? "-"],
    ["compatible", value.compatible ? paint("good", "yes") : paint("bad", "no")],
    ["state", `${value.state}${advice(value, command)}`]
  ])

const advice = ({ begun, state }: Status, command: string | undefined): string => {
  switch (state) {
    case "not-set-up":
    case "half-set-up":
    case "behind":
      return begun === null
        ? `: run ${command}`
        : `: ${Progress.came(begun)} on the way to ${begun.version}, run ${command} to go on`
    case "current":
      return ""
    case "ahead":
      return ": later than this schema, and works with it"
    case "incompatible":
      return ": later than this schema, use a tool that knows it"
  }
}

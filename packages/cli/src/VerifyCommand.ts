/**
 * `verify`: whether a database is what its version says.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Connection from "./Connection.ts"
import { ExitCode } from "./ExitCode.ts"
import * as Json from "./Json.ts"
import * as Migrating from "./internal/migrating.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"
import * as Stop from "./Stop.ts"

/**
 * Prints a `Json.Verification`, as text one line per difference, and ends with 1
 * where there are any.
 *
 * @since 0.1.0
 * @category commands
 */
export const verify = Command.make(
  "verify",
  { ...Migrating.versionFlag("Version to compare with [default: the recorded one]"), ...Migrating.sourceFlags },
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    const version = yield* Migrating.version(input.version)
    const settings = yield* Connection.settings(shared)
    const { database, source } = yield* Migrating.sourceOf(input, shared)
    const Verify = yield* Effect.promise(() => import("@effect-dsql/schema/Verify"))
    const { line } = yield* Effect.promise(() => import("@effect-dsql/schema/Difference"))
    const found = yield* Connection.run(settings, Verify.verify({ source, version, database }))
    const { differences } = found
    yield* Output.print(shared, Json.Verification, found, (paint) => {
      const place = `${found.schema} ${found.version}`
      return differences.length === 0
        ? `${place}: ${paint("good", "no differences")}`
        : [
            ...differences.map(line),
            `${place}: ${paint("bad", Output.counted(differences.length, "difference"))}`
          ].join("\n")
    })
    if (differences.length > 0) return yield* new Stop.Stop({ exitCode: ExitCode.failed })
  })
).pipe(
  Command.withDescription(`Compare the catalogue with the version: tables, columns, types, nullability, defaults, keys, constraints, indexes
  and whether they are valid. One line per difference; ends with 1 where there are any. Writes nothing.`),
  Command.withShortDescription("Compare the catalogue with the version, column by column; writes nothing"),
  Command.withExamples([
    {
      command: "effect-dsql verify --endpoint abc.dsql.us-east-1.on.aws",
      description: "Is everything there, as its version says?"
    },
    {
      command: "effect-dsql verify --version 1.0 --format json",
      description: "Compare with a version, whatever is recorded"
    }
  ])
)

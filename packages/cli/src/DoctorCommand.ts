/**
 * `doctor`: why a database cannot be worked with, or that it can.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Connection from "./Connection.ts"
import { ExitCode } from "./ExitCode.ts"
import * as Json from "./Json.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"
import * as Stop from "./Stop.ts"

type Diagnosis = typeof Json.Diagnosis.Type

/**
 * Prints a `Json.Diagnosis`, as text one line per check. It ends with 3 where
 * there is no connection to be had, and with 1 where anything else is wrong.
 *
 * @since 0.1.0
 * @category commands
 */
export const doctor = Command.make(
  "doctor",
  {},
  Effect.fnUntraced(function* () {
    const shared = yield* Root.shared
    const settings = yield* Connection.settings(shared)
    const { diagnose } = yield* Effect.promise(() => import("./Doctor.ts"))
    const found = yield* diagnose(settings)
    yield* Output.print(shared, Json.Diagnosis, found, (paint) => text(found, paint))
    const failed = found.checks.some(({ result }) => result === "failed")
    // The last check is skipped where there was no connection to ask it on.
    const connected = found.checks.at(-1)?.result !== "skipped"
    if (failed) return yield* new Stop.Stop({ exitCode: connected ? ExitCode.failed : ExitCode.connection })
  })
).pipe(
  Command.withDescription(`Ask everything that can be asked about a connection: token, network, TLS, role, version, clock, the form of
  guarded writes, limits. One line each: ok, failed and what to do, or skipped. Writes nothing.`),
  Command.withShortDescription(
    "Check token, network, TLS, role, version, clock, guarded writes and limits; writes nothing"
  ),
  Command.withExamples([
    {
      command: "effect-dsql doctor --endpoint abc.dsql.us-east-1.on.aws",
      description: "Why can I not connect?"
    }
  ])
)

const colours = { ok: "good", failed: "bad", skipped: "attention" } as const

const text = ({ checks }: Diagnosis, paint: Output.Paint): string =>
  Output.aligned(
    checks.map(({ advice, check, found, result }) => [
      paint(colours[result], result.padEnd(7)),
      check,
      advice === null ? found : `${found}: ${advice}`
    ])
  )

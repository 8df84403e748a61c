/**
 * `doctor`: why a database cannot be worked with, or that it can; or how a running process works with it.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command, Flag } from "effect/cli"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "./Connection.ts"
import { ExitCode } from "./ExitCode.ts"
import { InvalidUsage } from "./Failure.ts"
import * as Json from "./Json.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"
import * as Stop from "./Stop.ts"

type Diagnosis = typeof Json.Diagnosis.Type

/**
 * Prints a `Json.Diagnosis`, as text one line per check. It ends with 3 where
 * there is no connection to be had, and with 1 where anything else is wrong.
 * With `--metrics` it asks a running process, by the metrics that it serves.
 *
 * @since 0.1.0
 * @category commands
 */
export const doctor = Command.make(
  "doctor",
  {
    metrics: Flag.String("metrics").pipe(
      Flag.withMetavar("url"),
      Flag.withDescription(
        "Ask a running process instead, by the metrics that it serves for Prometheus at this address"
      ),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ metrics }) {
    const shared = yield* Root.shared
    if (Option.isSome(metrics)) return yield* running(shared, yield* Root.root, metrics.value)
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
  guarded writes, limits. One line each: ok, failed and what to do, or skipped. Writes nothing.

  With --metrics, ask a running process instead: attempts for each commit, conflicts by the tables of keys, waits for
  keys and connections, retries, unknown outcomes, tokens, the budget, an Effect Cluster. Counters are since it began.`),
  Command.withShortDescription(
    "Check token, network, TLS, role, version, clock, guarded writes and limits; writes nothing"
  ),
  Command.withExamples([
    {
      command: "effect-dsql doctor --endpoint abc.dsql.us-east-1.on.aws",
      description: "Why can I not connect?"
    },
    {
      command: "effect-dsql doctor --metrics http://127.0.0.1:9464/metrics",
      description: "How does this process fare?"
    }
  ])
)

/** Says how a running process fares. */
const running = Effect.fnUntraced(function* (
  shared: Effect.Success<typeof Root.shared>,
  given: Connection.Given,
  address: string
) {
  yield* Connection.connectsToNothing(given, "doctor --metrics")
  // Loaded now: nothing else speaks HTTP.
  const { addressOf, scrape } = yield* Effect.promise(() => import("./internal/running/scrape.ts"))
  const { diagnose } = yield* Effect.promise(() => import("./internal/running/diagnose.ts"))
  const url = yield* addressOf(address)
  const samples = yield* scrape(url)
  if (!samples.some(({ name }) => name.startsWith("dsql_"))) {
    return yield* new InvalidUsage({
      message: `${url.href} shows no metrics of effect-dsql: serve those of the process that has the client, see docs/metrics.md`
    })
  }
  const found = { target: url.href, checks: diagnose(samples, yield* Clock.currentTimeMillis) }
  yield* Output.print(shared, Json.Diagnosis, found, (paint) => text(found, paint))
  if (found.checks.some(({ result }) => result === "failed")) {
    return yield* new Stop.Stop({ exitCode: ExitCode.failed })
  }
})

const colours = { ok: "good", failed: "bad", skipped: "attention" } as const

const text = ({ checks }: Diagnosis, paint: Output.Paint): string =>
  Output.aligned(
    checks.map(({ advice, check, found, result }) => [
      paint(colours[result], result.padEnd(7)),
      check,
      Output.plain(advice === null ? found : `${found}: ${advice}`)
    ])
  )

/**
 * The command line as a whole: arguments in, output and an exit code out.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Cause from "effect/Cause"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag, TerminalCapabilities } from "effect/cli"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Arguments from "./Arguments.ts"
import { baseline } from "./BaselineCommand.ts"
import { cluster } from "./ClusterCommand.ts"
import { dev } from "./DevCommand.ts"
import { doctor } from "./DoctorCommand.ts"
import * as Failure from "./Failure.ts"
import type { CommandError } from "./Failure.ts"
import { history } from "./HistoryCommand.ts"
import * as Help from "./internal/help.ts"
import { packageVersion } from "./internal/manifest.ts"
import { lint } from "./LintCommand.ts"
import { newMigration } from "./NewMigrationCommand.ts"
import * as Output from "./Output.ts"
import { plan } from "./PlanCommand.ts"
import { probe } from "./ProbeCommand.ts"
import { repair } from "./RepairCommand.ts"
import { root } from "./Root.ts"
import { simulate } from "./SimulateCommand.ts"
import { setupSchema } from "./SetupSchema.ts"
import { status } from "./StatusCommand.ts"
import { tail } from "./TailCommand.ts"
import { Stop } from "./Stop.ts"
import { updateSchema } from "./UpdateSchema.ts"
import { verify } from "./VerifyCommand.ts"

/**
 * The command with all its subcommands.
 *
 * @since 0.1.0
 * @category commands
 */
export const command = root.pipe(
  Command.withSubcommands([
    setupSchema,
    updateSchema,
    status,
    plan,
    verify,
    repair,
    baseline,
    history,
    newMigration,
    doctor,
    probe,
    lint,
    cluster,
    simulate,
    dev,
    tail
  ])
)

// Commands whose --version is a version of a schema.
const names = new Set([
  "setup-schema",
  "setup",
  "update-schema",
  "update",
  "plan",
  "verify",
  "baseline",
  "new-migration"
])

/**
 * Runs a command line. Everything is printed when it ends: it fails with nothing
 * but a `Stop`, which carries the exit code.
 *
 * @since 0.1.0
 * @category execution
 */
export const run = (args: ReadonlyArray<string>): Effect.Effect<void, Stop, Command.Environment> => {
  const expanded = Arguments.expand(args)
  const presentation = Arguments.presentation(args)
  // `--version` is this program's, but a schema's after a command that takes one.
  const builtIns = expanded.some((arg) => names.has(arg))
    ? [GlobalFlag.Help, GlobalFlag.Completions]
    : [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]
  return Command.runWith(command, { version: packageVersion })(expanded).pipe(
    Effect.catchCause((cause) => ended(cause, presentation)),
    // What the toolkit logs, such as a refused token that is asked for again, is no result, and no failure either.
    Effect.provideService(References.LogToStderr, true),
    Effect.provideService(References.MinimumLogLevel, presentation.verbose ? "Info" : "Error"),
    Effect.provide(CliConfig.layer({ builtIns })),
    Effect.updateService(CliOutput.Presenter, (presenter) => ({
      // An invalid command line is one line on standard error, not a page of help.
      present: (event) => (event._tag === "InvalidInvocation" ? Effect.void : presenter.present(event))
    })),
    Effect.provideServiceEffect(CliOutput.Formatter, formatter),
    Effect.updateService(TerminalCapabilities.TerminalCapabilities, (terminal) => ({
      ...terminal,
      canColor: terminal.canColor && presentation.color
    }))
  )
}

// Where there is no terminal, help is as wide as this.
const width = 120

const formatter = Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }): CliOutput.Formatter => {
  const standard = CliOutput.defaultFormatter({ colors: canColor })
  return {
    ...standard,
    formatHelpDoc: (doc) => Help.wrapped(standard.formatHelpDoc(Help.relevant(doc)), process.stdout.columns ?? width)
  }
})

/** Prints what a run failed with, if anything, and gives its exit code. */
const ended = (
  cause: Cause.Cause<CommandError | CliError.CliError | Stop>,
  presentation: Arguments.Presentation
): Effect.Effect<void, Stop> =>
  Effect.gen(function* () {
    if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt
    const error = cause.reasons.find(Cause.isFailReason)?.error
    if (error instanceof Stop) return yield* error
    const failure = error === undefined ? Failure.fromDefect(Cause.squash(cause)) : failureOf(error)
    if (failure === undefined) return
    yield* Output.failure(presentation, failure, Cause.pretty(cause))
    return yield* new Stop({ exitCode: failure.exitCode })
  })

const failureOf = (error: CommandError | CliError.CliError): Failure.Failure | undefined => {
  if (!CliError.isCliError(error)) return Failure.fromCommandError(error)
  if (error._tag !== "ShowHelp") return Failure.fromUsage([command.name], [error])
  // Help that was asked for, or that a bare command prints, is no failure.
  return error.errors.length === 0 ? undefined : Failure.fromUsage(error.commandPath, error.errors)
}

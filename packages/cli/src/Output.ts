/**
 * What a command prints: for people, or as JSON for programs.
 *
 * @since 0.1.0
 */
import type { Severity } from "@effect-dsql/dialect/Finding"
import type { Event } from "@effect-dsql/schema/Event"
import type { Report } from "@effect-dsql/schema/Migrator"
import type { Status } from "@effect-dsql/schema/Status"
import { TerminalCapabilities } from "effect/cli"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Presentation } from "./Arguments.ts"
import type { Failure } from "./Failure.ts"

/**
 * How the shared flags want things printed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly format: "text" | "json"
  readonly quiet: boolean
}

/**
 * Prints what a migration did. As JSON it is the `Report` itself.
 *
 * @since 0.1.0
 * @category output
 */
export const report = (options: Options, value: Report): Effect.Effect<void> =>
  print(options, value, () => {
    const place =
      value.to === null
        ? `${value.schema} is in place, without a recorded version`
        : `${value.schema} is at ${value.to}`
    if (!value.changed) return `${place}: there was nothing to do`
    const from = value.from === null || value.from === value.to ? "" : `, it was at ${value.from}`
    const dropped =
      value.dropped.length === 0
        ? ""
        : `${counted(value.dropped.length, "table")} dropped (${value.dropped.join(", ")}), `
    const present = value.present === 0 ? "" : `, ${value.present} were there already`
    return `${place}${from}: ${dropped}${counted(value.applied, "statement")} run${present}`
  })

/**
 * Prints where a database stands. As JSON it is the `Status` itself.
 *
 * @since 0.1.0
 * @category output
 */
export const status = (options: Options, value: Status): Effect.Effect<void> =>
  print(options, value, (paint) =>
    [
      `schema       ${value.schema}`,
      `expected     ${value.expected}`,
      `current      ${value.current ?? "none recorded"}`,
      `works from   ${value.minCompatible ?? "-"}`,
      `compatible   ${value.compatible ? paint(green, "yes") : paint(red, "no")}`,
      `state        ${value.state}${advice[value.state]}`
    ].join("\n")
  )

/**
 * Prints an event of a migration as it happens, on a terminal only.
 *
 * @since 0.1.0
 * @category output
 */
export const progress =
  (options: Options) =>
  (event: Event): Effect.Effect<void> =>
    Effect.gen(function* () {
      const { canAnimate, canColor } = yield* TerminalCapabilities.TerminalCapabilities
      if (options.quiet || options.format === "json" || !canAnimate) return
      const paint = painter(canColor)
      switch (event._tag) {
        case "Applied":
          return yield* Console.log(`${paint(green, "ran")}       ${event.summary}`)
        case "Dropped":
          return yield* Console.log(`${paint(red, "dropped")}   ${event.table}`)
        case "Waiting":
          return yield* Console.log(`${paint(yellow, "waiting")}   ${event.summary}: job ${event.job}`)
        case "Held":
          return yield* Console.log(`${paint(yellow, "waiting")}   for ${event.owner}, who is migrating this database`)
        case "Recorded":
          return yield* Console.log(`${paint(green, "recorded")}  version ${event.version}`)
        case "Building":
        case "Present":
          return
      }
    })

/**
 * Prints a failure on standard error: one line, or `{"error": Failure}` as JSON.
 * The stack is added where `--verbose` asks for it.
 *
 * @since 0.1.0
 * @category output
 */
export const failure = (
  { format, verbose }: Presentation,
  value: Failure,
  stack: string | undefined
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const shown = verbose ? stack : undefined
    if (format === "json") {
      return yield* Console.error(JSON.stringify({ error: shown === undefined ? value : { ...value, stack: shown } }))
    }
    const paint = painter(canColor && process.stderr.isTTY === true)
    const line = `${paint(red, "error")}: ${value.message}`
    yield* Console.error(shown === undefined ? line : `${line}\n${shown}`)
  })

/**
 * Prints what `lint` found: `render` makes it text, and is given a way to colour
 * a severity by.
 *
 * @since 0.1.0
 * @category output
 */
export const findings = (
  options: { readonly quiet: boolean },
  render: (paint: (severity: Severity, text: string) => string) => string
): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (options.quiet) return
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = painter(canColor)
    yield* Console.log(render((severity, text) => paint(severities[severity], text)))
  })

/**
 * Where a local Aurora DSQL listens. As JSON it is printed as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listening {
  readonly host: string
  readonly port: number
  /** For a PostgreSQL client, and for `DSQL_URL`. */
  readonly url: string
  /** Null where nothing is kept. */
  readonly dataDirectory: string | null
}

/**
 * Prints how to connect to a local Aurora DSQL.
 *
 * @since 0.1.0
 * @category output
 */
export const listening = (options: Options, value: Listening): Effect.Effect<void> =>
  print(options, value, (paint) =>
    [
      `${paint(green, "ready")}: Aurora DSQL, emulated, at ${value.host}:${value.port}; ${
        value.dataDirectory === null ? "nothing is kept" : `data in ${value.dataDirectory}`
      }`,
      "",
      `  psql "${value.url}"`,
      `  export DSQL_URL="${value.url}"`,
      "",
      "press Ctrl-C to stop"
    ].join("\n")
  )

/**
 * Prints a value that has a text of its own. As JSON it is printed as it is.
 *
 * @since 0.1.0
 * @category output
 */
export const rendered = <A extends object>(
  options: Options,
  value: A,
  render: (value: A) => string
): Effect.Effect<void> => print(options, value, () => render(value))

type Paint = (code: number, text: string) => string

// SGR codes of ECMA-48.
const red = 31
const green = 32
const yellow = 33
const cyan = 36

const severities: Readonly<Record<Severity, number>> = { error: red, warning: yellow, info: cyan }

const painter =
  (canColor: boolean): Paint =>
  (code, text) =>
    canColor ? `\u001b[${code}m${text}\u001b[0m` : text

const print = (options: Options, value: object, text: (paint: Paint) => string): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (options.quiet) return
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    yield* Console.log(options.format === "json" ? JSON.stringify(value) : text(painter(canColor)))
  })

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

const advice: Readonly<Record<Status["state"], string>> = {
  "not-set-up": ": run setup-schema",
  behind: ": run update-schema",
  current: "",
  ahead: ": later than this schema, and works with it",
  incompatible: ": later than this schema, use a tool that knows it"
}

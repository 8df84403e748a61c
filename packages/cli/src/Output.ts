/**
 * What a command prints: for people, or as JSON for programs.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Severity } from "@effect-dsql/dialect/Finding"
import { TerminalCapabilities } from "effect/cli"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
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
 * Prints the result of a command, as JSON by its schema in `Json`.
 *
 * @since 0.1.0
 * @category output
 */
export const print = <A, I>(
  options: Options,
  json: Schema.Codec<A, I>,
  value: A,
  text: (paint: Paint) => string
): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (options.quiet) return
    if (options.format === "json") {
      // A value that its schema does not have is a defect of this program.
      return yield* Console.log(JSON.stringify(yield* Effect.orDie(Schema.encodeEffect(json)(value))))
    }
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    yield* Console.log(text(painter(canColor)))
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
    const line = `${paint("bad", "error")}: ${value.message}`
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
 * Prints a unified diff.
 *
 * @since 0.1.0
 * @category output
 */
export const diff = (options: { readonly quiet: boolean }, patch: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (options.quiet) return
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = painter(canColor)
    const lines = patch
      .trimEnd()
      .split("\n")
      .map((line) => {
        if (/^(\+\+\+|---|===)/.test(line)) return line
        return line.startsWith("+") ? paint("good", line) : line.startsWith("-") ? paint("bad", line) : line
      })
    yield* Console.log(lines.join("\n"))
  })

/**
 * Colours a text, where there are colours.
 *
 * @since 0.1.0
 * @category models
 */
export type Paint = (colour: Colour, text: string) => string

/**
 * What a text means, in colour.
 *
 * @since 0.1.0
 * @category models
 */
export type Colour = "good" | "bad" | "attention" | "remark"

// SGR codes of ECMA-48: green, red, yellow, cyan.
const codes: Readonly<Record<Colour, number>> = { good: 32, bad: 31, attention: 33, remark: 36 }

const severities: Readonly<Record<Severity, Colour>> = { error: "bad", warning: "attention", info: "remark" }

/**
 * A way to colour, or not to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const painter =
  (canColor: boolean): Paint =>
  (colour, text) =>
    canColor ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text

/**
 * A text that others have chosen, on one line: what would move a terminal's cursor, or colour it, is spelled out as JSON
 * does.
 *
 * @since 0.2.0
 * @category conversions
 */
export const plain = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`)

/**
 * A number of things in words: `1 table`, `2 tables`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/**
 * Lines whose first words stand below each other.
 *
 * @since 0.1.0
 * @category conversions
 */
export const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)))
  return rows
    .map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("  "))
    .join("\n")
}

/**
 * The command line as it was typed, before it is parsed: the spellings of the
 * earlier tool, and what has to be known even where it cannot be parsed.
 *
 * @since 0.1.0
 * @stability unstable
 */

/**
 * Spellings of the earlier tool that a parser of single-letter flags would take
 * for several flags.
 *
 * @since 0.1.0
 * @category constants
 */
export const spellings: Readonly<Record<string, string>> = {
  "-ep": "--endpoint",
  "-db": "--database"
}

/**
 * Rewrites the earlier tool's spellings. What follows `--` is left alone.
 *
 * @example
 * ```ts
 * import { Arguments } from "@effect-dsql/cli"
 *
 * Arguments.expand(["status", "-ep", "localhost", "-db=temporal"])
 * // ["status", "--endpoint", "localhost", "--database=temporal"]
 * ```
 *
 * @since 0.1.0
 * @category conversions
 */
export const expand = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = args.indexOf("--")
  return args.map((arg, i) => {
    if (end !== -1 && i >= end) return arg
    const [name = "", ...value] = arg.split("=")
    return [spellings[name] ?? name, ...value].join("=")
  })
}

/**
 * How to print, also where the rest of the command line makes no sense.
 *
 * @since 0.1.0
 * @category models
 */
export interface Presentation {
  readonly format: "text" | "json"
  /** Whether an error shows where in the program it came from. */
  readonly verbose: boolean
  /** False where `--no-color` was given. */
  readonly color: boolean
}

/**
 * Finds `--format`, `--verbose` and `--no-color`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const presentation = (args: ReadonlyArray<string>): Presentation => ({
  format: args.some((arg, i) => arg === "--format=json" || (arg === "--format" && args[i + 1] === "json"))
    ? "json"
    : "text",
  verbose: args.includes("--verbose"),
  color: !args.includes("--no-color")
})

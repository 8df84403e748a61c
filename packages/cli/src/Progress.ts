/**
 * What a migration does while it runs, on standard error: on a terminal a line
 * per statement and a bar for an index that is being built; anywhere else a line
 * when an index begins, now and then while it is built, and when it is done.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Event } from "@effect-dsql/schema/Event"
import { TerminalCapabilities } from "effect/cli"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { counted, type Options, type Paint, painter } from "./Output.ts"

/**
 * Where progress is shown.
 *
 * @since 0.1.0
 * @category models
 */
export interface Screen {
  /** Whether a line can be written over. */
  readonly isTerminal: boolean
  readonly paint: Paint
  readonly write: (text: string) => void
}

// Milliseconds between two lines about one index where there is no terminal.
const pause = 10_000

/**
 * Follows the events of one run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ isTerminal, paint, write }: Screen): ((event: Event) => Effect.Effect<void>) => {
  let bar = false
  let said = 0
  const building = new Set<string>()
  const line = (text: string) => {
    write(`${bar ? erase : ""}${text}\n`)
    bar = false
  }
  return (event) =>
    Effect.sync(() => {
      switch (event._tag) {
        case "Waiting":
          said = 0
          building.add(event.location)
          return isTerminal ? undefined : line(`${paint("attention", "building")}  ${event.summary}: job ${event.job}`)
        case "Building": {
          if (isTerminal) {
            bar = true
            return write(`${erase}${block(event.elapsed)} ${event.summary}: ${event.status}, ${seconds(event.elapsed)}`)
          }
          if (event.elapsed - said < pause) return
          said = event.elapsed
          return line(`${paint("attention", "building")}  ${event.summary}: ${event.status}, ${seconds(event.elapsed)}`)
        }
        case "Held":
          return line(
            `${paint("attention", "waiting")}   for ${event.owner}, who migrates this database, until ${DateTime.formatIso(event.expires)} at most`
          )
        case "Applied":
          return isTerminal || building.delete(event.location)
            ? line(`${paint("good", isTerminal ? "ran" : "built")}${isTerminal ? "       " : "     "}${event.summary}`)
            : undefined
        case "Begun":
          return
        case "Dropped":
          return line(`${paint("bad", "dropped")}   ${event.table}`)
        case "Recorded":
          return isTerminal ? line(`${paint("good", "recorded")}  version ${event.version}`) : undefined
        case "Present":
          return bar ? line(`${paint("good", "built")}     ${event.summary}`) : undefined
      }
    })
}

/**
 * Follows the events of one run on standard error, unless the shared flags want
 * nothing but the result.
 *
 * @since 0.1.0
 * @category constructors
 */
export const onStandardError = (options: Options): Effect.Effect<(event: Event) => Effect.Effect<void>> =>
  Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }) => {
    if (options.quiet || options.format === "json") return () => Effect.void
    const isTerminal = process.stderr.isTTY === true && process.env["TERM"] !== "dumb"
    return make({
      isTerminal,
      paint: painter(canColor && isTerminal),
      write: (text) => void process.stderr.write(text)
    })
  })

/**
 * Counts the statements of one run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tally = (): {
  readonly count: (event: Event) => Effect.Effect<void>
  /** How far it came, in words. */
  readonly came: () => string
} => {
  let statements: number | undefined
  let done = 0
  return {
    count: (event) =>
      Effect.sync(() => {
        if (event._tag === "Begun") {
          statements = event.statements
          done = 0
        }
        // What ran before is of the bookkeeping.
        if (event._tag === "Applied" || event._tag === "Present") done++
      }),
    came: () => (statements === undefined ? "this run has not begun" : came({ done, statements }))
  }
}

/**
 * Counts what one run does with many things, and says so on standard error: on a terminal in one line that is written
 * over, anywhere else now and then.
 *
 * @since 0.1.0
 * @category constructors
 */
export const counting = (
  options: Options,
  noun: string,
  done: string
): Effect.Effect<{
  readonly add: (count: number) => Effect.Effect<void>
  /** Takes the line away. */
  readonly end: Effect.Effect<void>
  /** How far it came, in words. */
  readonly came: () => string
}> =>
  Effect.sync(() => {
    const isShown = !options.quiet && options.format === "text"
    const isTerminal = process.stderr.isTTY === true && process.env["TERM"] !== "dumb"
    let total = 0
    let said = performance.now()
    const came = () => `${counted(total, noun)} ${total === 1 ? "was" : "were"} ${done}`
    const add = (count: number) =>
      Effect.sync(() => {
        total += count
        const now = performance.now()
        if (!isShown || (!isTerminal && now - said < pause)) return
        said = now
        process.stderr.write(isTerminal ? `${erase}${came()}` : `${came()}\n`)
      })
    const end = Effect.sync(() => void (isShown && isTerminal && total > 0 && process.stderr.write(erase)))
    return { add, end, came }
  })

/**
 * How far a run came, in words: `19 of 48 statements have run`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const came = ({
  done,
  statements
}: {
  readonly done: number
  /** Null where it is not known. */
  readonly statements: number | null
}): string =>
  statements === null
    ? `${counted(done, "statement")} ${done === 1 ? "has" : "have"} run`
    : `${done} of ${counted(statements, "statement")} have run`

// Back to the start of the line, and everything after it away: ECMA-48's EL.
const erase = "\r\u001b[K"

const width = 20
const size = 4

/** A block that wanders: the service does not say how far a job is. */
const block = (elapsed: number): string => {
  const track = width - size
  const step = Math.floor(elapsed / 250) % (2 * track)
  const at = step < track ? step : 2 * track - step
  return `[${" ".repeat(at)}${"=".repeat(size)}${" ".repeat(track - at)}]`
}

const seconds = (millis: number): string => `${Math.floor(millis / 1000)} s`

/**
 * What happened in a storm, as a table and as JSON.
 */
import type { Check } from "./Checks.ts"
import type { Deed, Outcome } from "./Ledger.ts"
import type { Result } from "./Storm.ts"
import * as Vitals from "./Vitals.ts"
import { kinds } from "./Weather.ts"

/** How many writes of a kind ended how. */
export type Counts = Readonly<Record<Outcome, number>>

/** How the writes ended, kind by kind. */
export const outcomes = ({ ledger }: Result): ReadonlyArray<readonly [Deed["_tag"], Counts]> =>
  [...Map.groupBy(ledger.attempts, ({ deed }) => deed._tag)].map(([tag, attempts]) => {
    const count = (outcome: Outcome) => attempts.filter((attempt) => attempt.outcome === outcome).length
    return [tag, { Applied: count("Applied"), Refused: count("Refused"), Unknown: count("Unknown") }]
  })

/** Whether all that was promised holds. */
export const holds = ({ checks }: Result): boolean => checks.every(({ broken }) => broken.length === 0)

/** What breaks a promise, at most so many of each. */
const shown = 5

const number = (value: number) => value.toLocaleString("en-US").padStart(12)

const verdict = ({ broken, promise }: Check): ReadonlyArray<string> => {
  const lines = broken.slice(0, shown).map((each) => `            ${each}`)
  if (broken.length > shown) lines.push(`            and ${broken.length - shown} more`)
  return [`  ${broken.length === 0 ? "holds " : "BROKEN"}  ${promise}`, ...lines]
}

/** The result for people. */
export const table = (result: Result): string => {
  const { checks, forced, growth, happened, options } = result
  const { runners, seconds, seed, shards, workers } = options
  return [
    `${workers} workers on ${shards} shards and ${runners} runners for ${seconds} s, seed ${seed}`,
    "",
    `  ${"writes".padEnd(14)}${["applied", "refused", "unknown"].map((name) => name.padStart(12)).join("")}`,
    ...outcomes(result).map(
      ([tag, { Applied, Refused, Unknown }]) =>
        `  ${tag.padEnd(14)}${number(Applied)}${number(Refused)}${number(Unknown)}`
    ),
    "",
    ...kinds.map((kind) => `  ${kind.padEnd(30)}${number(happened[kind] ?? 0)}`),
    `  ${"runners that did not end".padEnd(30)}${number(forced)}`,
    "",
    `  ${"a worker that lived".padEnd(30)}${"early".padStart(12)}${"late".padStart(12)}`,
    ...Vitals.lines(growth),
    "",
    ...checks.flatMap(verdict)
  ].join("\n")
}

/** The result for programs. */
export const json = (result: Result) => ({
  ...result.options,
  writes: Object.fromEntries(outcomes(result)),
  happened: Object.fromEntries(kinds.map((kind) => [kind, result.happened[kind] ?? 0])),
  forced: result.forced,
  growth: result.growth,
  checks: result.checks.map(({ broken, promise }) => ({ promise, holds: broken.length === 0, broken })),
  holds: holds(result)
})

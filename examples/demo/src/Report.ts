/**
 * The table at the end.
 */
import type { Check } from "./Checks.ts"
import type { Result } from "./Protocol.ts"

const sum = (results: ReadonlyArray<Result>, field: (result: Result) => number) =>
  results.reduce((total, result) => total + field(result), 0)

/** The value below which a share of the sorted numbers lies. */
const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

const row = (label: string, cells: ReadonlyArray<string>) =>
  `  ${label.padEnd(24)}${cells.map((cell) => cell.padStart(14)).join("")}`

const integer = (value: number) => value.toLocaleString("en-US")

const milliseconds = (value: number) => `${value.toFixed(1)} ms`

/** One line a figure, one column a worker. */
export const table = (results: ReadonlyArray<Result>): string => {
  const columns = [...results.map((result) => [result]), [...results]]
  const figure = (label: string, value: (results: ReadonlyArray<Result>) => string) => row(label, columns.map(value))
  const latency = (share: number) => (of: ReadonlyArray<Result>) =>
    milliseconds(
      percentile(
        of.flatMap((result) => result.latencies).toSorted((a, b) => a - b),
        share
      )
    )
  return [
    row("", [...results.map((result) => result.worker), "both"]),
    figure("operations", (of) => integer(sum(of, (result) => result.latencies.length))),
    figure("takeovers", (of) => integer(sum(of, (result) => result.takeovers.length))),
    figure("conflicts", (of) => integer(sum(of, (result) => result.conflicts))),
    figure("retries", (of) => integer(sum(of, (result) => result.retries))),
    figure("refused stale writes", (of) => integer(sum(of, (result) => result.refused))),
    figure("unknown outcomes", (of) => integer(sum(of, (result) => result.unknown))),
    figure("p50", latency(0.5)),
    figure("p99", latency(0.99))
  ].join("\n")
}

/** One line a promise. */
export const verdict = (checks: ReadonlyArray<Check>): string =>
  checks.map(({ found, holds, promise }) => `  ${holds ? "holds" : "BROKEN"}  ${promise.padEnd(38)}${found}`).join("\n")

/**
 * Outcomes as a table for people.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type * as Connecting from "./Connecting.ts"
import type { Outcome } from "./Contention.ts"

const columns: ReadonlyArray<readonly [title: string, cell: (outcome: Outcome) => string]> = [
  ["policy", ({ policy }) => policy],
  ["contenders", ({ contenders }) => String(contenders)],
  ["processes", ({ processes }) => String(processes)],
  ["gave up", ({ giveUpShare }) => `${(100 * giveUpShare).toFixed(1)} %`],
  ["attempts/commit", ({ attemptsPerCommit }) => attemptsPerCommit.toFixed(2)],
  ["p50", ({ p50 }) => millis(p50)],
  ["p99", ({ p99 }) => millis(p99)],
  ["all done", ({ finish }) => millis(finish)]
]

const millis = (value: number) => (Number.isNaN(value) ? "-" : `${value.toFixed(0)} ms`)

/**
 * One line for each outcome, below a line of titles; the first column is left-aligned.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (outcomes: ReadonlyArray<Outcome>): string => table(columns, outcomes)

const connectingColumns: ReadonlyArray<readonly [title: string, cell: (outcome: Connecting.Outcome) => string]> = [
  ["processes", ({ processes }) => String(processes)],
  ["connections each", ({ connections }) => String(connections)],
  ["open", ({ open }) => String(open)],
  ["all full after", ({ filled }) => millis(filled ?? Number.NaN)],
  ["after half was cut", ({ recovered }) => millis(recovered ?? Number.NaN)],
  ["refused by cluster", ({ refusedByCluster }) => String(refusedByCluster)],
  ["by budget", ({ refusedByBudget }) => String(refusedByBudget)]
]

/**
 * The same for processes that connect.
 *
 * @since 0.1.0
 * @category rendering
 */
export const renderConnecting = (outcomes: ReadonlyArray<Connecting.Outcome>): string =>
  table(connectingColumns, outcomes)

const table = <A>(
  columns: ReadonlyArray<readonly [title: string, cell: (outcome: A) => string]>,
  outcomes: ReadonlyArray<A>
): string => {
  const rows = [columns.map(([title]) => title), ...outcomes.map((outcome) => columns.map(([, cell]) => cell(outcome)))]
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
    )
    .join("\n")
}

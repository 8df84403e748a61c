/**
 * The matrix: each write, and what became of it at each step.
 */
import { forms } from "./Lane.ts"
import type { Cut } from "./Matrix.ts"
import { names, type Step } from "./Steps.ts"

/** A write and its cuts. */
export interface Row {
  readonly name: string
  readonly cuts: ReadonlyArray<Cut>
}

/** What a write ended in at a step, wherever it was cut there. */
const cell = (cuts: ReadonlyArray<Cut>, step: Step): string => {
  const ends = cuts.filter((cut) => cut.step === step).map(({ holds, told }) => (holds ? told : `WRONG: ${told}`))
  return ends.length === 0 ? "-" : [...new Set(ends)].join(" / ")
}

/** A write in each form that it has: most are the same in both. */
const byForm = ({ cuts, name }: Row): ReadonlyArray<Row> =>
  forms.flatMap((form) => {
    const some = cuts.filter((cut) => cut.form === form)
    return some.length === 0 ? [] : [{ name: form === "statement" ? name : `${name}, as a transaction`, cuts: some }]
  })

const line = ({ cuts, name }: Row): ReadonlyArray<string> => [name].concat(names.map((step) => cell(cuts, step)))

/** One line a write, one column a step. */
export const table = (writes: ReadonlyArray<Row>): string => {
  const rows = writes.flatMap(byForm)
  const lines = [["", ...names], ...rows.map(line)]
  const widths = ["", ...names].map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((cells) =>
      cells
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

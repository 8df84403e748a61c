/**
 * What a check of a running process says, and how numbers stand in it.
 */
import type * as Json from "../../Json.ts"

export type Check = (typeof Json.Diagnosis.Type)["checks"][number]
export type Answer = Omit<Check, "check">

export const ok = (found: string): Answer => ({ result: "ok", found, advice: null })
export const failed = (found: string, advice: string): Answer => ({ result: "failed", found, advice })
export const skipped = (found: string): Answer => ({ result: "skipped", found, advice: null })

/** How many names a line has at most. */
const most = 5

/** The names with the largest numbers first, each as it is said. */
export const list = (
  numbers: ReadonlyMap<string, number>,
  say: (name: string, number: number) => string = (name, number) => `${name} ${count(number)}`
): string => {
  const sorted = [...numbers].toSorted(([, a], [, b]) => b - a)
  const rest = sorted.length - most
  return [
    ...sorted.slice(0, most).map(([name, number]) => say(name, number)),
    ...(rest > 0 ? [`${rest} more`] : [])
  ].join(", ")
}

/** The numbers that are none. */
export const above = (numbers: ReadonlyMap<string, number>, limit = 0): ReadonlyMap<string, number> =>
  new Map([...numbers].filter(([, number]) => number > limit))

export const count = (number: number): string => Math.round(number).toLocaleString("en-US")

export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`

export const time = (millis: number): string =>
  millis < 1_000 ? `${Number(millis.toPrecision(2))} ms` : `${Number((millis / 1_000).toPrecision(2))} s`

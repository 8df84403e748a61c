/**
 * Metrics as a process shows them to Prometheus: one sample a line, in the text format 0.0.4 and in OpenMetrics.
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** A series and where it stood when the page was made. */
export interface Sample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
}

/** A line is no sample: the page is something else. */
export class NotMetrics extends Data.TaggedError("NotMetrics")<{ readonly line: number; readonly text: string }> {}

const quoted = String.raw`"(?:[^"\\]|\\.)*"`
const line = new RegExp(String.raw`^([a-z_:][\w:]*)\s*(?:\{((?:[^"}]|${quoted})*)\})?\s+(\S+)`, "i")
const label = new RegExp(String.raw`\s*([a-z_]\w*)\s*=\s*(${quoted})\s*(?:,\s*|$)`, "iy")

const escapes: Readonly<Record<string, string>> = { n: "\n" }

/** Reads a page. What begins with # is about metrics, and no metric. */
export const parse = (page: string): Effect.Effect<ReadonlyArray<Sample>, NotMetrics> =>
  Effect.gen(function* () {
    const samples: Array<Sample> = []
    for (const [index, text] of page.split("\n").entries()) {
      if (text.trim() === "" || text.startsWith("#")) continue
      const sample = sampleOf(text)
      if (sample === undefined) return yield* new NotMetrics({ line: index + 1, text: text.trim() })
      samples.push(sample)
    }
    return samples
  })

const sampleOf = (text: string): Sample | undefined => {
  const [, name, labels = "", number = ""] = line.exec(text) ?? []
  const value = valueOf(number)
  const named = labelsOf(labels)
  return name === undefined || value === undefined || named === undefined ? undefined : { name, labels: named, value }
}

const labelsOf = (text: string): ReadonlyMap<string, string> | undefined => {
  const found = new Map<string, string>()
  for (let at = 0; at < text.length; at = label.lastIndex) {
    label.lastIndex = at
    const [, name, value] = label.exec(text) ?? []
    if (name === undefined || value === undefined) return undefined
    found.set(
      name,
      value.slice(1, -1).replaceAll(/\\(.)/g, (_, escaped: string) => escapes[escaped] ?? escaped)
    )
  }
  return found
}

const words: Readonly<Record<string, number>> = {
  "+inf": Number.POSITIVE_INFINITY,
  "-inf": Number.NEGATIVE_INFINITY,
  nan: Number.NaN
}

const valueOf = (text: string): number | undefined => {
  const word = words[text.toLowerCase()]
  if (word !== undefined) return word
  const value = Number(text)
  return text === "" || Number.isNaN(value) ? undefined : value
}

/**
 * Draws `docs/packages.svg`: a row for each package, what it is, and what it imports. `node docs/pictures/packages.ts`
 * writes it anew; `test/arrows.test.ts` says when that is due.
 *
 * Who imports a package is joined to that package's line by a dot. What is imported through another package is left
 * out, and nothing is wider than a phone.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { arrows } from "../../test/arrows.ts"

const packages = new URL("../../packages/", import.meta.url)

/** A package, and where its row stands. */
interface Row {
  readonly name: string
  readonly lines: ReadonlyArray<string>
  readonly top: number
  readonly height: number
}

/** A package that others import, and the line that leads to it. */
interface Line {
  readonly to: Row
  readonly from: ReadonlyArray<Row>
}

const width = 400
const margin = 14
/** Where the boxes begin; the lines are to their left. */
const edge = 112
/** Pixels between two lines. */
const apart = 15
const lineHeight = 15
/** Letters of the small text that surely fit into a box. */
const letters = 40

/** A text in lines of words. */
const wrapped = (text: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of text.split(" ")) {
    const line = lines.at(-1)
    if (line === undefined || line.length + 1 + word.length > letters) lines.push(word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines
}

/** What a package is, in the words of its manifest, as far as the first colon. */
const sentence = (name: string): string => {
  const manifest: { readonly description: string } = JSON.parse(
    readFileSync(new URL(`${name}/package.json`, packages), "utf8")
  )
  return manifest.description.replace(/:.*/, "")
}

const there = new Set(readdirSync(packages))

/** What each package imports, of those that there are. */
const imports = new Map(
  arrows
    .filter(([name]) => there.has(name))
    .map(([name, mayImport]) => [name, mayImport.filter((other) => there.has(other))])
)

/** Who uses others stands above them. */
const rows = (): ReadonlyArray<Row> => {
  let top = margin
  return [...imports.keys()].toReversed().map((name) => {
    const lines = wrapped(sentence(name))
    const row = { name, lines, top, height: 30 + lines.length * lineHeight }
    top += row.height + 10
    return row
  })
}

/** What a package imports that nothing else that it imports does for it. */
const direct = (name: string): ReadonlyArray<string> => {
  const all = imports.get(name) ?? []
  const reaches = (from: string, to: string): boolean =>
    (imports.get(from) ?? []).some((next) => next === to || reaches(next, to))
  return all.filter((one) => !all.some((other) => reaches(other, one)))
}

/** The shortest lines come first: they stand nearest to the boxes. */
const lines = (all: ReadonlyArray<Row>): ReadonlyArray<Line> =>
  all
    .map((to) => ({ to, from: all.filter(({ name }) => direct(name).includes(to.name)) }))
    .filter(({ from }) => from.length > 0)
    .toSorted((a, b) => span(a) - span(b))

const span = ({ from, to }: Line): number => to.top - Math.min(...from.map(({ top }) => top))

/** Where a line leaves or meets a row: each line at a height of its own, so that no two lie upon each other. */
const heightAt = (row: Row, index: number): number => row.top + 12 + index * 6

const drawLine = ({ from, to }: Line, index: number): string => {
  const x = edge - 18 - index * apart
  const end = to.top + to.height - 14
  const begin = Math.min(...from.map((row) => heightAt(row, index)))
  const ties = from.map((row) => `M${x} ${heightAt(row, index)} H${edge}`).join(" ")
  const dots = from.map((row) => `<circle cx="${x}" cy="${heightAt(row, index)}" r="3"/>`).join("")
  return `<g class="line line-${index % 6}"><path d="M${x} ${begin} V${end} H${edge - 7} ${ties}"/>${dots}<path class="tip" d="M${edge - 1} ${end} l-9 -4.5 v9 z"/></g>`
}

const drawRow = ({ height, lines, name, top }: Row): string => {
  const text = lines.map((line, index) => `<text x="${edge + 12}" y="${top + 38 + index * lineHeight}">${line}</text>`)
  return `<rect class="box" x="${edge}" y="${top}" width="${width - margin - edge}" height="${height}" rx="6"/><text class="name" x="${edge + 12}" y="${top + 20}">${name}</text>${text.join("")}`
}

/** A row in words, for those who do not see it. */
const told = ({ name }: Row): string => `${name}: ${direct(name).join(", ") || "nothing"}.`

const light = ["#0969da", "#8250df", "#1a7f37", "#bc4c00", "#bf3989", "#1b7c83"]
const dark = ["#4493f8", "#ab7df8", "#3fb950", "#db6d28", "#db61a2", "#39c5cf"]

const colours = (palette: ReadonlyArray<string>): string =>
  palette.map((colour, index) => `.line-${index} { color: ${colour} }`).join(" ")

/** The picture of the packages that there are. */
export const draw = (): string => {
  const all = rows()
  const last = all.at(-1)
  const height = last === undefined ? 0 : last.top + last.height + margin
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" role="img" aria-labelledby="title">
<title id="title">What each package imports. ${all.map(told).join(" ")}</title>
<style>
.card { fill: #ffffff; stroke: #d0d7de } .box { fill: #f6f8fa; stroke: #d0d7de } text { fill: #59636e; font-size: 11.5px } .name { fill: #1f2328; font-size: 14px; font-weight: 600 }
.line { stroke: currentColor; fill: none; stroke-width: 1.5 } .line circle, .tip { fill: currentColor; stroke: none } ${colours(light)}
@media (prefers-color-scheme: dark) { .card { fill: #0d1117; stroke: #3d444d } .box { fill: #151b23; stroke: #3d444d } text { fill: #9198a1 } .name { fill: #f0f6fc } ${colours(dark)} }
</style>
<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
${lines(all).map(drawLine).join("\n")}
${all.map(drawRow).join("\n")}
</svg>
`
}

if (process.argv[1] === import.meta.filename) writeFileSync(new URL("../packages.svg", import.meta.url), draw())

/**
 * How contenders compare, as a picture: a bar for each, as long as its time in that of the first, whose end is
 * marked on all of them. The toolkit's own bars are coloured; the picture is dark where the reader's is.
 */
import type { Compared } from "./Compare.ts"

/** One comparison, and what it is called. */
export interface Panel {
  readonly title: string
  readonly compared: ReadonlyArray<Compared>
}

/** No wider than a phone. */
const width = 400
const margin = 14
const row = 25

const style = `<style>
.card { fill: #ffffff; stroke: #d0d7de } text { fill: #1f2328 } .caption { fill: #59636e; font-size: 9px } .title { font-size: 12.5px; font-weight: 600 }
.own { fill: #0072b2 } .other { fill: #8c959f } .first { stroke: #59636e; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { .card { fill: #0d1117; stroke: #3d444d } text { fill: #f0f6fc } .caption { fill: #9198a1 } .own { fill: #56b4e9 } .other { fill: #656c76 } .first { stroke: #9198a1 } }
</style>`

/** An SVG document; the lines of the caption stand below the panels. */
export const render = (
  panels: ReadonlyArray<Panel>,
  isOwn: (name: string) => boolean,
  caption: ReadonlyArray<string>
): string => {
  let top = 8
  const drawn = panels.flatMap(({ compared, title }) => {
    const longest = Math.max(1, ...compared.map(({ ratio }) => ratio))
    const x = (ratio: number) => margin + ((width - 2 * margin) * ratio) / longest
    const start = top + 26
    const lines = compared.map(({ micros, name, ratio }, index) => {
      const y = start + index * row
      const bar = `x="${margin}" y="${y + 15}" width="${at(x(ratio) - margin)}" height="5" rx="1"`
      return (
        text(margin, y + 11, name) +
        text(width - margin, y + 11, `${ratio.toFixed(2)} (${time(micros)})`, "end") +
        `<rect class="${isOwn(name) ? "own" : "other"}" ${bar}/>` +
        `<line class="first" x1="${at(x(1))}" x2="${at(x(1))}" y1="${y + 13}" y2="${y + 22}"/>`
      )
    })
    const heading = text(margin, top + 16, title, "start", "title")
    top = start + compared.length * row + 12
    return [heading, ...lines]
  })
  const told = caption.map((line, index) => text(margin, top + 8 + index * 14, line, "start", "caption"))
  const height = top + caption.length * 14 + 6
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="11" role="img" aria-labelledby="title">`,
    `<title id="title">${escaped(panels.map(inWords).join(" "))}</title>`,
    style,
    `<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    ...drawn,
    ...told,
    "</svg>\n"
  ].join("\n")
}

/** A comparison in words, for those who do not see it. */
const inWords = ({ compared, title }: Panel): string =>
  `${title}: ${compared.map(({ name, ratio }) => `${name} ${ratio.toFixed(2)}`).join(", ")}.`

const time = (micros: number): string =>
  micros < 1_000 ? `${micros.toFixed(0)} us` : `${(micros / 1_000).toPrecision(3)} ms`

const at = (coordinate: number): string => String(Number(coordinate.toFixed(1)))

const text = (x: number, y: number, content: string, anchor: "start" | "end" = "start", name?: string): string =>
  `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${name === undefined ? "" : ` class="${name}"`}>${escaped(content)}</text>`

const escaped = (value: string): string => value.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

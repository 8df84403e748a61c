/**
 * Outcomes as a chart: a group of bars for each number of contenders, a bar for each policy.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Outcome } from "./Contention.ts"

/** Colours that the colour-blind can tell apart (Okabe and Ito). */
const colours = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000"]

const panels: ReadonlyArray<{
  readonly title: string
  readonly value: (outcome: Outcome) => number
  readonly label: (value: number) => string
}> = [
  {
    title: "Transactions that gave up",
    value: ({ giveUpShare }) => 100 * giveUpShare,
    label: (value) => `${value.toFixed(1)} %`
  },
  {
    title: "Attempts per commit",
    value: ({ attemptsPerCommit }) => attemptsPerCommit,
    label: (value) => value.toFixed(1)
  },
  {
    title: "p99 of those that committed",
    value: ({ p99 }) => (Number.isNaN(p99) ? 0 : p99),
    label: (value) => `${value.toFixed(0)} ms`
  }
]

const bar = 34
const gap = 28
const height = 150

/**
 * An SVG document.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (outcomes: ReadonlyArray<Outcome>): string => {
  const policies = [...new Set(outcomes.map(({ policy }) => policy))]
  const groups = [...Map.groupBy(outcomes, ({ contenders }) => contenders)]
  const width = Math.max(520, 2 * gap + groups.length * (policies.length * bar + gap))
  const colour = (policy: string) => colours[policies.indexOf(policy) % colours.length] ?? ""
  const legend = policies.map(
    (policy, index) =>
      `<rect x="${gap + index * 150}" y="14" width="12" height="12" fill="${colour(policy)}"/>` +
      text(gap + index * 150 + 18, 24, escaped(policy))
  )
  const drawn = panels.map(({ label, title, value }, panel) => {
    const top = 52 + panel * (height + 70)
    const most = Math.max(...outcomes.map(value), Number.MIN_VALUE)
    const bars = groups.flatMap(([contenders, members], group) => {
      const left = gap + group * (policies.length * bar + gap)
      const drawnBars = members.map((outcome) => {
        const x = left + policies.indexOf(outcome.policy) * bar
        const tall = (value(outcome) / most) * height
        const y = top + 20 + height - tall
        return (
          `<rect x="${x + 2}" y="${y.toFixed(1)}" width="${bar - 4}" height="${tall.toFixed(1)}" fill="${colour(outcome.policy)}"/>` +
          text(x + bar / 2, y - 4, label(value(outcome)), `text-anchor="middle" font-size="9"`)
        )
      })
      const middle = left + (policies.length * bar) / 2
      return drawnBars.concat(text(middle, top + height + 36, `${contenders} contenders`, `text-anchor="middle"`))
    })
    const base = `<line x1="${gap / 2}" x2="${width - gap / 2}" y1="${top + 20 + height}" y2="${top + 20 + height}" stroke="#888"/>`
    return [text(gap, top, title, `font-weight="bold"`), ...bars, base].join("\n")
  })
  const total = 52 + panels.length * (height + 70)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${total}" fill="#fff"/>`,
    ...legend,
    ...drawn,
    "</svg>\n"
  ].join("\n")
}

const text = (x: number, y: number, content: string, attributes = "") =>
  `<text x="${x}" y="${y.toFixed(1)}" ${attributes}>${content}</text>`

const escaped = (value: string) => value.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

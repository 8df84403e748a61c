/**
 * Outcomes as a picture: for each scenario, the share of transactions that has committed over time, a line for each
 * policy, and beside each line what it took.
 *
 * Lines are told apart by dashes, markers and names, and by colour besides; the picture is dark where the reader's is.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Outcome } from "./Contention.ts"
import * as Panel from "./internal/panel.ts"

/** No wider than a phone. */
const width = 400

/**
 * An SVG document; the lines of the caption, if there are any, stand below the panels.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (outcomes: ReadonlyArray<Outcome>, caption: ReadonlyArray<string> = []): string => {
  const policies = [...new Set(outcomes.map(({ policy }) => policy))]
  const scenarios = [...Map.groupBy(outcomes, ({ contenders, processes }) => `${contenders} on ${processes}`).values()]
  const range = Panel.rangeOf(outcomes)
  let top = 8
  const panels = scenarios.map((members) => {
    const panel = Panel.draw({ members, policies, range, top, width })
    top += panel.height
    return panel.text
  })
  const told = caption.map((line, index) => Panel.said(14, top + 6 + index * 14, line))
  if (caption.length > 0) top += caption.length * 14 + 6
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="11" role="img" aria-labelledby="title">`,
    `<title id="title">${Panel.escaped(`The share of transactions that has committed over time. ${outcomes.map(inWords).join(" ")}`)}</title>`,
    `<style>\n${Panel.style(policies.length)}\n</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${top - 1}" rx="8"/>`,
    ...panels,
    ...told,
    "</svg>\n"
  ].join("\n")
}

/** An outcome in words, for those who do not see it. */
const inWords = ({ attemptsPerCommit, contenders, finish, giveUpShare, policy, processes }: Outcome): string =>
  `${contenders} contenders on ${Panel.processes(processes)} with ${policy}: ${Panel.percent(1 - giveUpShare)} commit, ` +
  `${attemptsPerCommit.toFixed(1)} attempts per commit, over after ${Panel.time(finish)}.`

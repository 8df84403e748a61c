/**
 * One scenario of a picture: time goes to the right, tenfold for each third or so, the share goes up, and at the right
 * edge each line has its name.
 */
import type { Outcome } from "../Contention.ts"

/** Times of all panels of a picture, in milliseconds. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** What a panel shows, and where it stands. */
export interface Panel {
  /** The outcomes of one scenario. */
  readonly members: ReadonlyArray<Outcome>
  /** All policies of the picture: each looks the same in every panel. */
  readonly policies: ReadonlyArray<string>
  readonly range: Range
  readonly top: number
  readonly width: number
}

const height = 130
const left = 50
/** Room for the names. */
const names = 186
const lineHeight = 15
/** Room for a letter, and between two times. */
const letter = 7
const gap = 6

/** Okabe and Ito's, which the colour-blind can tell apart; darker on white, lighter on black. */
const light = ["#0072b2", "#c45500", "#007a5a", "#a3527f", "#5b5b5b", "#8a6d00", "#1f78b4", "#000000"]
const dark = ["#56b4e9", "#ff9e4a", "#2dd4a0", "#e59bc8", "#b8b8b8", "#f0e442", "#9ecae1", "#ffffff"]
const dashes = ["", "8 3", "2 3", "8 3 2 3", "4 2", "12 4", "1 4", "6 2 1 2 1 2"]

/** So that times of the whole picture compare: the first commit of all is at the left, the last end at the right. */
export const rangeOf = (outcomes: ReadonlyArray<Outcome>): Range => {
  const first = outcomes.flatMap(({ committedAfter }) => committedAfter[0] ?? [])
  const last = outcomes.map(({ committedAfter, finish }) => Math.max(finish, committedAfter.at(-1) ?? finish))
  const from = Math.max(1, Math.min(...first, ...last))
  return { from, to: Math.max(from * 10, ...last) }
}

/** The rules of the picture: its ground, its texts, and each policy's colour. */
export const style = (policies: number): string => {
  const colours = (palette: ReadonlyArray<string>) =>
    Array.from(
      { length: policies },
      (_, index) => `.policy-${index} { color: ${palette[index % palette.length]} }`
    ).join(" ")
  return [
    `.card { fill: #ffffff; stroke: #d0d7de } .grid { stroke: #d8dee4 } text { fill: #59636e } .caption { font-size: 9px } .title { fill: #1f2328; font-size: 12.5px; font-weight: 600 }`,
    `.line { fill: none; stroke: currentColor; stroke-width: 2 } .rest { stroke-width: 1; stroke-dasharray: none; opacity: 0.45 } .mark { fill: currentColor; stroke: none } .name { fill: #1f2328 } ${colours(light)}`,
    `@media (prefers-color-scheme: dark) { .card { fill: #0d1117; stroke: #3d444d } .grid { stroke: #2a313a } text { fill: #9198a1 } .title, .name { fill: #f0f6fc } ${colours(dark)} }`
  ].join("\n")
}

/** A panel, and how high it is. */
export const draw = ({
  members,
  policies,
  range,
  top,
  width
}: Panel): { readonly text: string; readonly height: number } => {
  const [first] = members
  const right = width - names
  const base = top + 42 + height
  const x = (millis: number) =>
    left + ((right - left) * Math.log(Math.max(millis, range.from) / range.from)) / Math.log(range.to / range.from)
  const y = (share: number) => base - share * height
  const title = first === undefined ? "" : `${grouped(first.contenders)} contenders on ${processes(first.processes)}`
  const levels = [0, 0.5, 1].map(
    (share) =>
      `<line class="grid" x1="${left}" x2="${right}" y1="${y(share)}" y2="${y(share)}"/>` +
      text(left - 6, y(share) + 4, percent(share), "end")
  )
  let taken = Number.NEGATIVE_INFINITY
  const times = ticks(range).map((millis) => {
    const grid = `<line class="grid" x1="${at(x(millis))}" x2="${at(x(millis))}" y1="${y(1)}" y2="${base + 4}"/>`
    const half = (time(millis).length * letter) / 2
    if (x(millis) - half < taken) return grid
    taken = x(millis) + half + gap
    return grid + text(x(millis), base + 17, time(millis), "middle")
  })
  const lines = members.map((outcome) => line(outcome, policies.indexOf(outcome.policy), x, y, right))
  return {
    text: [
      text(14, top + 16, title, "start", "title"),
      text(right + 14, top + 32, "attempts per commit", "start"),
      ...levels,
      ...times,
      ...lines,
      ...labels(members, policies, y, right, base)
    ].join("\n"),
    height: 42 + height + 34
  }
}

/** The steps of a line, a marker at each quarter of its way and at its end, and how it would go on. */
const line = (
  { committedAfter }: Outcome,
  index: number,
  x: (millis: number) => number,
  y: (share: number) => number,
  right: number
): string => {
  const last = committedAfter.at(-1)
  if (last === undefined) return `<path class="line rest policy-${index}" d="M${at(x(0))} ${at(y(0))} H${right}"/>`
  const steps = committedAfter.map((millis, place) => `H${at(x(millis))} V${at(y((place + 1) / 100))}`)
  const marked = [25, 50, 75, committedAfter.length].filter(
    (hundredths, place, all) => hundredths <= committedAfter.length && all.indexOf(hundredths) === place
  )
  const marks = marked.map((hundredths) => mark(index, x(committedAfter[hundredths - 1] ?? last), y(hundredths / 100)))
  const end = y(committedAfter.length / 100)
  return (
    `<g class="policy-${index}"><path class="line" d="M${at(x(0))} ${at(y(0))} ${steps.join(" ")}"${dash(index)}/>` +
    `<path class="line rest" d="M${at(x(last))} ${at(end)} H${right}"/>${marks.join("")}</g>`
  )
}

const dash = (index: number): string => {
  const pattern = dashes[index % dashes.length]
  return pattern === "" ? "" : ` stroke-dasharray="${pattern}"`
}

/** A marker of a policy: a dot, a square, a triangle, a diamond, a cross, and so on again. */
const mark = (index: number, x: number, y: number): string => {
  switch (index % 5) {
    case 0:
      return `<circle class="mark" cx="${at(x)}" cy="${at(y)}" r="3.5"/>`
    case 1:
      return `<rect class="mark" x="${at(x - 3)}" y="${at(y - 3)}" width="6" height="6"/>`
    case 2:
      return `<path class="mark" d="M${at(x)} ${at(y - 4)} l4 7 h-8 z"/>`
    case 3:
      return `<path class="mark" d="M${at(x)} ${at(y - 4.5)} l4.5 4.5 l-4.5 4.5 l-4.5 -4.5 z"/>`
    default:
      return `<path class="line" d="M${at(x - 3)} ${at(y - 3)} l6 6 m0 -6 l-6 6"/>`
  }
}

/** The names at the right edge, each as near to the end of its line as the others let it. */
const labels = (
  members: ReadonlyArray<Outcome>,
  policies: ReadonlyArray<string>,
  y: (share: number) => number,
  right: number,
  base: number
): ReadonlyArray<string> => {
  // Who is up first stands first.
  const sorted = members.toSorted((a, b) => b.committedAfter.length - a.committedAfter.length || a.finish - b.finish)
  const places: Array<number> = []
  for (const { committedAfter } of sorted) {
    places.push(Math.max(y(committedAfter.length / 100) + 4, (places.at(-1) ?? Number.NEGATIVE_INFINITY) + lineHeight))
  }
  // Those that were pushed below the ground move up again, and whoever stands above them with them.
  for (let index = places.length - 1, floor = base + 4; index >= 0; index--, floor -= lineHeight) {
    places[index] = Math.min(places[index] ?? floor, floor)
    floor = Math.min(floor, places[index] ?? floor)
  }
  return sorted.map((outcome, index) => {
    const policy = policies.indexOf(outcome.policy)
    const place = places[index] ?? 0
    const end = y(outcome.committedAfter.length / 100)
    return (
      `<g class="policy-${policy}"><path class="line rest" d="M${right} ${at(end)} L${right + 12} ${at(place - 4)}"/>` +
      `<path class="line" d="M${right + 14} ${at(place - 4)} h20"${dash(policy)}/>${mark(policy, right + 24, place - 4)}</g>` +
      text(right + 62, place, attempts(outcome), "end", "name") +
      text(right + 67, place, outcome.policy, "start", "name")
    )
  })
}

const attempts = ({ attemptsPerCommit, committed }: Outcome): string => {
  if (committed === 0) return "–"
  return attemptsPerCommit < 10
    ? attemptsPerCommit.toFixed(attemptsPerCommit < 1 ? 2 : 1)
    : attemptsPerCommit.toFixed(0)
}

/** The powers of ten within the range, with their threes where there are few. */
const ticks = ({ from, to }: Range): ReadonlyArray<number> => {
  const first = Math.floor(Math.log10(from))
  const all = Array.from({ length: 12 }, (_, index) => 10 ** (first + index)).filter(
    (tick) => tick >= from && tick <= to
  )
  const threes = all.length > 2 ? [] : all.flatMap((tick) => [(tick * 3) / 10, tick * 3])
  const between = new Set([...all, ...threes.filter((tick) => tick >= from && tick <= to)])
  return [...between].toSorted((a, b) => a - b)
}

export const processes = (count: number): string => (count === 1 ? "one process" : `${count} processes`)

export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`

export const time = (millis: number): string =>
  millis < 1_000 ? `${Number(millis.toPrecision(2))} ms` : `${Number((millis / 1_000).toPrecision(2))} s`

const grouped = (count: number): string => String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",")

const at = (coordinate: number): string => String(Number(coordinate.toFixed(1)))

const text = (x: number, y: number, content: string, anchor: "start" | "middle" | "end", name?: string): string =>
  `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}"${name === undefined ? "" : ` class="${name}"`}>${escaped(content)}</text>`

/** A line of a caption, in small letters. */
export const said = (x: number, y: number, content: string): string => text(x, y, content, "start", "caption")

export const escaped = (value: string): string => value.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

/**
 * Draws the lanes: bars of transactions with their statements, COMMITs, and arrows from each winner's to the loser's.
 */
import type { Transaction } from "@effect-dsql/emulator/Watch"
import { short } from "./format.ts"
import type { Palette } from "./palette.ts"
import { endOf, type Filter, type Item, matches, rowName, type Store } from "./store.ts"

/** What of time is seen, in milliseconds of the epoch. */
export interface View {
  readonly from: number
  readonly to: number
}

/** A drawn transaction, to be found by a pointer. */
export interface Hit {
  readonly item: Item
  readonly x: number
  readonly end: number
  readonly y: number
}

export const axisHeight = 26
/** Pixels above the lanes of a label, where its name stands and arrows pass. */
const gap = 32
const barHeight = 14
/** Pixels below the last lane, where the buttons are. */
const below = 48
const font = "12px ui-sans-serif, system-ui, sans-serif"

/** Where lanes are. */
export interface Layout {
  /** Where those of each label that has any begin, and how many they are. */
  readonly tops: ReadonlyMap<string, { readonly y: number; readonly lanes: number }>
  readonly laneHeight: number
  readonly height: number
}

/**
 * Lays out the lanes of the labels that have something in a view: where there are few, what a transaction does has room
 * below its bar.
 */
export const layout = (store: Store, filter: Filter, view: View): Layout => {
  const now = store.now()
  const used = new Map<string, number>()
  for (const { slot, transaction } of seen(store, view)) {
    if (endOf(transaction, now) < view.from || !matches(transaction, filter)) continue
    used.set(transaction.label, Math.max(used.get(transaction.label) ?? 0, slot + 1))
  }
  const laneHeight = [...used.values()].reduce((total, lanes) => total + lanes, 0) <= 8 ? 40 : 24
  const tops = new Map<string, { readonly y: number; readonly lanes: number }>()
  let y = axisHeight
  for (const [label, lanes] of [...used].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    y += gap
    tops.set(label, { y, lanes })
    y += lanes * laneHeight
  }
  return { tops, laneHeight, height: y + below }
}

/** The transactions that are seen in a view, found by when they began. */
const seen = (store: Store, { from, to }: View): ReadonlyArray<Item> => {
  const { longest, order } = store
  let low = 0
  let high = order.length
  const earliest = from - Math.max(longest, 300_000)
  while (low < high) {
    const middle = (low + high) >> 1
    if ((order[middle]?.transaction.began ?? 0) < earliest) low = middle + 1
    else high = middle
  }
  const found: Array<Item> = []
  for (let i = low; i < order.length; i++) {
    const item = order[i]
    if (item === undefined || item.transaction.began > to) break
    found.push(item)
  }
  return found
}

const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000]

const timeText = (time: number, step: number): string => {
  const date = new Date(time)
  const two = (n: number) => String(n).padStart(2, "0")
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return step < 1_000 ? `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}` : clock
}

/** Draws everything; gives what was drawn where. */
export const draw = (
  context: CanvasRenderingContext2D,
  size: { readonly width: number; readonly height: number },
  options: {
    readonly store: Store
    readonly filter: Filter
    readonly view: View
    readonly palette: Palette
    readonly selected: number | undefined
    readonly hovered: number | undefined
    readonly scroll: number
  }
): ReadonlyArray<Hit> => {
  const { filter, hovered, palette, scroll, selected, store, view } = options
  const { height, width } = size
  const now = store.now()
  const places = layout(store, filter, view)
  const { laneHeight, tops } = places
  const xOf = (time: number) => ((time - view.from) / (view.to - view.from)) * width
  context.clearRect(0, 0, width, height)
  context.font = font
  context.textBaseline = "middle"
  context.save()
  context.translate(0, -scroll)
  bands(context, places, palette, width)
  grid(context, view, palette, { width, top: scroll, bottom: scroll + height })

  const hits = new Map<number, Hit>()
  const focus = selected === undefined ? undefined : store.get(selected)?.transaction
  for (const item of seen(store, view)) {
    const { transaction } = item
    const top = tops.get(transaction.label)
    if (top === undefined || !matches(transaction, filter)) continue
    const end = Math.max(xOf(endOf(transaction, now)), xOf(transaction.began) + 2)
    if (end < -40) continue
    hits.set(transaction.id, { item, x: xOf(transaction.began), end, y: top.y + item.slot * laneHeight + 12 })
  }
  for (const hit of hits.values()) {
    const isFocus = focus === undefined || isNear(hit.item.transaction, focus)
    context.globalAlpha = isFocus ? 1 : 0.45
    if (laneHeight >= 40) saying(context, hit, palette, width)
    bar(context, hit, palette, xOf, now, hit.item.transaction.id === selected || hit.item.transaction.id === hovered)
  }
  context.globalAlpha = 1
  const taken: Array<{ readonly x: number; readonly y: number; readonly width: number }> = []
  for (const hit of hits.values()) {
    const { transaction } = hit.item
    if (transaction.attempt > 1) retry(context, hit, hits, palette)
    const rival = transaction.conflict?.rival && hits.get(transaction.conflict.rival.transaction)
    if (rival !== undefined) {
      const isLoud = transaction.id === selected || transaction.id === hovered || rival.item.transaction.id === selected
      arrow(context, rival, hit, palette, { isLoud, taken, width })
    }
  }
  names(context, tops, palette)
  context.restore()
  axis(context, view, palette, width)
  return [...hits.values()]
}

/** Whether a transaction is the one that is looked at, one that it met, or another attempt of the same. */
const isNear = (each: Transaction, focus: Transaction): boolean =>
  each.id === focus.id ||
  each.first === focus.first ||
  focus.conflict?.rival?.transaction === each.id ||
  each.conflict?.rival?.transaction === focus.id

const bands = (context: CanvasRenderingContext2D, { laneHeight, tops }: Layout, palette: Palette, width: number) => {
  for (const { lanes, y } of tops.values()) {
    context.fillStyle = palette.band
    context.beginPath()
    context.roundRect(0, y, width, lanes * laneHeight, 4)
    context.fill()
  }
}

const names = (context: CanvasRenderingContext2D, tops: Layout["tops"], palette: Palette) => {
  context.font = `600 ${font}`
  context.textAlign = "left"
  for (const [label, { y }] of tops) {
    const name = label === "" ? "(no application_name)" : short(label)
    context.fillStyle = palette.surface
    context.fillRect(6, y - 20, context.measureText(name).width + 8, 16)
    context.fillStyle = palette.text
    context.fillText(name, 10, y - 12)
  }
  context.font = font
}

const marks = (view: View, width: number): { readonly step: number; readonly times: ReadonlyArray<number> } => {
  const wanted = ((view.to - view.from) / width) * 130
  const step = steps.find((each) => each >= wanted) ?? 600_000
  const times: Array<number> = []
  for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) times.push(time)
  return { step, times }
}

const grid = (
  context: CanvasRenderingContext2D,
  view: View,
  palette: Palette,
  { bottom, top, width }: { readonly width: number; readonly top: number; readonly bottom: number }
) => {
  context.strokeStyle = palette.line
  context.lineWidth = 1
  context.beginPath()
  for (const time of marks(view, width).times) {
    const x = Math.round(((time - view.from) / (view.to - view.from)) * width) + 0.5
    context.moveTo(x, top)
    context.lineTo(x, bottom)
  }
  context.stroke()
}

const axis = (context: CanvasRenderingContext2D, view: View, palette: Palette, width: number) => {
  context.fillStyle = palette.surface
  context.fillRect(0, 0, width, axisHeight)
  context.fillStyle = palette.muted
  context.textAlign = "center"
  const { step, times } = marks(view, width)
  for (const time of times) {
    const x = ((time - view.from) / (view.to - view.from)) * width
    if (x > 40 && x < width - 40) context.fillText(timeText(time, step), x, axisHeight / 2)
  }
  context.fillStyle = palette.line
  context.fillRect(0, axisHeight - 1, width, 1)
}

const bar = (
  context: CanvasRenderingContext2D,
  { end, item: { transaction }, x, y }: Hit,
  palette: Palette,
  xOf: (time: number) => number,
  now: number,
  isLoud: boolean
) => {
  const colour = palette.outcomes[transaction.outcome]
  const width = end - x
  const top = y - barHeight / 2
  context.fillStyle = colour
  const alpha = context.globalAlpha
  context.globalAlpha = alpha * 0.28
  context.beginPath()
  context.roundRect(x, top, width, barHeight, 4)
  context.fill()
  context.globalAlpha = alpha
  if (isLoud) {
    context.strokeStyle = palette.text
    context.lineWidth = 1.5
    context.stroke()
  }
  if (width > 10) {
    // Statements at work are full; between them the client makes it wait.
    for (const { at, millis, writes } of transaction.statements) {
      const from = xOf(transaction.began + at)
      const to = Math.max(from + 1.5, xOf(transaction.began + at + millis))
      const inset = writes.length > 0 ? 0 : 3
      context.fillRect(from, top + inset, to - from, barHeight - 2 * inset)
    }
    if (transaction.snapshot !== undefined) {
      const at = xOf(transaction.began + transaction.snapshot)
      context.fillStyle = palette.text
      context.fillRect(at - 0.75, top - 3, 1.5, barHeight + 6)
      context.fillStyle = colour
    }
  }
  if (transaction.outcome === "open") {
    context.setLineDash([3, 3])
    context.strokeStyle = colour
    context.lineWidth = 1.5
    context.strokeRect(x, top, Math.max(0, xOf(now) - x), barHeight)
    context.setLineDash([])
    return
  }
  sign(context, transaction.outcome, end, y, colour, palette)
}

/** What a transaction does, in two words, where there is room. */
const saying = (context: CanvasRenderingContext2D, { end, item, x, y }: Hit, palette: Palette, width: number) => {
  const { attempt, statements } = item.transaction
  const main = statements.find(({ writes }) => writes.length > 0) ?? statements.find(({ tables }) => tables.length > 0)
  const from = Math.max(x, 4)
  const room = Math.min(end, width) - from
  if (main === undefined || room < 24) return
  const verb = main.sql.trimStart().slice(0, 12).split(/\s/)[0] ?? ""
  const text = `${attempt > 1 ? `${attempt}. ` : ""}${verb.toLowerCase()} ${short(main.writes[0] ?? main.tables[0] ?? "")}`
  context.save()
  context.beginPath()
  context.rect(from, y + 8, room, 20)
  context.clip()
  context.font = "11px ui-sans-serif, system-ui, sans-serif"
  context.fillStyle = palette.muted
  context.textAlign = "left"
  context.fillText(text, from + 1, y + 17)
  context.restore()
}

/** The end of a lane, readable without colour. */
const sign = (
  context: CanvasRenderingContext2D,
  outcome: Transaction["outcome"],
  x: number,
  y: number,
  colour: string,
  palette: Palette
) => {
  context.fillStyle = palette.surface
  context.strokeStyle = colour
  context.lineWidth = 2
  context.beginPath()
  switch (outcome) {
    case "conflict":
    case "cut":
      context.arc(x, y, 6, 0, 2 * Math.PI)
      context.fill()
      context.beginPath()
      context.moveTo(x - 4, y - 4)
      context.lineTo(x + 4, y + 4)
      if (outcome === "conflict") {
        context.moveTo(x + 4, y - 4)
        context.lineTo(x - 4, y + 4)
      }
      context.stroke()
      break
    case "failed":
      context.rect(x - 4, y - 4, 8, 8)
      context.fillStyle = colour
      context.fill()
      break
    case "rolled back":
      context.arc(x, y, 4, 0, 2 * Math.PI)
      context.fill()
      context.stroke()
      break
    default:
      context.arc(x, y, 3.5, 0, 2 * Math.PI)
      context.fillStyle = colour
      context.fill()
  }
}

/** Joins an attempt to the one before. */
const retry = (context: CanvasRenderingContext2D, hit: Hit, hits: ReadonlyMap<number, Hit>, palette: Palette) => {
  let before: Hit | undefined
  for (const each of hits.values()) {
    const { attempt, first } = each.item.transaction
    if (first === hit.item.transaction.first && attempt === hit.item.transaction.attempt - 1) before = each
  }
  if (before === undefined) return
  context.strokeStyle = palette.muted
  context.lineWidth = 1.25
  context.setLineDash([2, 3])
  context.beginPath()
  context.moveTo(before.end + 6, before.y)
  const middle = (before.end + hit.x) / 2
  context.bezierCurveTo(middle, before.y, middle, hit.y, hit.x - 2, hit.y)
  context.stroke()
  context.setLineDash([])
}

/** An arrow from the commit of who was first to that of who lost, with the row. */
const arrow = (
  context: CanvasRenderingContext2D,
  winner: Hit,
  loser: Hit,
  palette: Palette,
  {
    isLoud,
    taken,
    width
  }: {
    readonly isLoud: boolean
    readonly taken: Array<{ readonly x: number; readonly y: number; readonly width: number }>
    readonly width: number
  }
) => {
  const colour = palette.outcomes.conflict
  const [x1, y1, x2, y2] = [winner.end, winner.y, loser.end, loser.y]
  const down = y2 >= y1 ? 1 : -1
  const lift = y1 === y2 ? -26 : 0
  context.strokeStyle = colour
  context.fillStyle = colour
  context.lineWidth = isLoud ? 2.5 : 1.5
  context.beginPath()
  context.moveTo(x1, y1 + (lift === 0 ? 5 * down : -5))
  const tip = y2 - (lift === 0 ? 9 * down : 9)
  context.bezierCurveTo(x1, (y1 + y2) / 2 + lift, x2, (y1 + y2) / 2 + lift, x2, tip)
  context.stroke()
  context.beginPath()
  const back = lift === 0 ? -7 * down : -7
  context.moveTo(x2, tip + (lift === 0 ? 2 * down : 2))
  context.lineTo(x2 - 4, tip + back)
  context.lineTo(x2 + 4, tip + back)
  context.fill()
  const { conflict } = loser.item.transaction
  if (conflict?.table === undefined) return
  const text = short(rowName(conflict.table, conflict.key), width < 500 ? 28 : 64)
  const wide = context.measureText(text).width + 12
  const x = Math.min(Math.max((x1 + x2) / 2, wide / 2 + 2), width - wide / 2 - 2)
  const y = (y1 + y2) / 2 + lift * 0.75
  const isHidden = taken.some((each) => Math.abs(each.y - y) < 18 && Math.abs(each.x - x) < (each.width + wide) / 2)
  if (isHidden && !isLoud) return
  taken.push({ x, y, width: wide })
  context.fillStyle = palette.surface
  context.strokeStyle = colour
  context.lineWidth = 1
  context.beginPath()
  context.roundRect(x - wide / 2, y - 9, wide, 18, 9)
  context.fill()
  context.stroke()
  context.fillStyle = palette.text
  context.textAlign = "center"
  context.fillText(text, x, y + 0.5)
}

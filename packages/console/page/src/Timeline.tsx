/**
 * The lanes on their canvas: they follow what happens, or stand where somebody scrolled or zoomed to.
 */
import { useEffect, useRef, useState } from "preact/hooks"
import { draw, type Hit, layout, type View } from "./draw.ts"
import { counted, nameOf } from "./format.ts"
import { readPalette } from "./palette.ts"
import { endOf, type Filter, matches, type Store } from "./store.ts"

/** Transactions that the view fits by itself. */
const fitted = 30
/** And at least. */
const fewest = 3

const shortest = 2
const widest = 3_600_000

/** The view that has the last transactions in it. */
const newest = (store: Store, filter: Filter): View => {
  const { order } = store
  const now = store.now()
  let from = Infinity
  let to = -Infinity
  for (let i = order.length - 1, left = fitted; i >= 0 && left > 0; i--) {
    const transaction = order[i]?.transaction
    if (transaction === undefined || !matches(transaction, filter)) continue
    // What was long before, for what is seen already, is another story.
    const idle = from - endOf(transaction, now)
    const isApart = left <= fitted - fewest && idle > 2_000 && idle > 4 * (to - from)
    if (to !== -Infinity && (isApart || transaction.began < to - 30_000)) break
    from = Math.min(from, transaction.began)
    to = Math.max(to, endOf(transaction, now))
    left--
  }
  if (to === -Infinity) return { from: now - 10_000, to: now }
  return padded({ from, to })
}

const padded = ({ from, to }: View): View => {
  const span = Math.max(shortest * 5, to - from)
  return { from: from - span * 0.06, to: to + span * 0.12 }
}

/** From when to when a transaction and those that it met lasted. */
const met = (store: Store, id: number): View | undefined => {
  const focus = store.get(id)?.transaction
  if (focus === undefined) return undefined
  const near = store.order.flatMap(({ transaction }) =>
    transaction.first === focus.first ||
    transaction.id === focus.conflict?.rival?.transaction ||
    transaction.conflict?.rival?.transaction === id
      ? [transaction]
      : []
  )
  const close = near.filter((each) => Math.abs(each.began - focus.began) < 60_000)
  return {
    from: Math.min(...close.map(({ began }) => began)),
    to: Math.max(...close.map((each) => endOf(each, store.now())))
  }
}

/** The view that has one transaction and whom it met in it. */
export const around = (store: Store, id: number): View | undefined => {
  const all = met(store, id)
  return all === undefined ? undefined : padded(all)
}

interface Point {
  readonly x: number
  readonly y: number
}

interface Props {
  readonly store: Store
  readonly version: number
  readonly filter: Filter
  readonly selected: number | undefined
  readonly onSelect: (id: number | undefined) => void
  /** Where to look; undefined follows what happens. */
  readonly view: View | undefined
  readonly onView: (view: View | undefined) => void
}

export const Timeline = ({ filter, onSelect, onView, selected, store, version, view }: Props) => {
  const canvas = useRef<HTMLCanvasElement>(null)
  const hits = useRef<ReadonlyArray<Hit>>([])
  /** What was painted last. */
  const shown = useRef<View | undefined>(undefined)
  const drag = useRef<
    { readonly x: number; readonly y: number; readonly view: View; readonly scroll: number; moved: boolean } | undefined
  >(undefined)
  /** The fingers, or the mouse's button, that are down, and where. */
  const down = useRef(new Map<number, Point>())
  /** Where two fingers began, and what was shown. */
  const pinch = useRef<{ readonly apart: number; readonly x: number; readonly view: View } | undefined>(undefined)
  const [hovered, setHovered] = useState<{ readonly id: number; readonly x: number; readonly y: number } | undefined>(
    undefined
  )
  const [scroll, setScroll] = useState(0)
  const [size, setSize] = useState({ width: 0, height: 0 })

  useEffect(() => {
    const element = canvas.current?.parentElement
    if (element === undefined || element === null) return undefined
    const observer = new ResizeObserver(() => setSize({ width: element.clientWidth, height: element.clientHeight }))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  /** What is seen. Before the first picture there is nothing to go on from, nor in no width. */
  const seen = () => (size.width === 0 ? undefined : shown.current)
  /** How far one can scroll. */
  const furthest = (view = seen()) =>
    view === undefined ? 0 : Math.max(0, layout(store, filter, view).height - size.height)

  useEffect(() => {
    const element = canvas.current
    const context = element?.getContext("2d")
    if (!element || !context || size.width === 0) return undefined
    const paint = () => {
      const ratio = window.devicePixelRatio
      if (element.width !== Math.round(size.width * ratio) || element.height !== Math.round(size.height * ratio)) {
        element.width = Math.round(size.width * ratio)
        element.height = Math.round(size.height * ratio)
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0)
      const target = view ?? newest(store, filter)
      const { from, to } = shown.current ?? target
      // It glides to where it is going, unless that is far away or nobody wants movement.
      const isNear = view === undefined && !still.matches && Math.abs(target.to - to) < (to - from) * 2
      const now = isNear ? { from: from + (target.from - from) * 0.25, to: to + (target.to - to) * 0.25 } : target
      shown.current = now
      // What is shown, for who cannot see a canvas.
      element.dataset["view"] = `${now.from} ${now.to}`
      hits.current = draw(context, size, {
        store,
        filter,
        view: now,
        palette: readPalette(),
        selected,
        hovered: hovered?.id,
        scroll: Math.min(scroll, furthest(now))
      })
      const isMoving = isNear && Math.abs(target.to - now.to) > (to - from) / 1_000
      const isOpen = hits.current.some(({ item }) => item.transaction.outcome === "open")
      if (isMoving || isOpen) frame = requestAnimationFrame(paint)
    }
    let frame = requestAnimationFrame(paint)
    const scheme = matchMedia("(prefers-color-scheme: dark)")
    const repaint = () => (frame = requestAnimationFrame(paint))
    scheme.addEventListener("change", repaint)
    return () => {
      cancelAnimationFrame(frame)
      scheme.removeEventListener("change", repaint)
    }
  }, [version, size, view, filter, selected, hovered?.id, scroll])

  const at = (event: MouseEvent) => {
    const box = canvas.current?.getBoundingClientRect()
    return { x: event.clientX - (box?.left ?? 0), y: event.clientY - (box?.top ?? 0) }
  }
  const hitAt = ({ x, y }: { readonly x: number; readonly y: number }): Hit | undefined => {
    const inLane = y + Math.min(scroll, furthest())
    return hits.current
      .filter((hit) => Math.abs(hit.y - inLane) <= 13 && x >= hit.x - 8 && x <= hit.end + 8)
      .toSorted((a, b) => a.end - a.x - (b.end - b.x))[0]
  }
  /** Shows so much more or less of a view; what was at one place comes to stand at another. */
  const scaled = ({ from, to }: View, factor: number, x: number, there: number) => {
    const span = Math.min(widest, Math.max(shortest, (to - from) * factor))
    const kept = from + ((to - from) * x) / size.width
    onView({ from: kept - (span * there) / size.width, to: kept + (span * (size.width - there)) / size.width })
  }
  const zoom = (factor: number, x = size.width / 2) => {
    const view = seen()
    if (view !== undefined) scaled(view, factor, x, x)
  }
  /** How far two fingers are apart, and where between them is; undefined where there are not two. */
  const fingers = () => {
    const [one, other] = [...down.current.values()]
    if (one === undefined || other === undefined) return undefined
    return { apart: Math.max(1, Math.hypot(one.x - other.x, one.y - other.y)), x: (one.x + other.x) / 2 }
  }
  const dragFrom = (place: Point, moved: boolean) => {
    const view = seen()
    drag.current = view && { ...place, view, scroll, moved }
  }
  const lift = (event: PointerEvent) => {
    down.current.delete(event.pointerId)
    const { moved = true } = drag.current ?? {}
    const [left] = down.current.values()
    drag.current = undefined
    pinch.current = undefined
    // A finger that stays moves on, and selects nothing.
    if (left !== undefined) dragFrom(left, true)
    return { moved }
  }
  const move = (share: number) => {
    const view = seen()
    if (view === undefined) return
    const by = (view.to - view.from) * share
    onView({ from: view.from + by, to: view.to + by })
  }

  /** The transaction before or after the one that is selected. */
  const step = (by: 1 | -1) => {
    const all = store.order.filter(({ transaction }) => matches(transaction, filter))
    const index = all.findIndex(({ transaction }) => transaction.id === selected)
    const next = all[index === -1 ? all.length - 1 : index + by]?.transaction
    if (next === undefined) return
    onSelect(next.id)
    // Without whom it met, a conflict tells nothing. A view that has them all, or glides to where they are, stays.
    const { from, to } = view ?? newest(store, filter)
    const near = met(store, next.id)
    if (near === undefined || (near.from >= from && near.to <= to)) return
    const wanted = padded(near)
    const half = Math.max(to - from, wanted.to - wanted.from) / 2
    const middle = (wanted.from + wanted.to) / 2
    onView({ from: middle - half, to: middle + half })
  }
  const keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    ArrowUp: () => setScroll(Math.max(0, scroll - 24)),
    ArrowDown: () => setScroll(scroll + 24),
    "+": () => zoom(0.6),
    "=": () => zoom(0.6),
    "-": () => zoom(1.6),
    PageUp: () => move(-0.8),
    PageDown: () => move(0.8),
    End: () => onView(undefined),
    Escape: () => onSelect(undefined)
  }

  const about = hovered === undefined ? undefined : store.get(hovered.id)?.transaction
  return (
    <div class="timeline">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label="Transactions as lanes. Left and right arrow: the one before and after. Plus and minus: zoom. End: follow. Escape: none."
        onKeyDown={(event) => {
          const key = keys[event.key]
          if (key === undefined) return
          event.preventDefault()
          key()
        }}
        onWheel={(event) => {
          event.preventDefault()
          if (event.ctrlKey || event.metaKey || event.altKey) zoom(event.deltaY > 0 ? 1.2 : 0.8, at(event).x)
          else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / size.width)
          else if (event.shiftKey) move(event.deltaY / size.width)
          else {
            const max = furthest()
            if (max > 0) setScroll(Math.min(max, Math.max(0, scroll + event.deltaY)))
            else move(event.deltaY / size.width)
          }
        }}
        onPointerDown={(event) => {
          canvas.current?.setPointerCapture(event.pointerId)
          down.current.set(event.pointerId, at(event))
          const two = fingers()
          const view = seen()
          pinch.current = two && view && { ...two, view }
          drag.current = undefined
          if (two === undefined) dragFrom(at(event), false)
        }}
        onPointerMove={(event) => {
          const { x, y } = at(event)
          if (down.current.has(event.pointerId)) down.current.set(event.pointerId, { x, y })
          const two = fingers()
          if (two !== undefined && pinch.current !== undefined) {
            scaled(pinch.current.view, pinch.current.apart / two.apart, pinch.current.x, two.x)
            return
          }
          const begun = drag.current
          if (begun !== undefined) {
            if (Math.abs(x - begun.x) + Math.abs(y - begun.y) < 4 && !begun.moved) return
            begun.moved = true
            const span = begun.view.to - begun.view.from
            const by = ((begun.x - x) / size.width) * span
            onView({ from: begun.view.from + by, to: begun.view.to + by })
            setScroll(Math.max(0, begun.scroll + begun.y - y))
            return
          }
          const hit = hitAt({ x, y })
          setHovered(hit === undefined ? undefined : { id: hit.item.transaction.id, x, y })
        }}
        onPointerUp={(event) => {
          if (!lift(event).moved) onSelect(hitAt(at(event))?.item.transaction.id)
        }}
        onPointerCancel={lift}
        onPointerLeave={() => setHovered(undefined)}
      />
      {about !== undefined && hovered !== undefined && (
        <div
          class="tip"
          role="tooltip"
          style={{
            left: `${Math.min(hovered.x + 14, Math.max(0, size.width - 330))}px`,
            top: `${hovered.y > size.height - 120 ? hovered.y - 92 : hovered.y + 18}px`
          }}
        >
          <strong>
            #{about.id} {nameOf(about.label)}
          </strong>{" "}
          {about.outcome}
          {about.attempt > 1 && `, attempt ${about.attempt}`}
          <br />
          <span class="muted">
            {(about.ended ?? store.now() - about.began).toFixed(1)} ms · {counted(about.roundTrips, "round trip")} ·{" "}
            {counted(about.rows, "row")} changed
          </span>
          <code>
            {(about.statements.find(({ tables }) => tables.length > 0) ?? about.statements[0])?.sql.slice(0, 120)}
          </code>
        </div>
      )}
      {!store.order.some(({ transaction }) => matches(transaction, filter)) && (
        <p class="none">No transaction that is kept is like this filter.</p>
      )}
      <div class="zoom">
        <button type="button" onClick={() => zoom(1.6)} aria-label="Zoom out" title="Zoom out (−)">
          −
        </button>
        <button type="button" onClick={() => zoom(0.6)} aria-label="Zoom in" title="Zoom in (+)">
          +
        </button>
        <button
          type="button"
          aria-pressed={view === undefined}
          onClick={() => onView(view === undefined ? seen() : undefined)}
          title="Follow what happens (End)"
        >
          Follow
        </button>
      </div>
    </div>
  )
}

const still = matchMedia("(prefers-reduced-motion: reduce)")

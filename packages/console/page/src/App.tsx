/**
 * The page: what is looked at above, the lanes, one transaction beside them, and the panels below.
 */
import { useEffect, useReducer, useRef, useState } from "preact/hooks"
import { Details } from "./Details.tsx"
import type { View } from "./draw.ts"
import { act, follow } from "./feed.ts"
import { counted, dpu, nameOf } from "./format.ts"
import { signs } from "./palette.ts"
import { Cost, Faults, HotKeys, Refused, State } from "./Panels.tsx"
import { everything, type Filter, hotKeys, type Item, type Link, makeStore, tablesOf } from "./store.ts"
import { around, Timeline } from "./Timeline.tsx"

const panels = { "Hot keys": HotKeys, Refused, Cost, Faults, State } as const
type Panel = keyof typeof panels

const outcomes = ["committed", "conflict", "rolled back", "failed", "cut", "open"] as const

export const App = () => {
  const [version, change] = useReducer<number, undefined>((n) => n + 1, 0)
  const waiting = useRef(false)
  const [store] = useState(() =>
    makeStore(() => {
      // However much arrives, the page is drawn once for each frame.
      if (waiting.current) return
      waiting.current = true
      requestAnimationFrame(() => {
        waiting.current = false
        change(undefined)
      })
    })
  )
  const [filter, setFilter] = useState<Filter>(everything)
  const [selected, setSelected] = useState<number | undefined>(undefined)
  const [view, setView] = useState<View | undefined>(undefined)
  const [panel, setPanel] = useState<Panel>("Hot keys")
  useEffect(() => follow(store), [store])

  const pause = () => store.pause(!store.paused)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { target } = event
      const on = target instanceof HTMLElement ? target.tagName : ""
      if (on === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return
      // The space bar presses what it is on.
      if (event.key === "p" || (event.key === " " && on !== "INPUT" && on !== "BUTTON")) {
        event.preventDefault()
        pause()
      }
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [])

  const { order, state } = store
  const tables = tablesIn(order.slice(-2_000))
  const conflicts = order.filter(({ transaction }) => transaction.outcome === "conflict").length
  const chosen = selected === undefined ? undefined : store.get(selected)?.transaction
  const jump = (id: number | undefined) => {
    setSelected(id)
    if (id !== undefined) setView(around(store, id))
  }
  const badges: Readonly<Record<Panel, number>> = {
    "Hot keys": hotKeys(order, store.latest).length,
    Refused: state?.refused.length ?? 0,
    Cost: 0,
    Faults: Object.values(state?.happened ?? {}).reduce((total, times) => total + times, 0),
    State: 0
  }
  const Shown = panels[panel]
  const onTabKey = (event: KeyboardEvent) => {
    const names = Object.keys(panels) as ReadonlyArray<Panel>
    const at = names.indexOf(panel)
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[event.key]
    const next = to === undefined ? undefined : names.at(to % names.length)
    if (next === undefined) return
    event.preventDefault()
    setPanel(next)
    document.getElementById(`tab-${next}`)?.focus()
  }
  return (
    <div class="page">
      <header class="bar">
        <h1>
          effect-dsql <span>console</span>
        </h1>
        <span class={`live ${links[store.link].sign} ${store.paused ? "paused" : ""}`} role="status">
          {store.link === "up" && store.paused ? "paused" : links[store.link].word}
        </span>
        <button type="button" aria-pressed={store.paused} onClick={pause} title="Pause (p)">
          {store.paused ? "Resume" : "Pause"}
        </button>
        <p class="numbers">
          <Count of={order.length} noun="transaction" />
          <Count of={conflicts} noun="conflict" />
          <Count of={state?.counts.roundTrips ?? 0} noun="round trip" />
          <span>
            <b>{dpu((state?.counts.cost?.read ?? 0) + (state?.counts.cost?.write ?? 0))}</b>
          </span>
        </p>
      </header>
      {links[store.link].advice !== undefined && (
        <p class="notice" role="alert">
          {links[store.link].advice}
        </p>
      )}
      <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <Choice
          name="label"
          value={filter.label}
          options={store.labels}
          onChange={(label) => setFilter({ ...filter, label })}
        />
        <Choice
          name="table"
          value={filter.table}
          options={tables}
          onChange={(table) => setFilter({ ...filter, table })}
        />
        <Choice
          name="outcome"
          value={filter.outcome}
          options={outcomes}
          onChange={(outcome) => setFilter({ ...filter, outcome })}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={state?.parameters === true}
            disabled={store.link !== "up"}
            onChange={({ currentTarget }) => void act({ _tag: "Parameters", kept: currentTarget.checked })}
          />
          keep parameters
        </label>
        <ul class="legend" aria-label="Signs">
          {outcomes.map((outcome) => (
            <li key={outcome}>
              <span class={`sign ${outcome.replace(" ", "-")}`}>{signs[outcome]}</span> {outcome}
            </li>
          ))}
        </ul>
      </form>
      <main class={chosen === undefined ? "" : "with-details"}>
        {order.length === 0 ? (
          <div class="timeline welcome">
            <h2>Nothing has happened yet</h2>
            <p>Point a program at this database, and its transactions appear here as they run:</p>
            <code>export DSQL_URL="{state?.url ?? "…"}"</code>
            <p class="muted">or try it by hand, in two terminals at once:</p>
            <code>psql "{state?.url ?? "…"}"</code>
            <p class="muted">Name each program by its application_name: its lanes stand below that.</p>
          </div>
        ) : (
          <Timeline
            store={store}
            version={version}
            filter={filter}
            selected={selected}
            onSelect={setSelected}
            view={view}
            onView={setView}
          />
        )}
        {chosen !== undefined && <Details store={store} transaction={chosen} onSelect={jump} />}
      </main>
      <nav role="tablist" aria-label="Panels" onKeyDown={onTabKey}>
        {(Object.keys(panels) as ReadonlyArray<Panel>).map((name) => (
          <button
            type="button"
            role="tab"
            key={name}
            id={`tab-${name}`}
            aria-selected={name === panel}
            aria-controls="panel"
            tabIndex={name === panel ? 0 : -1}
            onClick={() => setPanel(name)}
          >
            {name}
            {badges[name] > 0 && <span class="badge">{badges[name]}</span>}
          </button>
        ))}
      </nav>
      <section class="panel" id="panel" role="tabpanel" aria-labelledby={`tab-${panel}`}>
        <Shown store={store} onSelect={jump} />
      </section>
    </div>
  )
}

/** How a link is shown, and what to do where it is not up. */
const links: Readonly<Record<Link, { readonly sign: string; readonly word: string; readonly advice?: string }>> = {
  opening: { sign: "", word: "connecting" },
  up: { sign: "on", word: "live" },
  down: {
    sign: "off",
    word: "not connected",
    advice:
      "dev has ended, or does not answer. What it did stays here; when it is started again it prints a new address."
  },
  stale: {
    sign: "off",
    word: "ended",
    advice: "The dev of this address has ended. Open the address that the new one printed."
  }
}

const Count = ({ noun, of }: { readonly of: number; readonly noun: string }) => (
  <span>
    <b>{of.toLocaleString("en")}</b> {counted(of, noun).replace(/^\S+ /, "")}
  </span>
)

/** Choices that a list offers at most. */
const offered = 500

const tablesIn = (items: ReadonlyArray<Item>): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const { transaction } of items) for (const table of tablesOf(transaction)) found.add(table)
  return [...found].toSorted()
}

const Choice = ({
  name,
  onChange,
  options,
  value
}: {
  readonly name: string
  readonly value: string | undefined
  readonly options: ReadonlyArray<string>
  readonly onChange: (value: string | undefined) => void
}) => (
  <label>
    <span>{name}</span>
    <select
      value={value === undefined ? "" : `=${value}`}
      onChange={({ currentTarget }) => onChange(currentTarget.value === "" ? undefined : currentTarget.value.slice(1))}
    >
      <option value="">all</option>
      {options.slice(0, offered).map((each) => (
        <option key={each} value={`=${each}`}>
          {nameOf(each)}
        </option>
      ))}
    </select>
  </label>
)

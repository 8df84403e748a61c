/**
 * The page: what is looked at above, the lanes, one transaction beside them, and the panels below.
 */
import { useEffect, useReducer, useRef, useState } from "preact/hooks"
import { Details } from "./Details.tsx"
import type { View } from "./draw.ts"
import { act, follow } from "./feed.ts"
import { dpu, nameOf } from "./format.ts"
import { signs } from "./palette.ts"
import { Cost, Faults, HotKeys, Refused, State } from "./Panels.tsx"
import { everything, type Filter, hotKeys, type Item, makeStore, tablesOf } from "./store.ts"
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
  const [keepsParameters, setKeepsParameters] = useState(false)
  useEffect(() => follow(store), [store])

  const pause = () => {
    store.pause(!store.paused)
    if (store.paused) setView((before) => before)
  }
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { target } = event
      const isTyping = target instanceof HTMLElement && /^(?:input|select|textarea|button)$/i.test(target.tagName)
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === "p" || event.key === " ") {
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
  return (
    <div class="page">
      <header class="bar">
        <h1>
          effect-dsql <span>console</span>
        </h1>
        <span class={`live ${store.connected ? (store.paused ? "paused" : "on") : "off"}`} role="status">
          {store.connected ? (store.paused ? "paused" : "live") : "not connected"}
        </span>
        <button type="button" aria-pressed={store.paused} onClick={pause} title="Pause (p)">
          {store.paused ? "Resume" : "Pause"}
        </button>
        <p class="numbers">
          <span>
            <b>{order.length.toLocaleString("en")}</b> transaction{order.length === 1 ? "" : "s"}
          </span>
          <span>
            <b>{conflicts.toLocaleString("en")}</b> conflict{conflicts === 1 ? "" : "s"}
          </span>
          <span>
            <b>{(state?.counts.roundTrips ?? 0).toLocaleString("en")}</b> round trips
          </span>
          <span>
            <b>{dpu((state?.counts.cost?.read ?? 0) + (state?.counts.cost?.write ?? 0))}</b>
          </span>
        </p>
      </header>
      <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <Choice
          name="label"
          value={filter.label}
          options={store.labels.map(({ label }) => label)}
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
            checked={keepsParameters}
            onChange={({ currentTarget }) => {
              const kept = currentTarget.checked
              void act({ _tag: "Parameters", kept }).then((ok) => setKeepsParameters(ok && kept))
            }}
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
      <nav role="tablist" aria-label="Panels">
        {(Object.keys(panels) as ReadonlyArray<Panel>).map((name) => (
          <button
            type="button"
            role="tab"
            key={name}
            id={`tab-${name}`}
            aria-selected={name === panel}
            aria-controls="panel"
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
  readonly value: string
  readonly options: ReadonlyArray<string>
  readonly onChange: (value: string) => void
}) => (
  <label>
    <span>{name}</span>
    <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
      <option value="">all</option>
      {options
        .filter((each) => each !== "")
        .map((each) => (
          <option key={each} value={each}>
            {nameOf(each)}
          </option>
        ))}
    </select>
  </label>
)

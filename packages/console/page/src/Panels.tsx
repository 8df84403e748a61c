/**
 * What stands below the lanes, a panel for each question.
 */
import { useState } from "preact/hooks"
import type { Action } from "../../src/Message.ts"
import { act } from "./feed.ts"
import { counted, dpu, lineOf, millis, nameOf } from "./format.ts"
import { hotKeys, type Store } from "./store.ts"

interface Props {
  readonly store: Store
  readonly onSelect: (id: number) => void
}

export const HotKeys = ({ onSelect, store }: Props) => {
  const keys = hotKeys(store.order, store.latest)
  const [most] = keys
  if (most === undefined)
    return <p class="empty">No two transactions have met in the last minute that anything was done.</p>
  return (
    <div class="split">
      <ul class="rows" aria-label="Rows by their conflicts in the last minute">
        {keys.map(({ attempts, conflicts, last, name, pairs }) => (
          <li key={name}>
            <button type="button" class="link" onClick={() => onSelect(last.id)}>
              {name}
            </button>
            <meter min={0} max={most.conflicts} value={conflicts} aria-label={`${conflicts} conflicts`} />
            <span>{counted(conflicts, "conflict")}</span>
            <span class="muted">up to {counted(attempts, "attempt")} a commit</span>
            <span class="muted">{pairs.map(([pair, times]) => `${pair} ${times}×`).join(", ")}</span>
          </li>
        ))}
      </ul>
      <aside class="advice">
        <h3>What to do about a hot row</h3>
        <p>
          <b>Queue.</b> Let writers of one row wait for each other in the process: give the operation that key (
          <code>Fence</code>), and they run one after the other.
        </p>
        <p>
          <b>Fence.</b> Let one owner write: whoever holds the row's token, in one guarded statement.
        </p>
        <p>
          <b>Shard.</b> Spread a counter over several rows and add them up when you read; append rather than update.
        </p>
      </aside>
    </div>
  )
}

export const Refused = ({ store }: Props) => {
  const refused = (store.state?.refused ?? []).toSorted((a, b) => b.at - a.at)
  if (refused.length === 0)
    return <p class="empty">Nothing was refused: all statements are as Aurora DSQL takes them.</p>
  return (
    <ul class="refused">
      {refused.map(({ hint, label, message, rule, sql, sqlstate, times }) => (
        <li key={`${label} ${sqlstate} ${sql}`}>
          <code>{lineOf(sql).slice(0, 300)}</code>
          <p>
            <b>{sqlstate}</b> {message}
          </p>
          {hint !== undefined && (
            <p>
              <b>Write it so:</b> {hint}
            </p>
          )}
          <p class="muted">
            {rule !== undefined && <>rule {rule} · </>}
            {nameOf(label)} · {times}×
          </p>
        </li>
      ))}
    </ul>
  )
}

export const Cost = ({ store }: Props) => {
  const spent = store.state?.spent ?? []
  const labels = Map.groupBy(spent, ({ label }) => label)
  const total = store.state?.counts
  return (
    <>
      <p>
        At least <b>{dpu((total?.cost?.read ?? 0) + (total?.cost?.write ?? 0))}</b> in{" "}
        {counted(total?.roundTrips ?? 0, "round trip")}, by AWS's published formulas for what is written and read. Not
        in it, because nobody outside the service can know it: the time that processing takes (Compute DPU), rows that
        were looked at and not given, and what transactions that failed wrote in vain.
      </p>
      {[...labels].map(([label, own]) => (
        <div class="scroll" key={label}>
          <table>
            <caption>
              {nameOf(label)}: {dpu(own.reduce((sum, { cost }) => sum + cost.read + cost.write, 0))}
              {Object.hasOwn(store.state?.roundTrips ?? {}, label) &&
                `, ${counted(store.state?.roundTrips[label] ?? 0, "round trip")}`}
            </caption>
            <thead>
              <tr>
                <th scope="col">statement</th>
                <th scope="col">times</th>
                <th scope="col" class="minor">
                  rows
                </th>
                <th scope="col" class="minor">
                  took
                </th>
                <th scope="col">Write DPU</th>
                <th scope="col">Read DPU</th>
              </tr>
            </thead>
            <tbody>
              {own.map(({ cost, millis: took, rows, sql, times }) => (
                <tr key={sql}>
                  <td>
                    <code>{sql === "" ? "others" : lineOf(sql).slice(0, 200)}</code>
                  </td>
                  <td>{times}</td>
                  <td class="minor">{rows}</td>
                  <td class="minor">{millis(took / times)}</td>
                  <td>{cost.write.toFixed(4)}</td>
                  <td>{cost.read.toFixed(4)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ))}
    </>
  )
}

interface Button {
  readonly name: string
  readonly does: string
  readonly action: Action
  /** The command line that does the same. */
  readonly command: string
}

const fault = (
  name: string,
  does: string,
  written: string,
  rule: Extract<Action, { _tag: "Inject" }>["rule"]
): Button => ({
  name,
  does,
  action: { _tag: "Inject", rule },
  command: `effect-dsql dev --fault ${written}`
})

/** SQL that asks the same of a running one: the command line has no word for it. */
const call = (request: string) => `psql -c "CALL emulator.control('${request}')"`

const buttons: ReadonlyArray<Button> = [
  fault("Conflict", "The next COMMIT fails with OC000.", "conflict@commit:times=1", {
    on: "commit",
    fault: "conflict",
    times: 1
  }),
  fault("Conflicts, one in ten", "COMMITs fail with OC000, as the seed decides.", "conflict@commit:10%", {
    on: "commit",
    fault: "conflict",
    probability: 0.1
  }),
  fault("Cut before COMMIT", "The next COMMIT cuts the connection, and has no effect.", "cut@commit:times=1", {
    on: "commit",
    fault: "cut",
    times: 1
  }),
  fault("Cut after COMMIT", "The next COMMIT takes effect, and its answer is lost.", "cut-after@commit:times=1", {
    on: "commit",
    fault: "cut-after",
    times: 1
  }),
  fault("Unavailable", "The next statement fails with XX000.", "unavailable@statement:times=1", {
    on: "statement",
    fault: "unavailable",
    times: 1
  }),
  fault("Expired token", "The next connection is refused.", "expired-token@connect:times=1", {
    on: "connect",
    fault: "expired-token",
    times: 1
  }),
  {
    name: "Latency of 20 ms",
    does: "Every round trip takes so long.",
    action: { _tag: "Latency", millis: 20 },
    command: "effect-dsql dev --fault latency:20ms"
  },
  {
    name: "A minute forward",
    does: "Transactions, connections and jobs age at once.",
    action: { _tag: "Advance", millis: 60_000 },
    command: call('{"advance": 60000}')
  },
  {
    name: "No more faults",
    does: "Takes all of them away, and the latency of every label.",
    action: { _tag: "Clear" },
    command: call('{"clear": true}')
  }
]

export const Faults = ({ store }: Props) => {
  const [done, setDone] = useState("")
  const happened = Object.entries(store.state?.happened ?? {})
  return (
    <>
      <p class="said" role="status">
        {done}
      </p>
      <p class="muted">
        The same rules and the same seed ({store.state?.seed ?? 1}) give the same faults.
        {happened.length > 0 && ` So far: ${happened.map(([name, times]) => `${name} ${times}×`).join(", ")}.`}
      </p>
      <ul class="faults">
        {buttons.map(({ action, command, does, name }) => (
          <li key={name}>
            <button
              type="button"
              onClick={() =>
                void act(action).then((ok) =>
                  setDone(ok ? `✓ ${name}: asked for` : `✕ ${name}: the emulator did not take it`)
                )
              }
            >
              {name}
            </button>
            <span>{does}</span>
            <code>
              {command}
              {command.includes("%") && ` --seed ${store.state?.seed ?? 1}`}
            </code>
          </li>
        ))}
      </ul>
    </>
  )
}

const limits = { rows: 3_000, bytes: 10 * 1024 * 1024, seconds: 300 }

export const State = ({ onSelect, store }: Props) => {
  const { state } = store
  const open = store.order.flatMap(({ transaction }) => (transaction.outcome === "open" ? [transaction] : []))
  return (
    <div class="split">
      <div>
        <h3>Open transactions, and their limits</h3>
        {open.length === 0 && <p class="empty">None is open.</p>}
        <ul class="limits">
          {open.slice(0, 50).map((each) => (
            <li key={each.id}>
              <button type="button" class="link" onClick={() => onSelect(each.id)}>
                #{each.id} {nameOf(each.label)}
              </button>
              <Used name="rows" used={each.rows} of={limits.rows} />
              <Used name="bytes" used={each.bytes} of={limits.bytes} />
              <Used
                name="seconds"
                used={Math.max(0, Math.round((store.now() - each.began) / 1000))}
                of={limits.seconds}
              />
            </li>
          ))}
        </ul>
      </div>
      <div>
        <h3>Sessions</h3>
        <p>
          {state?.connections ?? 0} connections, {state?.open ?? 0} open transactions
          {(state?.parked ?? 0) > 0 && `, ${state?.parked} of them parked`}
        </p>
        <h3>Databases and jobs</h3>
        {state?.databases.map(({ jobs, name, sessions }) => (
          <div key={name}>
            <p>
              <b>{name}</b> <span class="muted">{counted(sessions, "session")}</span>
            </p>
            <ul class="jobs">
              {jobs.map(({ id, object, status, type }) => (
                <li key={id}>
                  <span class={`status ${status}`}>{status}</span> {type} <span class="muted">{object ?? id}</span>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </div>
    </div>
  )
}

const Used = ({ name, of, used }: { readonly name: string; readonly used: number; readonly of: number }) => (
  <label class="used">
    <span class="muted">{name}</span>
    <meter min={0} max={of} high={of * 0.8} value={Math.min(used, of)} />
    <span>
      {used.toLocaleString("en")} <span class="muted">of {of.toLocaleString("en")}</span>
    </span>
  </label>
)

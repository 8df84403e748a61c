/**
 * One transaction in full: how it ended and why, whom it met, its statements.
 */
import type { Transaction } from "@effect-dsql/emulator/Watch"
import { counted, dpu, millis, nameOf } from "./format.ts"
import { signs } from "./palette.ts"
import { rowName, type Store } from "./store.ts"

interface Props {
  readonly store: Store
  readonly transaction: Transaction
  readonly onSelect: (id: number | undefined) => void
}

export const Details = ({ onSelect, store, transaction }: Props) => {
  const { attempt, bytes, conflict, cost, ended, first, outcome, roundTrips, rows, statements } = transaction
  const attempts = store.order.filter((each) => each.transaction.first === first).map((each) => each.transaction)
  return (
    <section class="details" aria-label="The selected transaction">
      <header>
        <span class={`sign ${outcome.replace(" ", "-")}`} aria-hidden="true">
          {signs[outcome]}
        </span>
        <h2>
          #{transaction.id} {nameOf(transaction.label)}
        </h2>
        <span class="muted">{outcome}</span>
        <button type="button" class="close" onClick={() => onSelect(undefined)} aria-label="Close">
          ✕
        </button>
      </header>
      {conflict !== undefined && <Met conflict={conflict} onSelect={onSelect} />}
      {conflict === undefined && transaction.message !== undefined && (
        <p class="reason">
          <b>{transaction.sqlstate}</b> {transaction.message}
        </p>
      )}
      {transaction.fault !== undefined && (
        <p class="reason">
          A fault that was asked for: <code>{transaction.fault}</code>
        </p>
      )}
      <dl class="facts">
        <Fact name="took" value={ended === undefined ? "still open" : millis(ended)} />
        <Fact name="round trips" value={String(roundTrips)} />
        <Fact name="rows changed" value={String(rows)} />
        <Fact name="bytes sent" value={bytes.toLocaleString("en")} />
        <Fact name="cost at least" value={dpu(cost.read + cost.write)} />
        <Fact name="database" value={transaction.database} />
      </dl>
      {attempts.length > 1 && (
        <p class="attempts">
          attempt {attempt}:{" "}
          {attempts.map((each) => (
            <button
              type="button"
              key={each.id}
              aria-pressed={each.id === transaction.id}
              onClick={() => onSelect(each.id)}
              title={each.outcome}
            >
              {signs[each.outcome]} #{each.id}
            </button>
          ))}
        </p>
      )}
      <ol class="statements">
        {statements.map((statement, index) => (
          <li key={index} class={statement.sqlstate === undefined ? "" : "bad"}>
            <span class="muted">
              +{millis(statement.at)}, {millis(statement.millis)}
              {statement.tables.length > 0 && `, ${counted(statement.rows, "row")}`}
            </span>
            <code>{statement.sql}</code>
            {statement.parameters !== undefined && statement.parameters.length > 0 && (
              <code class="parameters">
                {statement.parameters.map((each, i) => `$${i + 1} = ${each ?? "NULL"}`).join("   ")}
              </code>
            )}
            {statement.sqlstate !== undefined && (
              <span class="reason">
                <b>{statement.sqlstate}</b> {statement.message}
              </span>
            )}
          </li>
        ))}
      </ol>
      {transaction.omitted > 0 && <p class="muted">and {counted(transaction.omitted, "statement")} more</p>}
    </section>
  )
}

const Fact = ({ name, value }: { readonly name: string; readonly value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
)

const Met = ({
  conflict,
  onSelect
}: {
  readonly conflict: NonNullable<Transaction["conflict"]>
  readonly onSelect: (id: number) => void
}) => {
  const { code, injected, key, more, rival, statement, table } = conflict
  if (injected) return <p class="met">{code} was asked for: there is no rival.</p>
  return (
    <div class="met">
      <p>
        <b>{code}</b>
        {table !== undefined && (
          <>
            {" "}
            on <b class="row">{rowName(table, key)}</b>
            {more === true && " and other rows"}
          </>
        )}
      </p>
      {rival === undefined ? (
        <p>Somebody committed first.</p>
      ) : (
        <>
          <p>
            <button type="button" class="link" onClick={() => onSelect(rival.transaction)}>
              #{rival.transaction} {nameOf(rival.label)}
            </button>{" "}
            committed first:
          </p>
          {rival.statement !== undefined && <code>{rival.statement}</code>}
        </>
      )}
      {statement !== undefined && (
        <>
          <p>This one had:</p>
          <code>{statement}</code>
        </>
      )}
    </div>
  )
}

/**
 * What the metrics of a process say of its transactions, since it began.
 */
import { key, transaction } from "@effect-dsql/core/Metrics"
import { above, type Answer, count, failed, list, ok, percent, skipped, time } from "./answer.ts"
import type { Series } from "./series.ts"

/** Attempts below which a share says nothing. */
const few = 20
/** From here on conflicts are worth a word: every second transaction is tried twice. */
const manyAttempts = 1.5
/** The same for those that name their key, of which those of a process do not meet. */
const manyConflicts = 0.2
/** Milliseconds that nobody should wait for a key, or for a connection. */
export const longWait = 1_000

export const attempts = (series: Series): Answer => {
  const ended = series.by(`${transaction.latency.metric.id}_count`, "operation")
  const retried = series.by(transaction.retries.metric.id, "operation")
  const erred = series.by(transaction.errorClasses.metric.id, "operation")
  const operations = [...ended].map(([name, number]) => {
    const tried = number + (retried.get(name) ?? 0)
    return { name, tried, perTransaction: tried / Math.max(1, number), committed: number - (erred.get(name) ?? 0) }
  })
  if (operations.length === 0) return skipped("no transaction has ended yet")
  const tried = operations.reduce((sum, { tried }) => sum + tried, 0)
  const committed = operations.reduce((sum, { committed }) => sum + committed, 0)
  const perCommit = committed === 0 ? "" : `${(tried / committed).toFixed(2)} for each commit: `
  const found = `${perCommit}${count(tried)} attempts, ${count(committed)} commits`
  const hot = operations.filter(({ perTransaction, tried }) => tried >= few && perTransaction > manyAttempts)
  if (hot.length === 0) return ok(found)
  const said = list(
    new Map(hot.map(({ name, perTransaction }) => [name, perTransaction])),
    (name, number) => `${name} ${number.toFixed(1)}`
  )
  return failed(
    `${found}; attempts for each transaction of ${said}`,
    "name their key (keys), group what composes (GroupCommit), or split the row"
  )
}

export const conflicts = (series: Series): Answer => {
  const attempts = series.by(key.attempts.metric.id, "key_class")
  const lost = series.by(transaction.conflicts.metric.id, "operation")
  if (attempts.size === 0) {
    const all = series.sum(transaction.conflicts.metric.id)
    return skipped(
      all === 0
        ? "no transaction names a key, and none has lost a conflict"
        : `no transaction names a key; conflicts of ${list(lost)}`
    )
  }
  const conflicts = series.by(key.conflicts.metric.id, "key_class")
  const share = (table: string) => (conflicts.get(table) ?? 0) / Math.max(1, attempts.get(table) ?? 0)
  const shares = new Map([...attempts.keys()].map((table) => [table, share(table)]))
  const found = list(shares, (table, share) => `${table} ${percent(share)} of ${count(attempts.get(table) ?? 0)}`)
  return [...attempts].some(([table, number]) => number >= few && share(table) > manyConflicts)
    ? failed(
        found,
        "others change the same rows from other processes, or without naming them: Transaction.hottest, in the process, has the row"
      )
    : ok(found)
}

export const keys = (series: Series): Answer => {
  const refused = above(series.by(key.refusals.metric.id, "key_class"))
  if (refused.size > 0) {
    return failed(`refused, because as many waited as may: ${list(refused)}`, "group what composes, or split the row")
  }
  const waits = series.means(key.wait.metric.id, "key_class")
  if (waits.size === 0) return ok("nobody has waited for a key")
  const means = new Map([...waits].map(([table, { mean }]) => [table, mean]))
  const found = list(means, (table, mean) => `${table} ${time(mean)}, ${count(waits.get(table)?.count ?? 0)} times`)
  return above(means, longWait).size > 0
    ? failed(
        `long waits: ${found}`,
        "Transaction.hottest, in the process, has the key: group what composes, or split the row"
      )
    : ok(found)
}

export const retries = (series: Series): Answer => {
  const exhausted = above(series.by(transaction.exhausted.metric.id, "operation"))
  return exhausted.size === 0
    ? ok("nobody gave up")
    : failed(
        `gave up after conflicts: ${list(exhausted)}`,
        "lower the contention, or give the operation a longer policy"
      )
}

export const quota = (series: Series): Answer => {
  const unpaid = above(series.by(transaction.unpaid.metric.id, "operation"))
  return unpaid.size === 0
    ? ok("no retry was refused")
    : failed(
        `empty, so not tried again: ${list(unpaid)}`,
        "name the keys of the transactions that conflict, or raise retryQuota"
      )
}

export const outcomes = (series: Series): Answer => {
  const classes = series.by(transaction.errorClasses.metric.id, "error_class")
  const unknown = classes.get("CommitOutcomeUnknown") ?? 0
  const said = classes.size === 0 ? "no transaction has failed" : `errors: ${list(classes)}`
  return unknown === 0
    ? ok(said)
    : failed(said, "give what ends with CommitOutcomeUnknown a verify, or look at what it wrote before it is run again")
}

/**
 * What transactions that name keys report, by the class of the key: its table.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Metrics from "../../Metrics.ts"
import { labelled, update } from "../metrics/labelled.ts"
import * as rareLog from "../metrics/rareLog.ts"
import type { Named } from "./key.ts"
import type { State } from "./state.ts"

/** A program has few tables; one that makes classes up has its later ones counted together. */
const most = 100

const known = new Set<string>()

const classOf = (table: string): string => {
  if (known.has(table)) return table
  if (known.size >= most) return "other"
  known.add(table)
  return table
}

/** Each class once: a transaction that names two keys of a table is one of that table. */
const classes = (keys: ReadonlyArray<Named>): ReadonlyArray<string> => [
  ...new Set(keys.map(({ key }) => classOf(key.table)))
]

/** A transaction waited for keys, whether it got them or not. */
export const waited = (
  { hottest, lines }: State,
  keys: ReadonlyArray<Named>,
  millis: number,
  now: number
): Effect.Effect<void> => {
  for (const one of keys) hottest.waited(one, millis, now)
  return Effect.forEach(
    classes(keys),
    (key_class) =>
      Effect.andThen(
        update(Metrics.key.wait, { key_class }, millis),
        rareLog.log(
          "Debug",
          "transaction waited for its key",
          { key_class, waitMillis: millis, waiting: lines.waiting() },
          `key ${key_class}`
        )
      ),
    { discard: true }
  )
}

/** An attempt lost a conflict, although nobody else of the client had its keys. */
export const conflicted = ({ hottest }: State, keys: ReadonlyArray<Named>, now: number): Effect.Effect<void> => {
  for (const one of keys) hottest.conflicted(one, now)
  return Effect.forEach(classes(keys), (key_class) => update(Metrics.key.conflicts, { key_class }, 1), {
    discard: true
  })
}

/** Every transaction that names a key reports its attempts, so the labelled metric is made once for each class. */
const attemptsOf = new Map<string, Metric.Metric<number, unknown>>()

const attempted = (key_class: string, attempts: number): Effect.Effect<void> => {
  const known = attemptsOf.get(key_class)
  const series = known ?? labelled(Metrics.key.attempts, { key_class })
  if (known === undefined) attemptsOf.set(key_class, series)
  return Metric.update(series, attempts)
}

/** A transaction is over that named keys. */
export const ended = (keys: ReadonlyArray<Named>, attempts: number): Effect.Effect<void> => {
  const [first] = keys
  if (attempts === 0 || first === undefined) return Effect.void
  if (keys.length === 1) return attempted(classOf(first.key.table), attempts)
  return Effect.forEach(classes(keys), (key_class) => attempted(key_class, attempts), { discard: true })
}

/** As many wait as may. */
export const refused = (table: string): Effect.Effect<void> =>
  update(Metrics.key.refusals, { key_class: classOf(table) }, 1)

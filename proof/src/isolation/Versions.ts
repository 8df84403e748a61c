/**
 * The order in which the versions of each object came to be, as far as a history shows it, and the anomalies that
 * are visible without looking for cycles.
 */
import type { Anomaly } from "./Anomaly.ts"
import { type History, isWrite, type Operation, type Transaction } from "./History.ts"

/** One object's history. */
export interface Versions {
  /** Each version that somebody saw, oldest first. Of a register, only where its order is known. */
  readonly order: ReadonlyArray<number>
  /** Values of committed transactions that nobody saw: of a list, they come after all of `order`. */
  readonly unseen: ReadonlyArray<number>
}

export interface Recovered {
  readonly versions: ReadonlyMap<string, Versions>
  /** Which transaction wrote a value. */
  readonly writer: (key: string, value: number) => Transaction | undefined
  readonly anomalies: ReadonlyArray<Anomaly>
  /** The transactions that took part: committed, or of unknown outcome and seen by others. */
  readonly members: ReadonlyArray<Transaction>
}

const place = (key: string, value: number) => `${key}\0${value}`

/** Recovers what can be recovered. */
export const recover = (history: History): Recovered => {
  const writers = new Map<string, Transaction>()
  const last = new Map<string, number>()
  const anomalies: Array<Anomaly> = []
  for (const transaction of history) {
    for (const operation of transaction.operations) {
      if (!isWrite(operation)) continue
      writers.set(place(operation.key, operation.value), transaction)
      last.set(place(operation.key, transaction.id), operation.value)
    }
  }
  const writer = (key: string, value: number) => writers.get(place(key, value))
  const seen = new Set<number>()
  for (const transaction of history) {
    if (transaction.outcome === "Aborted") continue
    anomalies.push(...internal(transaction))
    for (const { key, values } of reads(transaction)) {
      for (const value of values) {
        const from = writer(key, value)
        if (from !== undefined && from !== transaction) seen.add(from.id)
      }
      anomalies.push(...dirty(transaction, key, values, writer, (by) => last.get(place(key, by.id))))
    }
  }
  const members = history.filter(
    ({ id, outcome }) => outcome === "Committed" || (outcome === "Unknown" && seen.has(id))
  )
  const versions = new Map<string, Versions>()
  for (const [key, observed] of observations(members)) {
    const longest = observed.reduce((a, b) => (b.values.length > a.values.length ? b : a))
    for (const other of observed) {
      if (other.values.some((value, index) => value !== longest.values[index])) {
        anomalies.push({
          name: "incompatible-order",
          transactions: [longest.by.id, other.by.id],
          explanation: `${key} was read as [${longest.values.join(" ")}] and as [${other.values.join(" ")}]`
        })
      }
    }
    const known = new Set(longest.values)
    const unseen = members.flatMap(({ operations }) =>
      operations.flatMap((it) => (it._tag === "Append" && it.key === key && !known.has(it.value) ? [it.value] : []))
    )
    versions.set(key, { order: longest.values, unseen })
  }
  return { versions, writer, anomalies: [...anomalies, ...lostUpdates(members)], members }
}

/** Reads of each list from outside: what a transaction appended itself is taken off. */
const observations = (members: ReadonlyArray<Transaction>) => {
  const found = new Map<string, Array<{ readonly by: Transaction; readonly values: ReadonlyArray<number> }>>()
  for (const by of members) {
    for (const operation of by.operations) {
      if (operation._tag === "Append" && !found.has(operation.key)) found.set(operation.key, [{ by, values: [] }])
      if (operation._tag !== "ReadList") continue
      found.set(operation.key, [...(found.get(operation.key) ?? []), { by, values: operation.values }])
    }
  }
  return found
}

/** Every read of a transaction, a register's as a list of at most one value. */
const reads = (transaction: Transaction) =>
  transaction.operations.flatMap((operation) => {
    if (operation._tag === "ReadList") return [{ key: operation.key, values: operation.values }]
    if (operation._tag === "Read" && operation.value !== undefined) {
      return [{ key: operation.key, values: [operation.value] }]
    }
    return []
  })

/** Reads of what never was, was rolled back, or was not yet finished. */
const dirty = (
  by: Transaction,
  key: string,
  values: ReadonlyArray<number>,
  writer: (key: string, value: number) => Transaction | undefined,
  lastOf: (transaction: Transaction) => number | undefined
): ReadonlyArray<Anomaly> => {
  const found: Array<Anomaly> = []
  if (new Set(values).size < values.length) {
    found.push({ name: "duplicate", transactions: [by.id], explanation: `${key} was read as [${values.join(" ")}]` })
  }
  for (const value of values) {
    const from = writer(key, value)
    if (from === undefined) {
      found.push({ name: "phantom", transactions: [by.id], explanation: `${value} in ${key} was written by nobody` })
    } else if (from.outcome === "Aborted") {
      found.push({ name: "G1a", transactions: [from.id, by.id], explanation: `${value} in ${key} was rolled back` })
    }
  }
  const newest = values.at(-1)
  const from = newest === undefined ? undefined : writer(key, newest)
  if (from !== undefined && from !== by && lastOf(from) !== newest) {
    found.push({
      name: "G1b",
      transactions: [from.id, by.id],
      explanation: `${newest} in ${key} is not the last that its transaction wrote`
    })
  }
  return found
}

/** A transaction sees its own writes, and what it has read stays as it was. */
const internal = (transaction: Transaction): ReadonlyArray<Anomaly> => {
  const known = new Map<string, ReadonlyArray<number>>()
  const appended = new Map<string, ReadonlyArray<number>>()
  const found: Array<Anomaly> = []
  const expect = (operation: Operation, expected: ReadonlyArray<number>, actual: ReadonlyArray<number>) => {
    if (expected.length === actual.length && expected.every((value, index) => value === actual[index])) return
    const explanation = `${operation.key} was read as [${actual.join(" ")}] where [${expected.join(" ")}] was expected`
    found.push({ name: "internal", transactions: [transaction.id], explanation })
  }
  for (const operation of transaction.operations) {
    const { key } = operation
    const before = known.get(key)
    switch (operation._tag) {
      case "Append": {
        if (before !== undefined) known.set(key, [...before, operation.value])
        appended.set(key, [...(appended.get(key) ?? []), operation.value])
        break
      }
      case "ReadList": {
        const own = appended.get(key) ?? []
        if (before !== undefined) expect(operation, before, operation.values)
        else if (own.length > 0) expect(operation, own, operation.values.slice(-own.length))
        known.set(key, operation.values)
        break
      }
      case "Write": {
        known.set(key, [operation.value])
        break
      }
      case "Read": {
        const actual = operation.value === undefined ? [] : [operation.value]
        if (before !== undefined) expect(operation, before, actual)
        known.set(key, actual)
      }
    }
  }
  return found
}

/** Of a register: who replaced which version, where the same transaction read it first. */
export const replacements = (transaction: Transaction) => {
  const first = new Map<string, number | undefined>()
  const written = new Map<string, number>()
  for (const operation of transaction.operations) {
    const { key } = operation
    if (operation._tag === "Read" && !first.has(key) && !written.has(key)) first.set(key, operation.value)
    if (operation._tag === "Write") written.set(key, operation.value)
  }
  return [...first].flatMap(([key, from]) => {
    const to = written.get(key)
    return to === undefined ? [] : [{ key, from, to }]
  })
}

const lostUpdates = (members: ReadonlyArray<Transaction>): ReadonlyArray<Anomaly> => {
  const first = new Map<string, number>()
  const found: Array<Anomaly> = []
  for (const transaction of members) {
    for (const { key, from } of replacements(transaction)) {
      const at = `${key}\0${from}`
      const other = first.get(at)
      if (other === undefined) first.set(at, transaction.id)
      else {
        const explanation = `both replaced ${from ?? "nothing"} in ${key}`
        found.push({ name: "lost-update", transactions: [other, transaction.id], explanation })
      }
    }
  }
  return found
}

/**
 * The direct serialisation graph: which transaction has to come before which, and why.
 */
import type { Transaction } from "./History.ts"
import { type Recovered, replacements } from "./Versions.ts"

/**
 * `ww`: the other overwrote it. `wr`: the other read it. `rw`: the other overwrote what this one read. `session` and
 * `time`: this one had ended, for its session or for everybody, before the other began.
 */
export type Kind = "ww" | "wr" | "rw" | "session" | "time"

export interface Dependency {
  readonly from: number
  readonly to: number
  readonly kind: Kind
  /** For people. */
  readonly because: string
}

/** All dependencies between the transactions that took part. */
export const dependencies = (recovered: Recovered): ReadonlyArray<Dependency> => {
  const found: Array<Dependency> = []
  const ids = new Set(recovered.members.map(({ id }) => id))
  const add = (from: number | undefined, to: number | undefined, kind: Kind, because: string) => {
    if (from === undefined || to === undefined || from === to || !ids.has(from) || !ids.has(to)) return
    found.push({ from, to, kind, because })
  }
  const writerId = (key: string, value: number | undefined) =>
    value === undefined ? undefined : recovered.writer(key, value)?.id
  for (const [key, { order, unseen }] of recovered.versions) {
    for (const [index, value] of order.entries()) {
      const next = order[index + 1]
      add(writerId(key, value), writerId(key, next), "ww", `${key}: ${value} then ${next}`)
    }
    const newest = order.at(-1)
    for (const value of unseen)
      add(writerId(key, newest), writerId(key, value), "ww", `${key}: ${newest} then ${value}`)
  }
  for (const { id, operations } of recovered.members) {
    for (const operation of operations) {
      const { key } = operation
      if (operation._tag === "Read") {
        add(writerId(key, operation.value), id, "wr", `${key}: read ${operation.value}`)
      }
      if (operation._tag !== "ReadList") continue
      const newest = operation.values.at(-1)
      add(writerId(key, newest), id, "wr", `${key}: read up to ${newest}`)
      const { order = [], unseen = [] } = recovered.versions.get(key) ?? {}
      const next = order[operation.values.length]
      // Without a next version that anybody saw, each that nobody saw came later.
      for (const value of next === undefined ? unseen : [next]) {
        add(id, writerId(key, value), "rw", `${key}: did not see ${value}`)
      }
    }
  }
  for (const edge of registers(recovered)) add(edge.from, edge.to, edge.kind, edge.because)
  return [...found, ...sessions(recovered.members), ...times(recovered.members)]
}

/** Of registers, an order is known where a transaction read what it replaced. */
const registers = (recovered: Recovered): ReadonlyArray<Dependency> => {
  const found: Array<Dependency> = []
  const readers = new Map<string, Array<number>>()
  for (const { id, operations } of recovered.members) {
    for (const operation of operations) {
      if (operation._tag !== "Read") continue
      const at = `${operation.key}\0${operation.value}`
      readers.set(at, [...(readers.get(at) ?? []), id])
    }
  }
  for (const transaction of recovered.members) {
    for (const { from, key, to } of replacements(transaction)) {
      const writer = from === undefined ? undefined : recovered.writer(key, from)?.id
      const because = `${key}: ${from ?? "nothing"} then ${to}`
      if (writer !== undefined) found.push({ from: writer, to: transaction.id, kind: "ww", because })
      for (const reader of readers.get(`${key}\0${from}`) ?? []) {
        found.push({ from: reader, to: transaction.id, kind: "rw", because: `${key}: did not see ${to}` })
      }
    }
  }
  return found
}

/** The transactions of one session follow each other as they stand in the history. */
const sessions = (members: ReadonlyArray<Transaction>): ReadonlyArray<Dependency> => {
  const last = new Map<number, number>()
  return members.flatMap(({ id, session }) => {
    const before = last.get(session)
    last.set(session, id)
    return before === undefined ? [] : [{ from: before, to: id, kind: "session", because: `session ${session}` }]
  })
}

/** Who had ended before who began; what follows from two others is left out. */
const times = (members: ReadonlyArray<Transaction>): ReadonlyArray<Dependency> => {
  const timed = members.flatMap(({ began, ended, id }) =>
    began === undefined || ended === undefined ? [] : [{ began, ended, id }]
  )
  const byBeginning = timed.toSorted((a, b) => a.began - b.began)
  return timed.flatMap((earlier) => {
    const found: Array<Dependency> = []
    let soonest = Number.POSITIVE_INFINITY
    for (let at = firstAfter(byBeginning, earlier.ended); at < byBeginning.length; at++) {
      const later = byBeginning[at]
      if (later === undefined || later.began > soonest) break
      soonest = Math.min(soonest, later.ended)
      found.push({ from: earlier.id, to: later.id, kind: "time", because: "ended before the other began" })
    }
    return found
  })
}

const firstAfter = (sorted: ReadonlyArray<{ readonly began: number }>, time: number): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle]?.began ?? Number.POSITIVE_INFINITY) > time) high = middle
    else low = middle + 1
  }
  return low
}

/**
 * What the page knows: the last transactions in bounded memory, each on a lane, and how the emulator stands.
 */
import type { State } from "../../src/Message.ts"
import type { Transaction } from "@effect-dsql/emulator/Watch"
import { nameOf, short } from "./format.ts"

/** A transaction with its place among the lanes. */
export interface Item {
  transaction: Transaction
  /** The lane of its label, from 0. */
  readonly slot: number
}

/** What is shown of all there is; all where it is left open. */
export interface Filter {
  readonly label: string | undefined
  readonly table: string | undefined
  readonly outcome: string | undefined
}

/** Whether the server answers: not yet; it does; it does no longer; another one answers in its place. */
export type Link = "opening" | "up" | "down" | "stale"

/** Transactions that a page keeps. */
export const most = 10_000

/** Words of the server on its time that are compared. */
const remembered = 8

/** Lanes of one label: what does not fit shares the last one. */
const lanesAtMost = 24

export const everything: Filter = { label: undefined, table: undefined, outcome: undefined }

/** Tables that a transaction names. */
export const tablesOf = ({ statements }: Transaction): ReadonlySet<string> =>
  new Set(statements.flatMap(({ tables }) => tables))

export const matches = (transaction: Transaction, filter: Filter): boolean =>
  (filter.label === undefined || transaction.label === filter.label) &&
  (filter.outcome === undefined || transaction.outcome === filter.outcome) &&
  (filter.table === undefined || tablesOf(transaction).has(filter.table))

export const endOf = (transaction: Transaction, now: number): number =>
  transaction.ended === undefined ? Math.max(now, transaction.began) : transaction.began + transaction.ended

/** Makes an empty store; `onChange` is called after each change. */
export const makeStore = (onChange: () => void) => {
  const items = new Map<number, Item>()
  /** In the order in which they began, about. */
  let order: Array<Item> = []
  const lanes = new Map<string, Array<number>>()
  let longest = 0
  let paused = false
  let waiting: Array<Transaction> = []
  let state: State | undefined
  /** What the server's clock is ahead of this one's: at least as much as any of its last words says, which took a while. */
  let ahead = 0
  let said: Array<number> = []
  let link: Link = "opening"
  let latest = 0
  /** The time that is shown, while it stands still. */
  let still: number | undefined

  const running = () => Date.now() + ahead
  /** Takes it that the server's time is later than this. */
  const isPast = (time: number) => {
    ahead = Math.max(ahead, time - Date.now())
  }
  const hold = () => {
    still = paused || link === "down" || link === "stale" ? (still ?? running()) : undefined
  }

  /** The first lane of a label on which nothing is at that time. */
  const slotOf = ({ began, ended, label }: Transaction): number => {
    const ends = lanes.get(label) ?? []
    lanes.set(label, ends)
    const free = ends.findIndex((end) => end < began)
    const slot = Math.min(free === -1 ? ends.length : free, lanesAtMost - 1)
    ends[slot] = ended === undefined ? Infinity : began + ended
    return slot
  }

  const take = (transaction: Transaction) => {
    const known = items.get(transaction.id)
    if (known !== undefined) {
      known.transaction = transaction
      const ends = lanes.get(transaction.label)
      if (transaction.ended !== undefined && ends !== undefined)
        ends[known.slot] = transaction.began + transaction.ended
    } else {
      const item = { transaction, slot: slotOf(transaction) }
      items.set(transaction.id, item)
      // Most come as the last one; the others not far before.
      let at = order.length
      while (at > 0 && (order[at - 1]?.transaction.began ?? 0) > transaction.began) at--
      order.splice(at, 0, item)
    }
    longest = Math.max(longest, transaction.ended ?? 0)
    latest = Math.max(latest, transaction.began + (transaction.ended ?? 0))
    isPast(latest)
  }

  const trim = () => {
    if (order.length <= most) return
    for (const { transaction } of order.slice(0, order.length - most)) items.delete(transaction.id)
    order = order.slice(order.length - most)
    const labels = new Set(order.map(({ transaction }) => transaction.label))
    for (const label of lanes.keys()) if (!labels.has(label)) lanes.delete(label)
  }

  const add = (transactions: ReadonlyArray<Transaction>) => {
    for (const each of transactions) take(each)
    trim()
    onChange()
  }

  return {
    add: (transactions: ReadonlyArray<Transaction>) => {
      if (!paused) return add(transactions)
      waiting.push(...transactions)
      if (waiting.length > 2 * most) waiting = waiting.slice(-most)
    },
    setState: (next: State) => {
      state = next
      said = [...said, next.now - Date.now()].slice(-remembered)
      ahead = Math.max(...said)
      isPast(latest)
      onChange()
    },
    setLink: (next: Link) => {
      link = next
      hold()
      onChange()
    },
    pause: (next: boolean) => {
      paused = next
      hold()
      if (!next) {
        add(waiting)
        waiting = []
      }
      onChange()
    },
    get: (id: number) => items.get(id),
    get order() {
      return order
    },
    get longest() {
      return longest
    },
    get latest() {
      return latest
    },
    get labels() {
      return [...lanes.keys()].toSorted()
    },
    get state() {
      return state
    },
    get paused() {
      return paused
    },
    get link() {
      return link
    },
    now: () => still ?? running()
  }
}

export type Store = ReturnType<typeof makeStore>

/** A row that transactions meet on. */
export interface HotKey {
  readonly name: string
  readonly conflicts: number
  /** Who lost against whom, with how often. */
  readonly pairs: ReadonlyArray<readonly [string, number]>
  readonly attempts: number
  readonly last: Transaction
}

/** The rows by their conflicts in the last minute before some time, those with most first. */
export const hotKeys = (order: ReadonlyArray<Item>, now: number): ReadonlyArray<HotKey> => {
  const found = new Map<
    string,
    { conflicts: number; pairs: Map<string, number>; attempts: Array<number>; last: Transaction }
  >()
  for (let i = order.length - 1; i >= 0; i--) {
    const transaction = order[i]?.transaction
    if (transaction === undefined || transaction.began < now - 60_000) break
    const { conflict } = transaction
    if (conflict?.table === undefined) continue
    const name = rowName(conflict.table, conflict.key)
    const known = found.get(name) ?? { conflicts: 0, pairs: new Map<string, number>(), attempts: [], last: transaction }
    const pair = `${nameOf(transaction.label)} lost to ${nameOf(conflict.rival?.label ?? "somebody")}`
    known.conflicts++
    known.pairs.set(pair, (known.pairs.get(pair) ?? 0) + 1)
    known.attempts.push(transaction.attempt)
    found.set(name, known)
  }
  return [...found]
    .map(([name, { attempts, conflicts, last, pairs }]) => ({
      name,
      conflicts,
      last,
      attempts: Math.max(...attempts) + 1,
      pairs: [...pairs].toSorted(([, a], [, b]) => b - a)
    }))
    .toSorted((a, b) => b.conflicts - a.conflicts)
    .slice(0, 20)
}

/** A row by its table and key, in a few words. */
export const rowName = (table: string, key: Readonly<Record<string, string>> | undefined): string =>
  key === undefined
    ? short(table)
    : `${short(table)} ${Object.entries(key)
        .map(([column, value]) => `${short(column)}=${short(value)}`)
        .join(" ")}`

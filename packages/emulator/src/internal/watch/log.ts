/**
 * The log of an emulator that watches: its last transactions in bounded memory, and what all of them cost.
 */
import { Cost } from "@effect-dsql/dialect"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Watch from "../../Watch.ts"
import type { Refusal } from "../statement/refusal.ts"
import { now } from "./clock.ts"
import { cut, sizeOf, told, type Trace } from "./trace.ts"

/** What is kept at most: transactions that have ended, characters of them, refused texts, shapes with a cost of their own. */
export const most = { transactions: 20_000, characters: 32 * 1024 * 1024, refused: 500, spent: 2_000 }

/** A log that witnesses write, and that is read by whoever asks. */
export interface Log {
  /** Whether parameters are kept. */
  parameters: boolean
  readonly begin: (trace: Omit<Trace, "id" | "revision" | "first" | "attempt">) => Trace
  /** Says that a transaction has changed. */
  readonly changed: (trace: Trace) => void
  readonly end: (trace: Trace) => void
  /** Joins a transaction to the attempt that it repeats, once its first statement is known. */
  readonly join: (trace: Trace, first: string, parameters: string) => void
  /** Remembers that a statement was refused. */
  readonly refuse: (label: string, sql: string, refusal: Refusal) => void
  /** Transactions of a database that committed after a place in the order of commits, the first one first. */
  readonly committedAfter: (database: string, sequence: number) => ReadonlyArray<Trace>
  /** The last transaction of a database that defined something. */
  readonly lastDefinition: (database: string) => Trace | undefined
  readonly transactions: (after: number) => ReadonlyArray<Watch.Transaction>
  readonly conflicts: (label: string | undefined) => ReadonlyArray<Watch.Conflict>
  readonly refused: () => ReadonlyArray<Watch.Refused>
  readonly spent: (label: string | undefined) => ReadonlyArray<Watch.Spent>
  readonly cost: (label: string | undefined) => Watch.Cost
  /** Is over when any transaction has changed after a revision. */
  readonly awaitChange: (after: number) => Effect.Effect<void>
  readonly reset: () => void
}

/** A transaction that lost and may be tried again. */
interface Lost {
  readonly trace: Trace
  readonly first: string
  readonly parameters: string
}

const none: Watch.Cost = { write: 0, read: 0 }

const plus = (a: Watch.Cost, b: Watch.Cost): Watch.Cost => ({ write: a.write + b.write, read: a.read + b.read })

const matches = (label: string | undefined, own: string): boolean =>
  label === undefined || label === "" || label === own

/** How many that lost are remembered. */
const lostAtMost = 256

/** Makes an empty log. */
export const make = (): Log => {
  let ids = 0
  let revision = 0
  const open = new Set<Trace>()
  /** In the order in which they ended, which is that of their revisions. */
  let ended: Array<Trace> = []
  let characters = 0
  let lost: Array<Lost> = []
  const firsts = new WeakMap<Trace, Omit<Lost, "trace">>()
  const refused = new Map<string, { readonly [K in keyof Watch.Refused]: Watch.Refused[K] }>()
  const spent = new Map<string, Watch.Spent>()
  const costs = new Map<string, Watch.Cost>()
  let conflicts: Array<Watch.Conflict> = []
  const definitions = new Map<string, Trace>()
  let change: Deferred.Deferred<void> | undefined

  const tell = () => {
    const waiting = change
    change = undefined
    // Whoever waits goes on at once.
    if (waiting !== undefined) Deferred.doneUnsafe(waiting, Effect.void)
  }

  const changed = (trace: Trace) => {
    trace.revision = ++revision
    tell()
  }

  const charge = (trace: Trace) => {
    const reads = [...trace.charges.values()].reduce((total, { read }) => total + read, 0)
    const writes = [...trace.charges.values()].reduce((total, { write }) => total + write, 0)
    const isCommitted = trace.outcome === "committed"
    trace.cost = { read: Cost.readDpu(reads), write: isCommitted ? Cost.writeDpu(writes) : 0 }
    costs.set(trace.label, plus(costs.get(trace.label) ?? none, trace.cost))
    for (const [sql, own] of trace.charges) {
      const name = `${trace.label}\0${sql}`
      const isRoomy = spent.has(name) || spent.size < most.spent
      const slot = isRoomy ? name : `${trace.label}\0`
      const before = spent.get(slot) ?? {
        label: trace.label,
        sql: isRoomy ? sql : "",
        times: 0,
        rows: 0,
        millis: 0,
        cost: none
      }
      spent.set(slot, {
        ...before,
        times: before.times + own.times,
        rows: before.rows + own.rows,
        millis: before.millis + own.millis,
        cost: plus(before.cost, {
          read: reads === 0 ? 0 : (trace.cost.read * own.read) / reads,
          write: writes === 0 ? 0 : (trace.cost.write * own.write) / writes
        })
      })
    }
    trace.charges.clear()
  }

  const keep = (trace: Trace) => {
    ended.push(trace)
    characters += sizeOf(trace)
    if (ended.length <= most.transactions && characters <= most.characters) return
    ended = ended.slice(Math.ceil(ended.length / 4))
    characters = ended.reduce((total, each) => total + sizeOf(each), 0)
  }

  return {
    parameters: false,
    begin: (begun) => {
      const id = ++ids
      const trace = { ...begun, id, revision: 0, first: id, attempt: 1 }
      open.add(trace)
      changed(trace)
      return trace
    },
    changed,
    end: (trace) => {
      open.delete(trace)
      charge(trace)
      if (trace.definition !== undefined && trace.outcome === "committed") definitions.set(trace.database, trace)
      if (trace.conflict !== undefined) {
        conflicts.push(trace.conflict)
        if (conflicts.length > most.transactions) conflicts = conflicts.slice(most.transactions / 4)
      }
      const first = firsts.get(trace)
      firsts.delete(trace)
      const isTriedAgain = trace.outcome === "conflict" || trace.outcome === "cut" || trace.fault !== undefined
      if (isTriedAgain && first !== undefined) {
        lost.push({ trace, ...first })
        if (lost.length > lostAtMost) lost.shift()
      }
      trace.revision = ++revision
      keep(trace)
      tell()
    },
    join: (trace, text, parameters) => {
      const first = cut(text)
      firsts.set(trace, { first, parameters })
      const at = lost.findLastIndex(
        (each) =>
          each.first === first &&
          each.trace.label === trace.label &&
          each.trace.database === trace.database &&
          (each.parameters === parameters || each.trace.connection === trace.connection)
      )
      const before = lost[at]?.trace
      if (before === undefined) return
      trace.first = before.first
      trace.attempt = before.attempt + 1
      lost = lost.toSpliced(at, 1)
    },
    refuse: (label, text, { hint, message, rule, sqlstate }) => {
      const sql = cut(text)
      const name = `${label}\0${sqlstate}\0${sql}`
      const before = refused.get(name)
      // The oldest goes where there is no more room; one that comes again is new again.
      refused.delete(name)
      const [oldest] = refused.keys()
      if (refused.size >= most.refused && oldest !== undefined) refused.delete(oldest)
      refused.set(name, {
        sql,
        label,
        ...(rule !== undefined && { rule }),
        sqlstate,
        message: cut(message),
        ...(hint !== undefined && { hint: cut(hint) }),
        times: (before?.times ?? 0) + 1,
        at: now()
      })
    },
    committedAfter: (database, sequence) => {
      const found: Array<Trace> = []
      for (let i = ended.length - 1; i >= 0; i--) {
        const each = ended[i]
        if (each?.database !== database || each.sequence === undefined) continue
        // They end in about the order in which they commit.
        if (each.sequence <= sequence - 100) break
        if (each.sequence > sequence) found.push(each)
      }
      // One that has committed and not been answered is still open.
      for (const each of open) if (each.database === database && (each.sequence ?? 0) > sequence) found.push(each)
      return found.toSorted((a, b) => (a.sequence ?? 0) - (b.sequence ?? 0))
    },
    lastDefinition: (database) => definitions.get(database),
    transactions: (after) => {
      const found: Array<Trace> = []
      for (let i = ended.length - 1; i >= 0; i--) {
        const each = ended[i]
        if (each === undefined || each.revision <= after) break
        found.push(each)
      }
      for (const each of open) if (each.revision > after) found.push(each)
      return found.toSorted((a, b) => a.revision - b.revision).map(told)
    },
    conflicts: (label) => conflicts.filter((each) => matches(label, each.label)),
    refused: () => [...refused.values()],
    spent: (label) => [...spent.values()].filter((each) => matches(label, each.label)),
    cost: (label) => {
      let total = none
      for (const [own, cost] of costs) if (matches(label, own)) total = plus(total, cost)
      return total
    },
    awaitChange: (after) =>
      Effect.suspend(() => {
        if (revision > after) return Effect.void
        change ??= Deferred.makeUnsafe()
        return Deferred.await(change)
      }),
    reset: () => {
      ended = []
      characters = 0
      lost = []
      conflicts = []
      refused.clear()
      spent.clear()
      costs.clear()
    }
  }
}

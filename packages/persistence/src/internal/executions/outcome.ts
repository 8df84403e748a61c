/**
 * What became of a write of an execution whose answer was lost.
 *
 * Whoever looks takes the shard FOR UPDATE first: a write that is still under way holds the shard as well, so it
 * conflicts, and what is not there will not come.
 */
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Current from "../../CurrentExecution.ts"
import { equals } from "../../DataBlob.ts"
import type { Expected, OwnedKey, RunKey, Salvaged } from "../../Execution.ts"
import type { Mutation, Replacement, Snapshot } from "../../ExecutionWrite.ts"
import type { RunId } from "../../Identifiers.ts"
import { type Route, route } from "./currentRoute.ts"
import * as Read from "./read.ts"
import * as Parts from "./parts.ts"

const takeShard = Effect.fnUntraced(function* (key: Current.Key) {
  const sql = yield* Transaction.sql
  const [shard] = yield* sql<{ readonly range_id: bigint }>`
    SELECT range_id FROM shards WHERE shard_id = ${key.shardId} FOR UPDATE`
  return shard?.range_id
})

/** What a write left of a run, if it took effect. */
interface Written {
  readonly run: Pick<Snapshot, "runId" | "nextEventId" | "lastWriteVersion" | "info" | "state">
  readonly expected: Expected
  readonly put: Mutation["put"]
  readonly remove: Mutation["remove"]
}

export const ofCreation = (at: OwnedKey, run: Snapshot) =>
  ofRun(at, { run, expected: { dbRecordVersion: 0n }, put: run, remove: undefined })

export const ofReplacement = (at: OwnedKey, run: Replacement) =>
  ofRun(at, { run, expected: run.expected, put: run, remove: undefined })

export const ofMutation = (at: OwnedKey, run: Mutation) =>
  ofRun(at, { run, expected: run.expected, put: run.put, remove: run.remove })

/**
 * A write of a run moves its version by one. One more than was expected is this write's if all that it put is there;
 * the version that was expected says that nothing was written; what is further on no longer tells.
 */
const ofRun = Effect.fnUntraced(function* (at: OwnedKey, written: Written) {
  const held = yield* takeShard(at)
  const { expected, run } = written
  const found = yield* Read.read({ ...at, runId: run.runId })
  const version = Option.match(found.execution, {
    onNone: () => (found.malformed.length === 0 ? 0n : undefined),
    onSome: ({ dbRecordVersion }) => dbRecordVersion
  })
  if (!("dbRecordVersion" in expected)) return isThere(found, written) ? done : Transaction.unknown
  if (version === expected.dbRecordVersion) {
    // A run that is not there may have been created, and deleted by the next owner.
    return version === 0n && held !== at.rangeId ? Transaction.unknown : Transaction.notCommitted
  }
  if (version !== expected.dbRecordVersion + 1n) return Transaction.unknown
  return isThere(found, written) ? done : Transaction.notCommitted
})

const done = Transaction.committed<Readonly<Record<string, unknown>>>({})

const isThere = (found: Salvaged, { put, remove, run }: Written): boolean => {
  if (Option.isNone(found.execution)) return false
  const { info, lastWriteVersion, nextEventId, state } = found.execution.value
  return (
    nextEventId === run.nextEventId &&
    lastWriteVersion === run.lastWriteVersion &&
    equals(info, run.info) &&
    equals(state, run.state) &&
    Parts.names.every((name) => {
      const { id } = Parts.tables[name]
      const removed: ReadonlySet<bigint | string> | undefined = remove?.[name]
      const there = new Map(Parts.rowsOf(name, found, undefined).map((row) => [row[id], row]))
      return (
        Parts.rowsOf(name, put, removed).every((row) => isSame(row, there.get(row[id]))) &&
        [...(removed ?? [])].every((key) => !there.has(key))
      )
    })
  )
}

const isSame = (a: Parts.PartRow, b: Parts.PartRow | undefined): boolean =>
  b !== undefined &&
  Object.entries(a).every(([column, value]) => {
    const other = b[column]
    return value instanceof Uint8Array && other instanceof Uint8Array
      ? Buffer.compare(value, other) === 0
      : value === other
  })

/** A deletion may be repeated, so that it is not finished says all. */
export const ofRemoval = Effect.fnUntraced(function* (key: RunKey) {
  yield* takeShard(key)
  const { execution, malformed, ...parts } = yield* Read.read(key)
  const sizes = Object.values(parts).map((part) => ("size" in part ? part.size : part.length))
  const more = Option.isSome(execution) || malformed.length > 0 || sizes.some((size) => size > 0)
  return Transaction.committed({ more })
})

export const ofCurrentRemoval = Effect.fnUntraced(function* (at: OwnedKey, runId: RunId) {
  const held = yield* takeShard(at)
  const sql = yield* Transaction.sql
  const to: Route = yield* route(at)
  const conditions = Object.entries({ ...to.key, run_id: runId }).map(
    ([column, value]) => sql`${sql(column)} = ${value}`
  )
  const rows = yield* sql`SELECT 1 FROM ${sql(to.table)} WHERE ${sql.and(conditions)}`
  if (rows.length === 0) return done
  // The next owner may have made it anew.
  return held === at.rangeId ? Transaction.notCommitted : Transaction.unknown
})

/**
 * The rows that a transaction has locked and not changed. PostgreSQL forgets
 * them at COMMIT; an older snapshot that comes to them later must not.
 */
import { Quote } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { RowLocks } from "../database/rowLocks.ts"
import { BackendLost } from "../postgres/backend.ts"
import * as ClientMessage from "../protocol/clientMessage.ts"
import * as Frame from "../protocol/frame.ts"
import * as ServerMessage from "../protocol/serverMessage.ts"
import * as Keys from "./keys.ts"
import * as Parking from "./parking.ts"
import type { UniqueKey, LockRecord, Member } from "./state.ts"
import type { Call, Transaction } from "./transaction.ts"

/** A query that locks rows of one table, and that table's primary key. */
interface Query {
  readonly call: Call
  readonly key: UniqueKey
  /** The query, with the key before its own columns. */
  readonly sql: string
  readonly strength: string
}

/** The queries that have locked all that is locked, or undefined if that is not all that has. */
const queriesOf = (
  transaction: Transaction,
  keys: ReadonlyMap<string, ReadonlyArray<UniqueKey>>
): ReadonlyArray<Query> | undefined => {
  if (transaction.locks === "hidden") return undefined
  const queries: Array<Query> = []
  for (const entry of transaction.journal) {
    if (entry._tag !== "Call" || entry.call.prepared.plan._tag !== "Plain") continue
    const { plan, sql, tables } = entry.call.prepared
    if (!plan.locks) continue
    const key = keys.get(tables[0]?.name ?? "")?.find(({ primary }) => primary)
    if (plan.locked === undefined || key === undefined) return undefined
    const { at, name, strength } = plan.locked
    const columns = key.columns.map((column) => `${Quote.qualified(name, column)}::text, `).join("")
    queries.push({ call: entry.call, key, strength, sql: sql.slice(0, at) + columns + sql.slice(at) })
  }
  return queries
}

/** What a transaction has locked, before it commits. */
export const of = Effect.fnUntraced(function* (
  member: Member,
  transaction: Transaction
): Effect.fn.Return<LockRecord | undefined, BackendLost> {
  const queries = queriesOf(transaction, (yield* Keys.referencesOf(member)).unique)
  const locks = queries === undefined ? yield* scanned(member) : yield* Effect.forEach(queries, asked(member))
  const found = locks.flat()
  return found.length === 0 ? undefined : { locks: found, sequence: Infinity }
})

/** Looks through every table that has a lock. */
const scanned = (member: Member): Effect.Effect<ReadonlyArray<RowLocks>, BackendLost> =>
  Effect.map(member.backend.query("SELECT * FROM dsql_emulator.row_locks()"), (rows) =>
    rows.map(([target, strength, condition]) => ({
      target: target ?? "",
      strength: strength ?? "",
      condition: condition ?? "false"
    }))
  )

/** Asks a query a second time which rows it has locked: in its snapshot they are the same. */
const asked = (member: Member) =>
  Effect.fnUntraced(function* ({ call, key, sql, strength }: Query) {
    const { bound } = call
    const text = bound === undefined ? bound : { ...bound, rest: ClientMessage.inText(bound.rest) }
    const reply = yield* Parking.rerun(member, { ...call, bound: text }, sql)
    if (reply.error !== undefined) return yield* new BackendLost({ error: ServerMessage.readError(reply.error) })
    const rows = reply.frames
      .filter((frame) => frame[0] === Frame.code.dataRow)
      .map((frame) => ServerMessage.readRow(frame, key.columns.length))
      .map((values) => `(${values.map((value) => Quote.literal(value ?? "")).join(",")})`)
    if (rows.length === 0) return []
    const condition = `(${key.columns.map(Quote.identifier).join(",")}) IN (${rows.join(",")})`
    return [{ target: key.name, strength, condition }]
  })

/**
 * What the sessions of one database share: how often its catalogue and its data
 * changed, which rows were locked by whom that committed, and who is there.
 */
import type * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type { RowLocks } from "../database/rowLocks.ts"
import type { Backend, BackendLost, Guard } from "../postgres/backend.ts"
import type { Gate } from "./gate.ts"
import { snapshotOf } from "./phase.ts"
import type { Transaction } from "./transaction.ts"
import type { Witness } from "./witness.ts"

/** Rows that a committed transaction had locked and not changed. */
export interface LockRecord {
  readonly locks: ReadonlyArray<RowLocks>
  /** The commit's place in the order of commits; infinite until the commit is known to have happened. */
  sequence: number
}

/** Somebody who takes locks: a client's session, or a job. */
export interface Member {
  readonly backend: Backend
  readonly database: Database
  /** Held by whoever uses the backend. */
  readonly gate: Gate
  /** Puts a request of its backend under the steward's eyes until it is answered. */
  readonly guard: Guard
  transaction: Transaction | undefined
  /** When the steward last told it to yield, by `performance.now()`. */
  told: number
  /** The catalogue version that this session knows. */
  catalogue: number | undefined
  /** Who looks on; undefined where nobody watches. */
  witness: Witness | undefined
}

/** A unique key of a table. */
export interface UniqueKey {
  /** The table with its schema, quoted. */
  readonly name: string
  /** The columns, with the oids of their types. */
  readonly columns: ReadonlyArray<{ readonly name: string; readonly type: number }>
  readonly primary: boolean
}

/** Tables with foreign keys, those whose changes change rows of others, and columns of unique keys, by name. */
export interface References {
  readonly version: number
  readonly keys: ReadonlySet<string>
  readonly children: ReadonlySet<string>
  readonly acting: ReadonlySet<string>
  /** Names of what may change or lock rows that a statement does not speak of. */
  readonly acts: ReadonlySet<string>
  /** Names of what gives values that it would not give again. */
  readonly draws: ReadonlySet<string>
  /** The unique keys of each table whose name no other has. */
  readonly unique: ReadonlyMap<string, ReadonlyArray<UniqueKey>>
  /** The columns of each secondary index of a table, by the table's name. */
  readonly indexes: ReadonlyMap<string, ReadonlyArray<ReadonlyArray<string>>>
}

/** What is known before anybody has looked. */
const noReferences: References = {
  version: -1,
  keys: new Set(),
  children: new Set(),
  acting: new Set(),
  acts: new Set(),
  draws: new Set(),
  unique: new Map(),
  indexes: new Map()
}

/** One database. */
export interface Database {
  readonly name: string
  /** Puts a request under the steward's eyes until the answer is called. */
  readonly watch: (member: Member) => () => void
  readonly members: Set<Member>
  /** Goes up with every change of the catalogue. */
  version: number
  /** Goes up with every commit that changed or locked rows. */
  sequence: number
  /** Snapshots that PostgreSQL was asked for and has not yet said that it has taken. */
  readonly opening: Set<Deferred.Deferred<void>>
  records: Array<LockRecord>
  /** The last commits that took keys out of tables; `*` is any table. */
  readonly removals: Map<string, number>
  /** What foreign keys do between tables, and the catalogue version that this was read at. */
  references: References
  /** Asks in a session of the emulator's own, which sees what is committed. */
  readonly ask: Backend["query"]
  /** Whether a session holds row locks that conflict with these. */
  readonly judge: (accused: Member, locks: ReadonlyArray<RowLocks>) => Effect.Effect<boolean, BackendLost>
  /** Runs jobs that have been committed. */
  readonly work: (jobs: ReadonlyArray<string>) => Effect.Effect<void>
  /** Waits for a job to end; not at all for one that is unknown. */
  readonly finished: (job: string) => Effect.Effect<void>
  /** Milliseconds. */
  readonly now: () => number
}

/** What a database is known by before anything is done in it; `references` are those that it was born with. */
export const untouched = (references: References = noReferences) => ({
  members: new Set<Member>(),
  version: 0,
  sequence: 0,
  opening: new Set<Deferred.Deferred<void>>(),
  records: new Array<LockRecord>(),
  removals: new Map<string, number>(),
  references
})

/**
 * Whether any other client's transaction reads from a snapshot. One that is a single statement does not count: its
 * snapshot is no older than what it meets.
 */
export const isShared = (member: Member): boolean => {
  for (const other of member.database.members) {
    if (other === member || other.transaction?.span !== "block") continue
    if (snapshotOf(other.transaction.phase) !== undefined) return true
  }
  return false
}

/** Forgets the locks that no open transaction can conflict with. */
export const prune = (database: Database): void => {
  if (database.records.length === 0) return
  let oldest = Infinity
  for (const { transaction } of database.members) {
    if (transaction !== undefined) oldest = Math.min(oldest, snapshotOf(transaction.phase) ?? Infinity)
  }
  database.records = database.records.filter((record) => record.sequence > oldest)
}

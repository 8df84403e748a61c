/**
 * What the sessions of one database share: how often its catalogue and its data
 * changed, which rows were locked by whom that committed, and who is there.
 */
import type * as Effect from "effect/Effect"
import type * as Semaphore from "effect/Semaphore"
import type { Backend, BackendLost } from "../postgres/backend.ts"
import type { RowLocks } from "../database/rowLocks.ts"
import type { Prepared } from "../statement/prepared.ts"

/** A statement with what it was called with. */
export interface Call {
  readonly prepared: Prepared
  /** The rest of the Bind message and the types of the Parse message; undefined in the simple protocol. */
  readonly bound: { readonly rest: Buffer; readonly types: Buffer } | undefined
}

/** What has to be done again to bring a transaction back. */
export type Entry =
  | { readonly _tag: "Call"; readonly call: Call; readonly digest: string }
  | { readonly _tag: "Script"; readonly sql: string }

/** A transaction that a client has open. */
export interface Transaction {
  /** Whether the client began it, or it spans a message of several statements or one that is being counted. */
  explicit: boolean
  readonly readOnly: boolean
  readonly since: number
  /** PostgreSQL has been told of it. */
  started: boolean
  failed: boolean
  state: "live" | "parked" | "doomed"
  /** The last commit that it can see. */
  snapshot: number | undefined
  /** The catalogue version that it began with. */
  catalogue: number | undefined
  ddl: boolean
  dml: boolean
  rows: number
  bytes: number
  inflates: boolean
  /** A single statement that commits by itself; it is never parked. */
  readonly brief: boolean
  /** It may have locked rows that it did not change. */
  locks: boolean
  /** Its journal does not say which. */
  hidden: boolean
  /** Tables that it took keys out of, and those that it put keys into. */
  readonly removes: Set<string>
  readonly adds: Set<string>
  journal: Array<Entry>
  /** Names of the tables that it has private copies of. */
  shadow: Set<string> | undefined
  jobs: Array<string>
}

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
  readonly gate: Semaphore.Semaphore
  transaction: Transaction | undefined
  /** The catalogue version that this session knows. */
  catalogue: number | undefined
}

/** A unique key of a table. */
export interface Key {
  /** The table with its schema, quoted. */
  readonly name: string
  readonly columns: ReadonlyArray<string>
  readonly primary: boolean
}

/** Tables with foreign keys, those whose changes change rows of others, and columns of unique keys, by name. */
export interface References {
  readonly version: number
  readonly keys: ReadonlySet<string>
  readonly children: ReadonlySet<string>
  readonly acting: ReadonlySet<string>
  /** The unique keys of each table whose name no other has. */
  readonly unique: ReadonlyMap<string, ReadonlyArray<Key>>
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
  records: Array<LockRecord>
  /** The last commits that took keys out of tables; `*` is any table. */
  readonly removals: Map<string, number>
  /** What foreign keys do between tables, and the catalogue version that this was read at. */
  references: References
  /** Whether a session holds row locks that conflict with these. */
  readonly judge: (accused: Member, locks: ReadonlyArray<RowLocks>) => Effect.Effect<boolean, BackendLost>
  /** Runs jobs that have been committed. */
  readonly work: (jobs: ReadonlyArray<string>) => Effect.Effect<void>
  /** Waits for a job to end; not at all for one that is unknown. */
  readonly finished: (job: string) => Effect.Effect<void>
  /** Milliseconds. */
  readonly now: () => number
}

/**
 * Whether any other client's transaction reads from a snapshot. One that is a single statement does not count: its
 * snapshot is no older than what it meets.
 */
export const isShared = (member: Member): boolean => {
  for (const other of member.database.members) {
    if (other !== member && other.transaction?.explicit === true && other.transaction.snapshot !== undefined)
      return true
  }
  return false
}

/** Forgets the locks that no open transaction can conflict with. */
export const prune = (database: Database): void => {
  if (database.records.length === 0) return
  let oldest = Infinity
  for (const member of database.members) oldest = Math.min(oldest, member.transaction?.snapshot ?? Infinity)
  database.records = database.records.filter((record) => record.sequence > oldest)
}

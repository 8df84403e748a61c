/**
 * What a worker says of its writes: a line before each one, and a line after it, before anything else is done.
 *
 * A line is written with one system call, so a process that is killed loses none. A write that has no second line may
 * have been applied or not.
 */
import * as Schema from "effect/Schema"

const owned = { shardId: Schema.Int, rangeId: Schema.BigInt }

const queued = { queue: Schema.String, rangeId: Schema.BigInt }

/** What is written. */
export const Deed = Schema.Union([
  /** Takes a shard with this range. */
  Schema.TaggedStruct("Takeover", owned),
  /** Adds a line to a shard's journal, in a transaction below the shard. */
  Schema.TaggedStruct("Note", owned),
  /** Creates, changes or continues a workflow. */
  Schema.TaggedStruct("Step", { ...owned, workflow: Schema.String, step: Schema.Int }),
  /** Takes a task queue; the range that it got is the value. */
  Schema.TaggedStruct("Lease", { queue: Schema.String }),
  Schema.TaggedStruct("Tasks", { ...queued, taskIds: Schema.Array(Schema.BigInt) }),
  /** Takes away the tasks before an id, all of which were delivered. */
  Schema.TaggedStruct("Completion", { queue: Schema.String, before: Schema.BigInt }),
  /** Changes a namespace; the version that a creation got is the value. */
  Schema.TaggedStruct("Namespace", {
    id: Schema.String,
    change: Schema.Literals(["Create", "Update", "Rename", "Delete"]),
    version: Schema.optional(Schema.BigInt)
  }),
  /** Publishes a message; its number is the value. */
  Schema.TaggedStruct("Message", {}),
  /** Offers a job, whose id is the write's. */
  Schema.TaggedStruct("Offer", {}),
  /** Works on a job that was given. */
  Schema.TaggedStruct("Work", { job: Schema.String }),
  /** Says that a job was completed, after it was said to the queue. */
  Schema.TaggedStruct("Completed", { job: Schema.String }),
  /** Sets an entry of a key-value store to the write's id. */
  Schema.TaggedStruct("Entry", { key: Schema.String }),
  /** Sends a request to a runner, to be stored. */
  Schema.TaggedStruct("Request", { of: Schema.Literals(["desk", "delivery"]) }),
  /** Asks what came of a request, which is sent again for that; the value is what it was answered. */
  Schema.TaggedStruct("Answer", { request: Schema.String })
])

export type Deed = typeof Deed.Type

/** What the worker was told: only an unknown outcome may be either. */
export const Outcome = Schema.Literals(["Applied", "Refused", "Unknown"])

export type Outcome = typeof Outcome.Type

const Began = Schema.TaggedStruct("Began", { op: Schema.String, at: Schema.BigInt, deed: Deed })

const Ended = Schema.TaggedStruct("Ended", {
  op: Schema.String,
  at: Schema.BigInt,
  outcome: Outcome,
  /** The tag of the error. */
  error: Schema.optional(Schema.String),
  value: Schema.optional(Schema.BigInt)
})

/** Tasks that a worker has read, and is about to complete; `at` is the time before it read them. */
const Delivered = Schema.TaggedStruct("Delivered", {
  queue: Schema.String,
  at: Schema.BigInt,
  tasks: Schema.Array(Schema.Struct({ taskId: Schema.BigInt, op: Schema.String }))
})

export type Delivered = typeof Delivered.Type

export const Entry = Schema.Union([Began, Ended, Delivered])

export type Entry = typeof Entry.Type

/** A write, and what its worker was told of it. Times are of the machine's monotonic clock, in nanoseconds. */
export interface Attempt {
  readonly op: string
  readonly deed: Deed
  readonly began: bigint
  readonly ended: bigint | undefined
  readonly outcome: Outcome
  readonly error: string | undefined
  readonly value: bigint | undefined
}

/** The ledgers of all workers. */
export interface Ledger {
  readonly attempts: ReadonlyArray<Attempt>
  readonly deliveries: ReadonlyArray<Delivered>
}

const Line = Schema.fromJsonString(Schema.toCodecJson(Entry))

const decode = Schema.decodeUnknownSync(Line)

/** An entry as a line. */
export const encode = Schema.encodeSync(Line)

/** The entries of one file; a last line without an end was being written when its worker was killed. */
export const parse = (text: string): ReadonlyArray<Entry> =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => decode(line))

/** Puts together what all workers say. */
export const collect = (entries: ReadonlyArray<Entry>): Ledger => {
  const ends = new Map(entries.flatMap((entry) => (entry._tag === "Ended" ? [[entry.op, entry] as const] : [])))
  return {
    attempts: entries.flatMap((entry): ReadonlyArray<Attempt> => {
      if (entry._tag !== "Began") return []
      const end = ends.get(entry.op)
      const { at: began, deed, op } = entry
      return [
        { op, deed, began, ended: end?.at, outcome: end?.outcome ?? "Unknown", error: end?.error, value: end?.value }
      ]
    }),
    deliveries: entries.filter((entry) => entry._tag === "Delivered")
  }
}

/**
 * How a cluster stands, as its tables have it.
 *
 * Encoded, it is the JSON that `effect-dsql cluster status` prints; `Inspection` reads it.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"

const Millis = Schema.Int

/**
 * A slot of a runner, whose number is its machine id.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Runner = Schema.Struct({
  machineId: Schema.Int,
  /** Host and port. */
  address: Schema.String,
  /** The incarnation of the process, by which it holds shards. */
  owner: Schema.String,
  healthy: Schema.Boolean,
  /** Whether it has left: its slot stays taken until its lease is over. */
  left: Schema.Boolean,
  /** Milliseconds until its lease is over; below 0 since it is. */
  leaseLeft: Millis
})

/**
 * @since 0.1.0
 * @category models
 */
export type Runner = typeof Runner.Type

/**
 * A shard that some runner has held.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Shard = Schema.Struct({
  /** Its group and number, as in `default:7`. */
  shard: Schema.String,
  /** Moves whenever the holder does; the same for as long as one holds it. */
  fence: Schema.BigIntFromString,
  /** Who holds it, or has let its lease run out; null where it was given back. */
  holder: Schema.NullOr(
    Schema.Struct({
      address: Schema.String,
      owner: Schema.String,
      since: Schema.DateTimeUtcFromString,
      /** Milliseconds until the lease is over; below 0 since it is. */
      leaseLeft: Millis
    })
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type Shard = typeof Shard.Type

/**
 * The message that has been due for longest and is not decided: it waits, or is at work.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Oldest = Schema.Struct({
  shard: Schema.String,
  entityType: Schema.String,
  entityId: Schema.String,
  requestId: Schema.BigIntFromString,
  /** Milliseconds since it came to be due: since it was sent, or since a workflow's run was to go on. */
  age: Millis
})

/**
 * @since 0.1.0
 * @category models
 */
export type Oldest = typeof Oldest.Type

/**
 * All of it, from one snapshot.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ClusterStatus = Schema.Struct({
  /** The cluster's prefix. */
  cluster: Schema.String,
  /** By the database's clock, as all of these times are. */
  at: Schema.DateTimeUtcFromString,
  runners: Schema.Array(Runner),
  /** Machine ids that are leased, in all clusters of the database, and how many there are. */
  machineIds: Schema.Struct({ taken: Schema.Int, all: Schema.Int }),
  shards: Schema.Array(Shard),
  /** Null where nothing is due. */
  oldest: Schema.NullOr(Oldest),
  requests: Schema.Struct({
    /** Due and not decided. */
    due: Schema.Int,
    /** To be delivered later. */
    later: Schema.Int,
    /** Runs of workflows that wait for what wakes them: a sleep, a deferred, a child, or whoever resumes what failed. */
    suspended: Schema.Int,
    /** Finished, and kept until they are pruned. */
    finished: Schema.Int,
    /** Whether there are more finished or suspended ones than were counted. */
    more: Schema.Boolean
  })
})

/**
 * @since 0.1.0
 * @category models
 */
export type ClusterStatus = typeof ClusterStatus.Type

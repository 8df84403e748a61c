/**
 * The explicit ways out of what a migrator refuses to decide by itself.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Schema from "effect/Schema"
import type * as Migration from "./Migration.ts"
import { Version } from "./Version.ts"

/**
 * What to repair. With none of the three, a repair only says what it finds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<Migration.Options, "version"> {
  /** Drops the schema's invalid indexes, and builds them again. Default: false. */
  readonly rebuild?: boolean | undefined
  /** Takes the files as they are now for what has run. Default: false. */
  readonly accept?: boolean | undefined
  /** Ends the lease of another migrator, which then cannot write any more. Default: false. */
  readonly release?: boolean | undefined
}

/**
 * What was found, and what was done about it. Encoded, it is the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Repair = Schema.Struct({
  /** The name of the schema: a built-in one, or a path. */
  schema: Schema.String,
  /** The name that the version is recorded under. */
  database: Schema.String,
  /** Indexes of the schema that are there and not valid. */
  indexes: Schema.Array(
    Schema.Struct({
      index: Schema.String,
      table: Schema.String,
      location: Schema.String,
      /** The keys that rows of a unique index share, a few of them. */
      collisions: Schema.Array(Schema.String),
      rebuilt: Schema.Boolean
    })
  ),
  /** Statements that have run, and that the files do not have as they ran. */
  changes: Schema.Array(
    Schema.Struct({
      version: Version,
      ordinal: Schema.Int,
      /** Null where the files have it no longer. */
      location: Schema.NullOr(Schema.String),
      summary: Schema.String,
      accepted: Schema.Boolean
    })
  ),
  /** The lease that somebody else has; null where nobody does. */
  lease: Schema.NullOr(
    Schema.Struct({
      owner: Schema.String,
      expires: Schema.DateTimeUtcFromString,
      /** Whether its time is over, so that anybody may take it. */
      expired: Schema.Boolean,
      released: Schema.Boolean
    })
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type Repair = typeof Repair.Type

/**
 * What has run on a database: statement by statement, and version by version.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Schema from "effect/Schema"

/**
 * A statement in the journal.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Statement = Schema.Struct({
  /** The version; `file 1.0` where it was set up from a single file. */
  version: Schema.String,
  /** Which statement of the version, from 1. */
  ordinal: Schema.Int,
  /** What it does, in a few words. */
  statement: Schema.String,
  /** SHA-256 of its text. */
  checksum: Schema.String,
  started: Schema.DateTimeUtcFromString,
  /** Null where it has not finished. */
  finished: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** Who ran it: host, process and a number. */
  owner: Schema.String,
  /** The token of the lease that it ran under. */
  fence: Schema.Int,
  /** The job of the service that did its work, where one did. */
  job: Schema.NullOr(Schema.String),
  /** Why it was refused, where it was. */
  error: Schema.NullOr(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Statement = typeof Statement.Type

/**
 * A row of `schema_update_history`, of this tool or the earlier one.
 *
 * @since 0.1.0
 * @category schemas
 */
export const VersionChange = Schema.Struct({
  time: Schema.DateTimeUtcFromString,
  description: Schema.NullOr(Schema.String),
  /** Empty where there was no manifest. */
  manifestMd5: Schema.NullOr(Schema.String),
  to: Schema.NullOr(Schema.String),
  /** `0` where there was none. */
  from: Schema.NullOr(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type VersionChange = typeof VersionChange.Type

/**
 * Everything that has run. Encoded, it is the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category schemas
 */
export const History = Schema.Struct({
  /** The name that the version is recorded under. */
  database: Schema.String,
  /** What the schema is called that has run, or is to; null for a database from before that was recorded. */
  schema: Schema.NullOr(Schema.String),
  /** In the order in which they began. Those of the earlier tool are not known. */
  statements: Schema.Array(Statement),
  /** Oldest first. The table does not say of which database name, so these are of all. */
  changes: Schema.Array(VersionChange)
})

/**
 * @since 0.1.0
 * @category models
 */
export type History = typeof History.Type

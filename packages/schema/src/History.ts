/**
 * What has run on a database: statement by statement, and version by version.
 *
 * @since 0.1.0
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
  started: Schema.DateTimeUtcFromDate,
  /** Before a statement whose effect has no name, a digest of the catalogue: whether it changed tells whether it ran. */
  catalogue: Schema.NullOr(Schema.String),
  /** Null where it has not finished. */
  finished: Schema.NullOr(Schema.DateTimeUtcFromDate),
  /** Who ran it: host, process and a number. */
  owner: Schema.String,
  /** The token of the lease that it ran under. */
  fence: Schema.Int,
  /** The job of the service that did its work, where one did. */
  job: Schema.NullOr(Schema.String),
  /** Why it was refused, where it was. */
  error: Schema.NullOr(Schema.String)
})
export type Statement = typeof Statement.Type

/**
 * A row of `schema_update_history`, of this tool or the earlier one.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Change = Schema.Struct({
  time: Schema.DateTimeUtcFromDate,
  description: Schema.NullOr(Schema.String),
  manifestMd5: Schema.NullOr(Schema.String),
  to: Schema.NullOr(Schema.String),
  from: Schema.NullOr(Schema.String)
})
export type Change = typeof Change.Type

/**
 * Everything that has run. It is also the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category models
 */
export interface History {
  /** The name that the version is recorded under. */
  readonly database: string
  /** In the order in which they began. Those of the earlier tool are not known. */
  readonly statements: ReadonlyArray<Statement>
  /** Oldest first. The table does not say of which database name, so these are of all. */
  readonly changes: ReadonlyArray<Change>
}

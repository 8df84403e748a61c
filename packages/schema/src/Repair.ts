/**
 * The explicit ways out of what a migrator refuses to decide by itself.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type { Settings } from "./Migration.ts"
import type * as Version from "./Version.ts"

/**
 * What to repair. With none of the three, a repair only says what it finds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<Settings, "version"> {
  /** Drops the schema's invalid indexes, and builds them again. Default: false. */
  readonly rebuild?: boolean | undefined
  /** Takes the files as they are now for what has run. Default: false. */
  readonly accept?: boolean | undefined
  /** Ends the lease of another migrator, which then cannot write any more. Default: false. */
  readonly release?: boolean | undefined
}

/**
 * What was found, and what was done about it. It is also the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category models
 */
export interface Repair {
  /** The name of the schema: a built-in one, or a path. */
  readonly schema: string
  /** The name that the version is recorded under. */
  readonly database: string
  /** Indexes of the schema that are there and not valid. */
  readonly indexes: ReadonlyArray<{
    readonly index: string
    readonly table: string
    readonly location: string
    /** The keys that rows of a unique index share, a few of them. */
    readonly collisions: ReadonlyArray<string>
    readonly rebuilt: boolean
  }>
  /** Statements that have run, and that the files do not have as they ran. */
  readonly changes: ReadonlyArray<{
    readonly version: Version.Version
    readonly ordinal: number
    /** Null where the files have it no longer. */
    readonly location: string | null
    readonly summary: string
    readonly accepted: boolean
  }>
  /** The lease that somebody else has; null where nobody does. */
  readonly lease: {
    readonly owner: string
    readonly expires: DateTime.Utc
    /** Whether its time is over, so that anybody may take it. */
    readonly expired: boolean
    readonly released: boolean
  } | null
}

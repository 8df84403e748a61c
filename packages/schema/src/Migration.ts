/**
 * What every way of changing a database has in common: what it takes, what it
 * can end with, and what it reports.
 *
 * @since 0.1.0
 */
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Event } from "./Event.ts"
import type { StateError, UnknownVersion } from "./SchemaError.ts"
import type { SchemaSource } from "./SchemaSource.ts"
import type * as Version from "./Version.ts"

/**
 * What a migration can end with.
 *
 * @since 0.1.0
 * @category models
 */
export type MigrationError = StateError | UnknownVersion | TransactionError

/**
 * How migrators keep out of each other's way.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeaseOptions {
  /** Whether to wait while another migrator is at work, or to fail with `LeaseHeld`. Default: true. */
  readonly wait?: boolean | undefined
  /** How long the lease lasts without a heartbeat; one comes three times as often. Default: 30 seconds. */
  readonly duration?: Duration.Input | undefined
}

/**
 * What every command takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly source: SchemaSource
  /** The version to end at. Default: the latest of the schema. */
  readonly version?: Version.Version | undefined
  /** The name that the version is recorded under. Default: `postgres`, as the earlier tool always wrote it. */
  readonly database?: string | undefined
  readonly lease?: LeaseOptions | undefined
  /** Called with each event as it happens. Default: nothing. */
  readonly onEvent?: ((event: Event) => Effect.Effect<void>) | undefined
}

/**
 * How a schema is set up.
 *
 * @since 0.1.0
 * @category models
 */
export interface SetupOptions extends Settings {
  /**
   * Whether the version is recorded, and with it the journal and the lease that make a run safe to interrupt and to
   * repeat. Without it a statement that changes rows runs each time. Default: true.
   */
  readonly versioning?: boolean | undefined
  /** Drops the tables that the schema owns, with all their rows, before anything else. Default: false. */
  readonly overwrite?: boolean | undefined
}

/**
 * What a run did. It is also the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  /** The name of the schema: a built-in one, or a path. */
  readonly schema: string
  /** The name that the version is recorded under. */
  readonly database: string
  /** The version before; null where none was recorded. */
  readonly from: Version.Version | null
  /** The version after; null where none is recorded. */
  readonly to: Version.Version | null
  /** Whether the run changed the database. */
  readonly changed: boolean
  /** Statements that ran. */
  readonly applied: number
  /** Statements that did not run, because the journal or the catalogue shows that they had. */
  readonly present: number
  /** Tables and views that were dropped by `overwrite`, before they were created again. */
  readonly dropped: ReadonlyArray<string>
}

/**
 * A table that `overwrite` would drop.
 *
 * @since 0.1.0
 * @category models
 */
export interface Owned {
  readonly table: string
  readonly hasRows: boolean
}

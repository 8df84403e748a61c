/**
 * What every way of changing a database has in common: what it takes, and what
 * it reports.
 *
 * @since 0.1.0
 * @stability stable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Event } from "./Event.ts"
import type { SchemaSource } from "./SchemaSource.ts"
import { Version } from "./Version.ts"

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
 * How a schema is updated. Every other way of changing a database takes the same and more.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly source: SchemaSource
  /** The version to end at. Default: the latest of the schema. */
  readonly version?: Version | undefined
  /** The name that the version is recorded under. Default: that of the schema, `postgres` where it has none. */
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
export interface SetupOptions extends Options {
  /**
   * Whether the version is recorded, and with it the journal and the lease that make a run safe to interrupt and to
   * repeat. Without it a statement that changes rows runs each time. Default: true.
   */
  readonly versioning?: boolean | undefined
  /** Drops the tables that the schema owns, with all their rows, before anything else. Default: false. */
  readonly overwrite?: boolean | undefined
}

/**
 * What is adopted, and how it is proven to be what it is said to be.
 *
 * @since 0.1.0
 * @category models
 */
export interface BaselineOptions<E> extends Options {
  /**
   * Runs before anything is written, and fails where the database is not what the version says: `Verify` of this
   * package is made for it. `Effect.void` trusts the caller.
   */
  readonly verify: Effect.Effect<void, E, DsqlClient>
}

/**
 * What a run did. Encoded, it is the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Report = Schema.Struct({
  /** The name of the schema: a built-in one, or a path. */
  schema: Schema.String,
  /** The name that the version is recorded under. */
  database: Schema.String,
  /** The version before; null where none was recorded. */
  from: Schema.NullOr(Version),
  /** The version after; null where none is recorded. */
  to: Schema.NullOr(Version),
  /** Whether the run changed the database. */
  changed: Schema.Boolean,
  /** Statements that ran. */
  applied: Schema.Int,
  /** Statements that did not run, because the journal or the catalogue shows that they had. */
  present: Schema.Int,
  /** Tables and views that were dropped by `overwrite`, before they were created again. */
  dropped: Schema.Array(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Report = typeof Report.Type

/**
 * A table that `overwrite` would drop.
 *
 * @since 0.1.0
 * @category models
 */
export interface OwnedTable {
  readonly table: string
  readonly hasRows: boolean
}

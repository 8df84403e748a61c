/**
 * What a migration does while it runs, as values: for progress on a terminal,
 * for logs, for tests.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Data from "effect/Data"
import type * as DateTime from "effect/DateTime"
import type { Version } from "./Version.ts"

/**
 * - `Begun`: the statements of the versions that have to run come next, so many of them; each is `Applied` or `Present`.
 * - `Dropped`: a table or view of the schema was dropped, with all its rows.
 * - `Applied`: a statement ran.
 * - `Present`: the catalogue shows that a statement has run before; it did not run again.
 * - `Held`: another migrator is at work, and is waited for.
 * - `Waiting`: the statement is done by a job of the service, which is waited for.
 * - `Building`: how that job stands, now and then until it ends. The service gives no percentage.
 * - `Recorded`: a version was written to `schema_version`.
 *
 * @since 0.1.0
 * @category models
 */
export type Event = Data.TaggedEnum<{
  Begun: { readonly version: Version; readonly statements: number }
  Dropped: { readonly table: string }
  Applied: { readonly location: string; readonly summary: string }
  Present: { readonly location: string; readonly summary: string }
  Held: { readonly owner: string; readonly expires: DateTime.Utc }
  Waiting: { readonly location: string; readonly summary: string; readonly job: string }
  Building: {
    readonly location: string
    readonly summary: string
    readonly job: string
    readonly status: "submitted" | "processing" | "completed" | "failed" | "unknown"
    /** Milliseconds since it was waited for. */
    readonly elapsed: number
  }
  Recorded: { readonly version: Version }
}>

/**
 * @since 0.1.0
 * @category constructors
 */
export const Event = Data.taggedEnum<Event>()

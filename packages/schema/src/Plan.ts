/**
 * What a run would do, without doing it: read in one READ ONLY transaction,
 * which the database itself keeps from writing.
 *
 * @since 0.1.0
 */
import type * as Version from "./Version.ts"

/**
 * What would become of a statement.
 *
 * - `run`: it runs.
 * - `present`: the catalogue shows that it has run; that is written down.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly version: Version.Version
  /** Which statement of the version, from 1. */
  readonly ordinal: number
  /** The file and line. */
  readonly location: string
  /** What it does, in a few words. */
  readonly summary: string
  /** The statement as it would be sent. */
  readonly sql: string
  readonly action: "run" | "present"
}

/**
 * What a run would do. It is also the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category models
 */
export interface Plan {
  /** The name of the schema: a built-in one, or a path. */
  readonly schema: string
  /** The name that the version is recorded under. */
  readonly database: string
  /** The recorded version; null where none is, so that the plan is one of a setup. */
  readonly from: Version.Version | null
  /** The version after. */
  readonly to: Version.Version
  /** In the order in which they would run; what has run already is left out. */
  readonly steps: ReadonlyArray<Step>
  /** Whether the run would change anything, be it only what is recorded. */
  readonly changes: boolean
}

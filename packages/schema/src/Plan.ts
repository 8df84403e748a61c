/**
 * What a run would do, without doing it.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Schema from "effect/Schema"
import { Version } from "./Version.ts"

/**
 * What would become of a statement.
 *
 * - `run`: it runs.
 * - `present`: the catalogue shows that it has run; that is written down.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Step = Schema.Struct({
  version: Version,
  /** Which statement of the version, from 1. */
  ordinal: Schema.Int,
  /** The file and line. */
  location: Schema.String,
  /** What it does, in a few words. */
  summary: Schema.String,
  /** The statement as it would be sent, but without passwords. */
  sql: Schema.String,
  action: Schema.Literals(["run", "present"])
})

/**
 * @since 0.1.0
 * @category models
 */
export type Step = typeof Step.Type

/**
 * What a run would do. Encoded, it is the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Plan = Schema.Struct({
  /** The name of the schema: a built-in one, or a path. */
  schema: Schema.String,
  /** The name that the version is recorded under. */
  database: Schema.String,
  /** The recorded version; null where none is, so that the plan is one of a setup. */
  from: Schema.NullOr(Version),
  /** The version after. */
  to: Version,
  /** Whether the run would change anything, be it only what is recorded. */
  changes: Schema.Boolean,
  /** In the order in which they would run; what has run already is left out. */
  steps: Schema.Array(Step)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Plan = typeof Plan.Type

/**
 * Where a database stands against a schema.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { commandFor } from "./internal/advice/command.ts"
import { IncompatibleVersion } from "./MigrationError.ts"
import { Version } from "./Version.ts"

/**
 * - `not-set-up`: no version is recorded.
 * - `half-set-up`: neither, and setting one up has begun: set it up again, and that goes on.
 * - `behind`: the database is at an earlier version than the schema: update it.
 * - `current`: both are at the same version.
 * - `ahead`: the database is at a later version, which still works with programs of this one.
 * - `incompatible`: the database is at a later version, which does not.
 *
 * @since 0.1.0
 * @category schemas
 */
export const State = Schema.Literals(["not-set-up", "half-set-up", "behind", "current", "ahead", "incompatible"])

/**
 * @since 0.1.0
 * @category models
 */
export type State = typeof State.Type

/**
 * What is there and what is expected. Encoded, it is the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Status = Schema.Struct({
  /** The name of the schema: a built-in one, or a path. */
  schema: Schema.String,
  /** The name that the version is recorded under. */
  database: Schema.String,
  /** The recorded version; null where none is. */
  current: Schema.NullOr(Version),
  /** The schema's latest version. */
  expected: Version,
  /** The oldest version that programs may expect of this database; null where no version is recorded. */
  minCompatible: Schema.NullOr(Version),
  state: State,
  /** Whether programs that expect `expected` can work with this database. */
  compatible: Schema.Boolean,
  /** How far a run came that has begun and not ended; null where there is none. */
  begun: Schema.NullOr(
    Schema.Struct({
      /** The version that it was to end at. */
      version: Version,
      /** Statements that have run. */
      done: Schema.Int,
      /** All of them; null where the manifests alone were read. */
      statements: Schema.NullOr(Schema.Int)
    })
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type Status = typeof Status.Type

/**
 * The command line that brings a database to what is expected, for people; undefined where there is none, or none is
 * needed.
 *
 * @since 0.1.0
 * @category accessors
 */
export const command = (status: Status): string | undefined => {
  switch (status.state) {
    case "not-set-up":
    case "half-set-up":
      return commandFor("setup-schema", status)
    case "behind":
      return commandFor("update-schema", status)
    default:
      return undefined
  }
}

/**
 * Fails unless programs that expect the schema's latest version can work with the database: for the start of one
 * that does not migrate itself.
 *
 * @example
 * ```ts
 * import { Migrator, Outline, Status } from "@effect-dsql/schema"
 * import { Effect } from "effect"
 *
 * const start = Effect.gen(function*() {
 *   const migrator = yield* Migrator.Migrator
 *   const source = yield* Outline.directory("./schema")
 *   yield* Status.ensure(yield* migrator.status({ source }))
 * })
 * ```
 *
 * @since 0.1.0
 * @category guards
 */
export const ensure = ({
  compatible,
  current,
  database,
  expected,
  minCompatible,
  schema,
  state
}: Status): Effect.Effect<void, IncompatibleVersion> =>
  compatible
    ? Effect.void
    : Effect.fail(
        new IncompatibleVersion({ database, schema, expected, current, minCompatible, behind: state === "behind" })
      )

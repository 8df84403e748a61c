/**
 * Where a database stands against a schema.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import * as Bookkeeping from "./Bookkeeping.ts"
import { latest, type Outline } from "./Outline.ts"
import { IncompatibleVersion, type InvalidBookkeeping } from "./SchemaError.ts"
import * as Version from "./Version.ts"

/**
 * - `not-set-up`: no version is recorded.
 * - `behind`: the database is at an earlier version than the schema: update it.
 * - `current`: both are at the same version.
 * - `ahead`: the database is at a later version, which still works with programs of this one.
 * - `incompatible`: the database is at a later version, which does not.
 *
 * @since 0.1.0
 * @category models
 */
export type State = "not-set-up" | "behind" | "current" | "ahead" | "incompatible"

/**
 * What is there and what is expected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  /** The name of the schema: a built-in one, or a path. */
  readonly schema: string
  /** The name that the version is recorded under. */
  readonly database: string
  /** The recorded version; null where none is. */
  readonly current: Version.Version | null
  /** The schema's latest version. */
  readonly expected: Version.Version
  /** The oldest version that programs may expect of this database; null where no version is recorded. */
  readonly minCompatible: Version.Version | null
  readonly state: State
  /** Whether programs that expect `expected` can work with this database. */
  readonly compatible: boolean
}

/**
 * Compares what is recorded with a schema.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (source: Outline, database: string, recorded: Bookkeeping.Recorded | undefined): Status => {
  const expected = latest(source).version
  const state = stateOf(expected, recorded)
  return {
    schema: source.name,
    database,
    current: recorded?.version ?? null,
    expected,
    minCompatible: recorded?.minCompatible ?? null,
    state,
    compatible: state === "current" || state === "ahead"
  }
}

/**
 * Reads where a database stands. Needs the manifests of a schema alone, and writes nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  source: Outline,
  database: string = Bookkeeping.defaultDatabase
): Effect.Effect<Status, InvalidBookkeeping | TransactionError, DsqlClient> =>
  Effect.map(Bookkeeping.read(database), (recorded) => make(source, database, recorded))

/**
 * Fails unless programs that expect the schema's latest version can work with the database: for the start of one
 * that does not migrate itself.
 *
 * @example
 * ```ts
 * import { Outline, Status } from "@effect-dsql/schema"
 * import { Effect } from "effect"
 *
 * const start = Effect.gen(function*() {
 *   const status = yield* Status.read(yield* Outline.directory("./schema"))
 *   yield* Status.ensure(status)
 * })
 * ```
 *
 * @since 0.1.0
 * @category guards
 */
export const ensure = ({
  compatible,
  current,
  expected,
  minCompatible,
  state
}: Status): Effect.Effect<void, IncompatibleVersion> =>
  compatible
    ? Effect.void
    : Effect.fail(new IncompatibleVersion({ expected, current, minCompatible, behind: state === "behind" }))

const stateOf = (expected: Version.Version, recorded: Bookkeeping.Recorded | undefined): State => {
  if (recorded === undefined) return "not-set-up"
  switch (Version.compare(recorded.version, expected)) {
    case -1:
      return "behind"
    case 0:
      return "current"
    case 1:
      return Version.isAfter(recorded.minCompatible, expected) ? "incompatible" : "ahead"
  }
}

/**
 * Versions of a schema: numbers with dots, as in Temporal's `schema_version`.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidVersion } from "./SourceError.ts"

// Each number stays a safe integer, and the text fits the VARCHAR(64) that it is recorded in.
const pattern = /^\d{1,9}(?:\.\d{1,9}){0,3}$/

/**
 * A version such as `1.1`: one to four numbers, without a `v` in front.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Version = Schema.String.check(Schema.isPattern(pattern)).pipe(Schema.brand("@effect-dsql/schema/Version"))

/**
 * @since 0.1.0
 * @category models
 */
export type Version = typeof Version.Type

const is = Schema.is(Version)

/**
 * The version of the schema that this package carries (`dsql/temporal`).
 *
 * @since 0.1.0
 * @category constants
 */
export const current: Version = Version.make("1.1")

/**
 * What is recorded where no version has been applied yet.
 *
 * @since 0.1.0
 * @category constants
 */
export const none: Version = Version.make("0.0")

/**
 * Reads a version, with or without a `v` in front.
 *
 * @example
 * ```ts
 * import { Version } from "@effect-dsql/schema"
 * import { Effect } from "effect"
 *
 * const version = Effect.runSync(Version.parse("v1.1")) // "1.1"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Effect.Effect<Version, InvalidVersion> => {
  const version = text.startsWith("v") ? text.slice(1) : text
  return is(version) ? Effect.succeed(version) : Effect.fail(new InvalidVersion({ text }))
}

/**
 * Orders versions by their numbers: `1.9` comes before `1.10`, and `1.0` equals `1.0.0`.
 *
 * @since 0.1.0
 * @category ordering
 */
export const compare = (self: Version, that: Version): -1 | 0 | 1 => {
  const left = self.split(".").map(Number)
  const right = that.split(".").map(Number)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference < 0 ? -1 : 1
  }
  return 0
}

/**
 * Whether a version is later than another.
 *
 * @since 0.1.0
 * @category ordering
 */
export const isAfter = (self: Version, that: Version): boolean => compare(self, that) > 0

/**
 * Whether two versions are the same number: `1.0` and `1.0.0` are.
 *
 * @since 0.1.0
 * @category ordering
 */
export const equals = (self: Version, that: Version): boolean => compare(self, that) === 0

/**
 * Everything that can be wrong with a schema and its migration, as a closed
 * union of tagged errors. What goes wrong between the program and the database
 * is a `DsqlError` of `@effect-dsql/core`.
 *
 * Each message is one line and says what happened, where, and what to do.
 *
 * @since 0.1.0
 */
import type { DsqlError } from "@effect-dsql/core/DsqlError"
import * as Data from "effect/Data"

const list = (names: ReadonlyArray<string>): string => names.join(", ")

/**
 * A text that is not a version.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidVersion extends Data.TaggedError("InvalidVersion")<{ readonly text: string }> {
  override get message(): string {
    return `${JSON.stringify(this.text)} is not a version: write numbers with dots, such as 1.1`
  }
}

/**
 * A version that the schema does not have.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownVersion extends Data.TaggedError("UnknownVersion")<{
  readonly version: string
  /** The schema that was looked in. */
  readonly source: string
  /** The versions that it has, in order. */
  readonly known: ReadonlyArray<string>
}> {
  override get message(): string {
    return `${this.source} has no version ${this.version}: choose one of ${list(this.known)}`
  }
}

/**
 * There is no built-in schema of this name.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownSchema extends Data.TaggedError("UnknownSchema")<{
  readonly name: string
  readonly known: ReadonlyArray<string>
}> {
  override get message(): string {
    return `there is no built-in schema ${JSON.stringify(this.name)}: choose ${list(this.known)}, or give a directory of your own`
  }
}

/**
 * A directory or a file of a schema cannot be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class SourceUnreadable extends Data.TaggedError("SourceUnreadable")<{
  readonly path: string
  /** Why, and what to do. */
  readonly problem: string
}> {
  override get message(): string {
    return `cannot read ${this.path}: ${this.problem}`
  }
}

/**
 * A directory of versions whose contents do not make sense.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidSource extends Data.TaggedError("InvalidSource")<{
  readonly path: string
  readonly problem: string
}> {
  override get message(): string {
    return `${this.path}: ${this.problem}`
  }
}

/**
 * A `manifest.json` that is missing a field, has a wrong one, or is not JSON.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidManifest extends Data.TaggedError("InvalidManifest")<{
  readonly path: string
  readonly problem: string
}> {
  override get message(): string {
    return `${this.path} is not a manifest: ${this.problem}`
  }
}

/**
 * A statement that cannot be parsed, or that a schema may not hold.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidStatement extends Data.TaggedError("InvalidStatement")<{
  readonly path: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  readonly problem: string
}> {
  override get message(): string {
    return `${this.path}:${this.line}:${this.column}: ${this.problem}`
  }
}

/**
 * The database has no recorded schema version.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotSetUp extends Data.TaggedError("NotSetUp")<{
  /** The name that the version is recorded under. */
  readonly database: string
}> {
  override get message(): string {
    return `no schema version is recorded for database ${this.database}: run setup-schema first`
  }
}

/**
 * The database is at a later version than the one asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class Downgrade extends Data.TaggedError("Downgrade")<{
  readonly current: string
  readonly target: string
}> {
  override get message(): string {
    return `the database is at ${this.current}, after ${this.target}: there is no way back, use a tool that knows ${this.current}`
  }
}

/**
 * What is recorded in the bookkeeping tables is not what they are for.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidBookkeeping extends Data.TaggedError("InvalidBookkeeping")<{ readonly problem: string }> {
  override get message(): string {
    return `schema_version cannot be trusted: ${this.problem}`
  }
}

/**
 * What a statement would create is there already, but is something else.
 *
 * @since 0.1.0
 * @category errors
 */
export class ObjectDiffers extends Data.TaggedError("ObjectDiffers")<{
  readonly object: string
  readonly location: string
  /** How it differs, for example `it lacks the columns a, b`. */
  readonly problem: string
}> {
  override get message(): string {
    return `${this.location}: ${this.object} is there already, but ${this.problem}: rename or drop it, then run again`
  }
}

/**
 * An index was built and did not become valid, or an earlier build left it invalid.
 *
 * @since 0.1.0
 * @category errors
 */
export class IndexInvalid extends Data.TaggedError("IndexInvalid")<{
  readonly index: string
  readonly location: string
  /** What the service says about the build, where it says anything. */
  readonly details: string | undefined
}> {
  override get message(): string {
    const details = this.details === undefined ? "" : ` (${this.details})`
    return `${this.location}: index ${this.index} is invalid, its build failed${details}: correct the rows, DROP INDEX ${this.index}, then run again`
  }
}

/**
 * An asynchronous job that is not an index build has failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class JobFailed extends Data.TaggedError("JobFailed")<{
  readonly job: string
  readonly location: string
  readonly details: string | undefined
}> {
  override get message(): string {
    const details = this.details === undefined ? "" : `: ${this.details}`
    return `${this.location}: job ${this.job} failed${details}`
  }
}

/**
 * The database refused a statement of the schema, or was lost while it ran.
 *
 * @since 0.1.0
 * @category errors
 */
export class StatementRefused extends Data.TaggedError("StatementRefused")<{
  readonly location: string
  /** What the statement is about, for example `CREATE TABLE shards`. */
  readonly summary: string
  readonly cause: DsqlError
}> {
  override get message(): string {
    return `${this.location}: ${this.summary}: ${oneLine(this.cause.message)}; what ran before it stays, run again to go on`
  }
}

/**
 * What is wrong with files: found before anything runs.
 *
 * @since 0.1.0
 * @category models
 */
export type SourceError =
  | InvalidVersion
  | UnknownVersion
  | UnknownSchema
  | SourceUnreadable
  | InvalidSource
  | InvalidManifest
  | InvalidStatement

/**
 * What is wrong with the database's state.
 *
 * @since 0.1.0
 * @category models
 */
export type StateError =
  | NotSetUp
  | Downgrade
  | InvalidBookkeeping
  | ObjectDiffers
  | IndexInvalid
  | JobFailed
  | StatementRefused

/**
 * Every error of this package.
 *
 * @since 0.1.0
 * @category models
 */
export type SchemaError = SourceError | StateError

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim()

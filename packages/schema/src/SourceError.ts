/**
 * Everything that can be wrong with the files of a schema, as a closed union of
 * tagged errors: found before anything runs.
 *
 * Each message is one line and says what is wrong, where, and what to do.
 *
 * @since 0.1.0
 * @stability stable
 */
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
 * What is wrong with files.
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

/**
 * Everything that a migration can end with, as a closed union of tagged errors.
 * What goes wrong between the program and the database is a `DsqlError` of
 * `@effect-dsql/core`.
 *
 * Each message is one line and says what happened, where, and what to do.
 *
 * @since 0.1.0
 * @stability stable
 */
import type { DsqlError, TransactionError } from "@effect-dsql/core/DsqlError"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import { commandFor } from "./internal/advice/command.ts"
import type { UnknownVersion } from "./SourceError.ts"

/**
 * The database has no recorded schema version.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotSetUp extends Data.TaggedError("NotSetUp")<{
  /** The name that the version is recorded under. */
  readonly database: string
  /** The schema that was looked for. */
  readonly schema: string
  /** Whether setting it up has begun and not ended. */
  readonly begun: boolean
}> {
  override get message(): string {
    const command = commandFor("setup-schema", this)
    return this.begun
      ? `database ${this.database} is half set up: run ${command} to go on`
      : `no schema version is recorded for database ${this.database}: run ${command} first`
  }
}

/**
 * The database holds another schema. Versions of the one say nothing about the other.
 *
 * @since 0.1.0
 * @category errors
 */
export class AnotherSchema extends Data.TaggedError("AnotherSchema")<{
  /** The name that the version is recorded under. */
  readonly database: string
  /** The schema that was to be worked with. */
  readonly schema: string
  /** What the schema of the database is called; null where that is not recorded. */
  readonly found: string | null
  /** The recorded version; null where it is half set up. */
  readonly version: string | null
}> {
  override get message(): string {
    const { database, found, schema, version } = this
    const name = found === null ? "another schema" : found === schema ? `another schema called ${found}` : found
    const place = version === null ? `is half set up with ${name}` : `holds ${name} at ${version}`
    return `database ${database} ${place}, not ${schema}: give the schema that it was set up with, or another --db-name for this one`
  }
}

/**
 * The schema is set up in this database under another name. Its tables cannot be there twice.
 *
 * @since 0.2.0
 * @category errors
 */
export class SetUpElsewhere extends Data.TaggedError("SetUpElsewhere")<{
  /** The name that it was to be recorded under. */
  readonly database: string
  /** The schema that was to be set up. */
  readonly schema: string
  /** The name that it is recorded under. */
  readonly name: string
}> {
  override get message(): string {
    return `${this.schema} is set up in this database already, and recorded under ${this.name}, not ${this.database}: give --db-name ${this.name}`
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
  /** The version that was asked for. */
  readonly requested: string
}> {
  override get message(): string {
    return `the database is at ${this.current}, after ${this.requested}: there is no way back but a backup (see Rollback in docs/migrations.md): use a tool that knows ${this.current}`
  }
}

/**
 * The versions that have run and those of the schema do not follow from each other.
 *
 * @since 0.1.0
 * @category errors
 */
export class VersionGap extends Data.TaggedError("VersionGap")<{
  /** The schema that was looked in. */
  readonly source: string
  readonly problem: string
}> {
  override get message(): string {
    return `${this.source}: ${this.problem}`
  }
}

/**
 * A program and a database do not fit: the database is behind, or no longer works with programs this old.
 *
 * @since 0.1.0
 * @category errors
 */
export class IncompatibleVersion extends Data.TaggedError("IncompatibleVersion")<{
  /** The name that the version is recorded under. */
  readonly database: string
  /** The schema that was compared with. */
  readonly schema: string
  /** The version that the program expects. */
  readonly expected: string
  /** The recorded version; null where none is. */
  readonly current: string | null
  /** The oldest version that programs may expect of the database; null where no version is recorded. */
  readonly minCompatible: string | null
  /** Whether it is the database that is too old. */
  readonly behind: boolean
}> {
  override get message(): string {
    const { behind, current, expected, minCompatible } = this
    if (current === null)
      return `this program expects version ${expected}, the database has none: run ${commandFor("setup-schema", this)}`
    return behind
      ? `this program expects version ${expected}, the database is at ${current}: run ${commandFor("update-schema", this)}`
      : `this program expects version ${expected}, the database is at ${current} and works with programs from ${minCompatible} on: update the program`
  }
}

/**
 * What is recorded in the bookkeeping tables is not what they are for.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidBookkeeping extends Data.TaggedError("InvalidBookkeeping")<{
  readonly table: string
  readonly problem: string
}> {
  override get message(): string {
    return `${this.table} cannot be trusted: ${this.problem}`
  }
}

/**
 * A statement that has run is not what the schema's files say now.
 *
 * @since 0.1.0
 * @category errors
 */
export class StatementChanged extends Data.TaggedError("StatementChanged")<{
  readonly version: string
  /** Which statement of the version, from 1. */
  readonly ordinal: number
  /** Where it stands; undefined where the files have it no longer. */
  readonly location: string | undefined
  /** What ran, for example `CREATE TABLE shards`. */
  readonly summary: string
}> {
  override get message(): string {
    const { location, ordinal, summary, version } = this
    const what = `statement ${ordinal} of version ${version} (${summary})`
    return location === undefined
      ? `${what} has run, and is in the files no longer: put it back, or accept the change with repair`
      : `${location}: ${what} has changed since it ran: change it back, or accept the change with repair`
  }
}

/**
 * Another migrator is at work.
 *
 * @since 0.1.0
 * @category errors
 */
export class LeaseHeld extends Data.TaggedError("LeaseHeld")<{
  /** The name that the version is recorded under. */
  readonly database: string
  /** Who holds it: host, process and a number. */
  readonly owner: string
  /** When it would end without another heartbeat, as the database's clock has it. */
  readonly expires: DateTime.Utc
}> {
  override get message(): string {
    return `${this.owner} is migrating database ${this.database}, with a lease until ${DateTime.formatIso(this.expires)}: wait for it; if it is dead, its lease ends by itself or with repair`
  }
}

/**
 * This migrator was paused or cut off for longer than its lease, or its lease was released: somebody else may be
 * at work. It has stopped writing.
 *
 * @since 0.1.0
 * @category errors
 */
export class LeaseLost extends Data.TaggedError("LeaseLost")<{
  readonly database: string
  /** Who lost it. */
  readonly owner: string
}> {
  override get message(): string {
    return `${this.owner} has lost the lease on database ${this.database}, and stopped: what ran before stays, run again to go on`
  }
}

/**
 * The migrator could not have two connections at once.
 *
 * @since 0.1.0
 * @category errors
 */
export class TooFewConnections extends Data.TaggedError("TooFewConnections")<{}> {
  override get message(): string {
    return "the migrator needs two connections at once, one of them for its lease: set maxConnections to 2 or more"
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
  /** The keys that rows of a unique index share, a few of them: `(name) = (x) in 2 rows`. */
  readonly collisions: ReadonlyArray<string>
}> {
  override get message(): string {
    const details = this.details === undefined ? "" : ` (${this.details})`
    const rows = this.collisions.length === 0 ? "" : `, these rows collide: ${this.collisions.join("; ")}`
    return `${this.location}: index ${this.index} is invalid, its build failed${details}${rows}: correct the rows, then build it again with repair`
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
  /** What the database says; without the value that it repeats, where that is of a row or may be a password. */
  readonly problem: string
  readonly cause: DsqlError
}> {
  override get message(): string {
    return `${this.location}: ${this.summary}: ${oneLine(this.problem)}; what ran before it stays, run again to go on`
  }
}

/**
 * What a migration can end with.
 *
 * @since 0.1.0
 * @category models
 */
export type MigrationError =
  | NotSetUp
  | AnotherSchema
  | SetUpElsewhere
  | Downgrade
  | VersionGap
  | IncompatibleVersion
  | InvalidBookkeeping
  | StatementChanged
  | LeaseHeld
  | LeaseLost
  | TooFewConnections
  | ObjectDiffers
  | IndexInvalid
  | JobFailed
  | StatementRefused
  | UnknownVersion
  | TransactionError

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim()

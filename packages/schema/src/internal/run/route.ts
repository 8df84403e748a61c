/**
 * Which versions lie between where a database is and where it is to be, and why
 * there may be no way.
 */
import * as Effect from "effect/Effect"
import { Downgrade, NotSetUp, StatementChanged, VersionGap } from "../../MigrationError.ts"
import * as SchemaSource from "../../SchemaSource.ts"
import type { UnknownVersion } from "../../SourceError.ts"
import * as Version from "../../Version.ts"
import type { Recorded } from "../books/bookkeeping.ts"
import * as Journal from "../books/journal.ts"
import { type Keyed, keyed, label, rowOf } from "../books/key.ts"
import { type Standing, stateOf } from "./standing.ts"

/** Where a run ends. */
export interface Goal {
  /** As it is recorded. */
  readonly to: Recorded
  /** Whether somebody asked for this version: then a later one is too far. */
  readonly isAsked: boolean
}

/** A way from one version to another. */
export interface Route {
  /** Undefined where no version is recorded. */
  readonly from: Recorded | undefined
  /** What is recorded at the end. */
  readonly to: Recorded
  /** Those that have to run, oldest first, and those that have begun and not ended. */
  readonly versions: ReadonlyArray<SchemaSource.SchemaVersion>
}

/** The goal of a run: a version that is asked for, or the latest. `0.0` is where no version has been applied. */
export const goal = (
  source: SchemaSource.SchemaSource,
  version: Version.Version | undefined
): Effect.Effect<Goal, UnknownVersion> => {
  if (version === undefined) return Effect.succeed({ to: SchemaSource.latest(source), isAsked: false })
  const found: Effect.Effect<Recorded, UnknownVersion> = SchemaSource.find(source, version)
  const none = { version: Version.none, minCompatible: Version.none }
  return Effect.map(Version.equals(version, Version.none) ? Effect.orElseSucceed(found, () => none) : found, (to) => ({
    to,
    isAsked: true
  }))
}

/**
 * The way of a setup: from nothing, or from where the database is. One that is there already, or further, needs none.
 */
export const ofSetup = (
  source: SchemaSource.SchemaSource,
  { to }: Goal,
  standing: Standing
): Effect.Effect<Route, Downgrade | StatementChanged | VersionGap> =>
  Effect.gen(function* () {
    yield* consistent(source, standing)
    const { recorded } = standing
    // Unlike an update's, they may begin with a file that is called 0.0.
    if (recorded === undefined) return { from: undefined, to, versions: SchemaSource.upTo(source, to.version) }
    if (stateOf(source, recorded) === "incompatible") return yield* downgrade(recorded, to)
    return { from: recorded, to, versions: pending(source, recorded, to, standing.journal) }
  })

/** The way of an update. Going back is refused, and so is what is not set up. */
export const ofUpdate = (
  source: SchemaSource.SchemaSource,
  { isAsked, to }: Goal,
  standing: Standing,
  database: string
): Effect.Effect<Route, Downgrade | NotSetUp | StatementChanged | VersionGap> =>
  Effect.gen(function* () {
    const { recorded } = standing
    if (recorded === undefined) {
      return yield* new NotSetUp({ database, schema: source.name, begun: standing.journal.length > 0 })
    }
    const isTooFar = isAsked && Version.isAfter(recorded.version, to.version)
    if (isTooFar || stateOf(source, recorded) === "incompatible") return yield* downgrade(recorded, to)
    yield* consistent(source, standing)
    return { from: recorded, to, versions: pending(source, recorded, to, standing.journal) }
  })

const downgrade = (from: Recorded, to: Recorded) => new Downgrade({ current: from.version, requested: to.version })

/** A statement that has run and that the files do not have as it ran. */
export interface ChangedStatement {
  readonly version: SchemaSource.SchemaVersion
  readonly ordinal: number
  /** As the files have it now; undefined where they have it no longer. */
  readonly now: Keyed | undefined
  /** What the journal has; undefined for a statement that was added to a version which had run. */
  readonly row: Journal.Row | undefined
}

/** What a changed statement does, in a few words. */
export const summaryOf = ({ now, row }: ChangedStatement): string => row?.statement ?? now?.statement.summary ?? ""

/** Compares what has run with the files. A statement that was refused may have been corrected since. */
export const changedStatements = (
  source: SchemaSource.SchemaSource,
  { journal, recorded }: Standing
): ReadonlyArray<ChangedStatement> =>
  source.versions.flatMap((version): ReadonlyArray<ChangedStatement> => {
    const rows = journal.filter((row) => row.version === label(version))
    const statements = keyed(version)
    const differing = rows.flatMap((row): ReadonlyArray<ChangedStatement> => {
      const now = statements[row.ordinal - 1]
      const counts = row.finished !== null || Journal.isOpen(row)
      return counts && now?.statement.checksum !== row.checksum ? [{ version, ordinal: row.ordinal, now, row }] : []
    })
    const isComplete = recorded !== undefined && !Version.isAfter(version.version, recorded.version) && rows.length > 0
    const added = isComplete ? statements.filter(({ key }) => rowOf(rows, key) === undefined) : []
    return [...differing, ...added.map((now) => ({ version, ordinal: now.key.ordinal, now, row: undefined }))].toSorted(
      (a, b) => a.ordinal - b.ordinal
    )
  })

const consistent = Effect.fnUntraced(function* (
  source: SchemaSource.SchemaSource,
  standing: Standing
): Effect.fn.Return<void, StatementChanged | VersionGap> {
  const gap = gapOf(source, standing)
  if (gap !== undefined) return yield* new VersionGap({ source: source.name, problem: gap })
  const [changed] = changedStatements(source, standing)
  if (changed === undefined) return
  return yield* new StatementChanged({
    version: changed.version.version,
    ordinal: changed.ordinal,
    location: changed.now?.statement.location,
    summary: summaryOf(changed)
  })
})

const gapOf = ({ versions }: SchemaSource.SchemaSource, { journal, recorded }: Standing): string | undefined => {
  const known = versions.map(({ version }) => version)
  const list = known.join(", ")
  if (recorded === undefined) return undefined
  const { version: at } = recorded
  const isBefore = versions.some(({ version }) => Version.isAfter(version, at))
  if (isBefore && !Version.equals(at, Version.none) && !known.some((version) => Version.equals(version, at))) {
    return `the database is at ${at}, which is not among its versions ${list}: use the schema that the database was made from`
  }
  const has = (version: SchemaSource.SchemaVersion) => journal.some((row) => row.version === label(version))
  const late = versions.find(
    (version) =>
      Version.isAfter(at, version.version) &&
      version.statements.length > 0 &&
      !has(version) &&
      // Versions that ran before there was a journal have no rows, and come before all that do.
      versions.some((other) => Version.isAfter(version.version, other.version) && has(other))
  )
  return late === undefined
    ? undefined
    : `version ${late.version} was added below ${at}, at which the database is already: give it a number after ${at}`
}

const pending = (
  source: SchemaSource.SchemaSource,
  from: Recorded,
  to: Recorded,
  journal: ReadonlyArray<Journal.Row>
): ReadonlyArray<SchemaSource.SchemaVersion> =>
  source.versions.filter((version) =>
    Version.isAfter(version.version, from.version)
      ? !Version.isAfter(version.version, to.version)
      : journal.some((row) => row.version === label(version) && row.finished === null)
  )

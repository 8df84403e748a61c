/**
 * Which versions lie between where a database is and where it is to be, and why
 * there may be no way.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Recorded } from "./Bookkeeping.ts"
import * as Journal from "./Journal.ts"
import { Downgrade, NotSetUp, StatementChanged, type UnknownVersion, VersionGap } from "./SchemaError.ts"
import * as SchemaSource from "./SchemaSource.ts"
import type { State } from "./State.ts"
import * as Status from "./Status.ts"
import * as Version from "./Version.ts"

/**
 * A way from one version to another.
 *
 * @since 0.1.0
 * @category models
 */
export interface Route {
  /** Undefined where no version is recorded. */
  readonly from: Recorded | undefined
  /** What is recorded at the end. */
  readonly to: Recorded
  /** Those that have to run, oldest first, and those that have begun and not ended. */
  readonly versions: ReadonlyArray<SchemaSource.SchemaVersion>
}

/**
 * The way of a setup: from nothing, or from where the database is. One that is there already, or further, needs none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofSetup = (
  source: SchemaSource.SchemaSource,
  version: Version.Version | undefined,
  state: Pick<State, "journal" | "recorded">
): Effect.Effect<Route, Downgrade | StatementChanged | UnknownVersion | VersionGap> =>
  Effect.gen(function* () {
    const to = yield* goal(source, version)
    yield* consistent(source, state)
    const { journal, recorded } = state
    if (recorded !== undefined) {
      if (Status.make(source, "", recorded).state === "incompatible") {
        return yield* new Downgrade({ current: recorded.version, target: to.version })
      }
      return { from: recorded, to, versions: pending(source, recorded, to, journal) }
    }
    // Unlike an update's, they may begin with a file that is called 0.0.
    return { from: undefined, to, versions: SchemaSource.upTo(source, to.version) }
  })

/**
 * The way of an update. Going back is refused, and so is what is not set up.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofUpdate = (
  source: SchemaSource.SchemaSource,
  version: Version.Version | undefined,
  state: Pick<State, "journal" | "recorded">,
  database: string
): Effect.Effect<Route, Downgrade | NotSetUp | StatementChanged | UnknownVersion | VersionGap> =>
  Effect.gen(function* () {
    const to = yield* goal(source, version)
    const { journal, recorded } = state
    if (recorded === undefined) return yield* new NotSetUp({ database })
    const tooFar =
      Status.make(source, database, recorded).state === "incompatible" ||
      (version !== undefined && Version.isAfter(recorded.version, to.version))
    if (tooFar) return yield* new Downgrade({ current: recorded.version, target: to.version })
    yield* consistent(source, state)
    return { from: recorded, to, versions: pending(source, recorded, to, journal) }
  })

/**
 * Where a run ends, as it is recorded. `0.0` is where no version has been applied.
 *
 * @since 0.1.0
 * @category accessors
 */
export const goal = (
  source: SchemaSource.SchemaSource,
  version: Version.Version | undefined
): Effect.Effect<Recorded, UnknownVersion> => {
  if (version === undefined) return Effect.succeed(SchemaSource.latest(source))
  const found = SchemaSource.find(source, version)
  return Version.equals(version, Version.none)
    ? Effect.orElseSucceed(found, () => ({ version: Version.none, minCompatible: Version.none }))
    : found
}

/**
 * A statement that has run and that the files do not have as it ran.
 *
 * @since 0.1.0
 * @category models
 */
export interface Change {
  readonly version: SchemaSource.SchemaVersion
  readonly ordinal: number
  /** What the journal has; undefined for a statement that was added to a version which had run. */
  readonly row: Journal.Row | undefined
}

/**
 * Compares what has run with the files. A statement that was refused may have been corrected since.
 *
 * @since 0.1.0
 * @category accessors
 */
export const changes = (
  source: SchemaSource.SchemaSource,
  { journal, recorded }: Pick<State, "journal" | "recorded">
): ReadonlyArray<Change> =>
  source.versions.flatMap((version): ReadonlyArray<Change> => {
    const rows = journal.filter((row) => row.version === SchemaSource.label(version))
    const differing = rows.flatMap((row): ReadonlyArray<Change> => {
      const counts = row.finished !== null || Journal.isOpen(row)
      const same = version.statements[row.ordinal - 1]?.checksum === row.checksum
      return counts && !same ? [{ version, ordinal: row.ordinal, row }] : []
    })
    const isComplete = recorded !== undefined && !Version.isAfter(version.version, recorded.version) && rows.length > 0
    const added = isComplete
      ? version.statements.flatMap((_, i): ReadonlyArray<Change> => {
          const ordinal = i + 1
          return rows.some((row) => row.ordinal === ordinal) ? [] : [{ version, ordinal, row: undefined }]
        })
      : []
    return [...differing, ...added].toSorted((a, b) => a.ordinal - b.ordinal)
  })

const consistent = Effect.fnUntraced(function* (
  source: SchemaSource.SchemaSource,
  state: Pick<State, "journal" | "recorded">
): Effect.fn.Return<void, StatementChanged | VersionGap> {
  const gap = gapOf(source, state)
  if (gap !== undefined) return yield* new VersionGap({ source: source.name, problem: gap })
  const [change] = changes(source, state)
  if (change === undefined) return
  const statement = change.version.statements[change.ordinal - 1]
  return yield* new StatementChanged({
    version: change.version.version,
    ordinal: change.ordinal,
    location: statement?.location,
    summary: change.row?.statement ?? statement?.summary ?? ""
  })
})

const gapOf = (
  { versions }: SchemaSource.SchemaSource,
  { journal, recorded }: Pick<State, "journal" | "recorded">
): string | undefined => {
  const known = versions.map(({ version }) => version)
  const list = known.join(", ")
  if (recorded === undefined) return undefined
  const { version: at } = recorded
  const isBefore = versions.some(({ version }) => Version.isAfter(version, at))
  if (isBefore && !Version.equals(at, Version.none) && !known.some((version) => Version.equals(version, at))) {
    return `the database is at ${at}, which is not among its versions ${list}: use the schema that the database was made from`
  }
  const has = (version: SchemaSource.SchemaVersion) =>
    journal.some((row) => row.version === SchemaSource.label(version))
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
      : journal.some((row) => row.version === SchemaSource.label(version) && row.finished === null)
  )

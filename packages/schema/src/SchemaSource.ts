/**
 * Where a schema comes from: the one that this package carries, a directory of
 * versions, or a single SQL file. A source is read and checked as a whole, so
 * that nothing runs while anything in it is wrong.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { fileURLToPath } from "node:url"
import * as Manifest from "./Manifest.ts"
import { InvalidManifest, InvalidSource, type SourceError, SourceUnreadable, UnknownSchema } from "./SchemaError.ts"
import { UnknownVersion } from "./SchemaError.ts"
import * as SqlFile from "./SqlFile.ts"
import * as Version from "./Version.ts"

/**
 * One version of a schema: its manifest and the statements of its files.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchemaVersion extends Manifest.Manifest {
  /** In the order in which they run. */
  readonly statements: ReadonlyArray<SqlFile.SqlStatement>
}

/**
 * A schema in all its versions, oldest first. There is at least one.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchemaSource {
  /** What it is called in messages: a built-in name or a path. */
  readonly name: string
  readonly versions: readonly [SchemaVersion, ...ReadonlyArray<SchemaVersion>]
}

/**
 * Makes a schema of versions that have been read, oldest first.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (name: string, [first, ...rest]: SchemaSource["versions"]): SchemaSource => ({
  name,
  versions: [settled(first, rest), ...rest.map((version, i) => settled(version, rest.slice(i + 1)))]
})

/**
 * The names of the schemas that this package carries.
 *
 * @since 0.1.0
 * @category constants
 */
export const builtInNames: ReadonlyArray<string> = ["dsql/temporal"]

/**
 * Reads a schema that this package carries.
 *
 * @example
 * ```ts
 * import { SchemaSource } from "@effect-dsql/schema"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const temporal = yield* SchemaSource.builtIn("dsql/temporal")
 *   yield* Effect.log(SchemaSource.latest(temporal).version)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const builtIn = (
  name = "dsql/temporal"
): Effect.Effect<SchemaSource, SourceError, FileSystem.FileSystem | Path.Path> =>
  builtInNames.includes(name)
    ? read(name, fileURLToPath(new URL(`../${name}/versioned`, import.meta.url)))
    : Effect.fail(new UnknownSchema({ name, known: builtInNames }))

/**
 * Reads a directory that holds one directory per version (`v1.0`, `v1.1`, …),
 * or holds them below `versioned`. Anything else in it is left alone.
 *
 * @since 0.1.0
 * @category constructors
 */
export const directory = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<SchemaSource, SourceError, FileSystem.FileSystem | Path.Path> {
  const paths = yield* Path.Path
  const entries = yield* list(path)
  const nested = !entries.some(isVersionName) && entries.includes("versioned")
  return yield* read(path, nested ? paths.join(path, "versioned") : path)
})

/**
 * Makes a schema of one version from one SQL file, which has no manifest. The
 * version is `0.0` where none is given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const file = (
  path: string,
  version: Version.Version = Version.none
): Effect.Effect<SchemaSource, SourceError, FileSystem.FileSystem | Path.Path> =>
  Effect.map(
    Effect.flatMap(bytesOf(path), (bytes) => SqlFile.parse(bytes, path)),
    (statements) =>
      make(path, [{ version, minCompatible: version, description: "", files: [path], md5: "", statements }])
  )

/**
 * The version of a schema that a program expects when it knows all of it.
 *
 * @since 0.1.0
 * @category accessors
 */
export const latest = (source: SchemaSource): SchemaVersion => source.versions.at(-1) ?? source.versions[0]

/**
 * Finds a version, or fails and names those that there are.
 *
 * @since 0.1.0
 * @category accessors
 */
export const find = (source: SchemaSource, version: Version.Version): Effect.Effect<SchemaVersion, UnknownVersion> => {
  const found = source.versions.find((candidate) => Version.equals(candidate.version, version))
  return found === undefined
    ? Effect.fail(
        new UnknownVersion({ version, source: source.name, known: source.versions.map(({ version }) => version) })
      )
    : Effect.succeed(found)
}

/**
 * The versions after one and up to another, oldest first.
 *
 * @since 0.1.0
 * @category accessors
 */
export const between = (
  source: SchemaSource,
  after: Version.Version,
  upTo: Version.Version
): ReadonlyArray<SchemaVersion> =>
  source.versions.filter(({ version }) => Version.isAfter(version, after) && !Version.isAfter(version, upTo))

/**
 * The versions up to one, oldest first.
 *
 * @since 0.1.0
 * @category accessors
 */
export const upTo = (source: SchemaSource, version: Version.Version): ReadonlyArray<SchemaVersion> =>
  source.versions.filter((candidate) => !Version.isAfter(candidate.version, version))

/**
 * The tables that the statements of a schema create, in the order in which they do.
 *
 * @since 0.1.0
 * @category accessors
 */
export const tables = (source: SchemaSource): ReadonlyArray<SqlFile.Name> => {
  const names = new Map<string, SqlFile.Name>()
  for (const { statements } of source.versions) {
    for (const { target } of statements) {
      if (target._tag === "CreateTable") names.set(SqlFile.display(target.name), target.name)
    }
  }
  return [...names.values()]
}

const settled = (version: SchemaVersion, after: ReadonlyArray<SchemaVersion>): SchemaVersion => ({
  ...version,
  statements: SqlFile.withoutRemoved(
    version.statements,
    after.flatMap(({ statements }) => statements)
  )
})

const isVersionName = (name: string): boolean => /^v\d/.test(name)

const read = Effect.fnUntraced(function* (name: string, path: string) {
  const paths = yield* Path.Path
  const names = (yield* list(path)).filter(isVersionName)
  const versions = yield* Effect.forEach(names, (entry) => readVersion(paths.join(path, entry), entry))
  const sorted = versions.toSorted((a, b) => Version.compare(a.version, b.version))
  const [first, ...rest] = sorted
  if (first === undefined) {
    return yield* new InvalidSource({ path, problem: "there are no versions in it: expected directories such as v1.0" })
  }
  const twice = sorted.find((version, i) => {
    const next = sorted[i + 1]
    return next !== undefined && Version.equals(version.version, next.version)
  })
  if (twice !== undefined) {
    return yield* new InvalidSource({ path, problem: `version ${twice.version} is there twice: remove one` })
  }
  return make(name, [first, ...rest])
})

const readVersion = Effect.fnUntraced(function* (path: string, name: string) {
  const paths = yield* Path.Path
  const expected = yield* Effect.mapError(
    Version.parse(name),
    () => new InvalidSource({ path, problem: "its name is not a version: call it as in v1.0, or move it away" })
  )
  const manifestPath = paths.join(path, "manifest.json")
  const manifest = yield* Manifest.parse(yield* bytesOf(manifestPath), manifestPath)
  if (manifest.version !== expected) {
    return yield* new InvalidManifest({
      path: manifestPath,
      problem: `its CurrVersion is ${manifest.version}, but its directory is ${name}: make them agree`
    })
  }
  const statements = yield* Effect.forEach(manifest.files, (file) => {
    const sqlPath = paths.join(path, file)
    return Effect.flatMap(bytesOf(sqlPath), (bytes) => SqlFile.parse(bytes, sqlPath))
  })
  return { ...manifest, statements: statements.flat() }
})

const list = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readDirectory(path)).pipe(
    Effect.mapError((error) => new SourceUnreadable({ path, problem: problem(error, "a directory of versions") }))
  )

const bytesOf = (path: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.readFile(path)).pipe(
    Effect.mapError((error) => new SourceUnreadable({ path, problem: problem(error, "a file") }))
  )

const problem = (error: PlatformError, expected: string): string => {
  switch (error.reason._tag) {
    case "NotFound":
      return "there is nothing there: check the path"
    case "PermissionDenied":
      return "permission denied: check its owner and mode"
    default: {
      // Node's codes for a file where a directory is expected, and the reverse, have no tag of their own.
      const code = causeCode(error.reason.cause)
      return code === "ENOTDIR" || code === "EISDIR" ? `it is not ${expected}` : error.message.replaceAll(/\s+/g, " ")
    }
  }
}

const causeCode = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined

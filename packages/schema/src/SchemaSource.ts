/**
 * Where a schema comes from: the one that this package carries, a directory of
 * versions, or a single SQL file. A source is read and checked as a whole, so
 * that nothing runs while anything in it is wrong.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Files from "./internal/sql/files.ts"
import type * as Manifest from "./Manifest.ts"
import * as Outline from "./Outline.ts"
import { InvalidSource, type SourceError, UnknownVersion } from "./SourceError.ts"
import * as SqlFile from "./internal/sql/sqlFile.ts"
import type { SqlStatement } from "./SqlStatement.ts"
import * as Version from "./Version.ts"

/**
 * One version of a schema: its manifest and the statements of its files.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchemaVersion extends Manifest.Manifest {
  /** In the order in which they run. */
  readonly statements: ReadonlyArray<SqlStatement>
  /** What it is called in the journal, where not by its version. */
  readonly label?: string | undefined
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
 * Reads a schema that this package carries: one of `Outline.builtInNames`.
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
export const builtIn = (name?: string): Effect.Effect<SchemaSource, SourceError, FileSystem.FileSystem | Path.Path> =>
  read(Outline.builtIn(name))

/**
 * Reads a directory that holds one directory per version (`v1.0`, `v1.1`, …),
 * or holds them below `versioned`. Anything else in it is left alone.
 *
 * @since 0.1.0
 * @category constructors
 */
export const directory = (path: string): Effect.Effect<SchemaSource, SourceError, FileSystem.FileSystem | Path.Path> =>
  read(Outline.directory(path))

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
    Effect.flatMap(Files.bytesOf(path), (bytes) => SqlFile.parse(bytes, path)),
    (statements) => ({
      name: path,
      versions: [
        {
          version,
          minCompatible: version,
          description: "",
          files: [path],
          md5: "",
          statements,
          // Statement 2 of a file that holds several versions is not statement 2 of the last of them.
          label: `file ${version}`
        }
      ]
    })
  )

/**
 * Whether an outline has statements, too.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSource = (outline: Outline.Outline): outline is SchemaSource =>
  outline.versions.every((version) => "statements" in version)

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
 * The versions up to one, oldest first.
 *
 * @since 0.1.0
 * @category accessors
 */
export const upTo = (source: SchemaSource, version: Version.Version): ReadonlyArray<SchemaVersion> =>
  source.versions.filter((candidate) => !Version.isAfter(candidate.version, version))

const read = Effect.fnUntraced(function* <R>(outline: Effect.Effect<Outline.Directory, SourceError, R>) {
  const { name, root, versions } = yield* outline
  const [first, ...rest] = yield* Effect.forEach(versions, (version) => readVersion(root, version))
  // There is at least one version in an outline, and so in what is read of it.
  if (first === undefined) return yield* Effect.die(new Error(`${name} has no versions`))
  // A directory that is written to while it is read would give half of each.
  const after = yield* outline
  const changed = versions.find((version, i) => version.md5 !== after.versions[i]?.md5)
  if (changed !== undefined || after.versions.length !== versions.length) {
    const path = changed?.directory ?? name
    return yield* new InvalidSource({ path, problem: "it changed while it was read: run again when it is complete" })
  }
  return { name, versions: [first, ...rest] as const }
})

const readVersion = Effect.fnUntraced(function* (root: string, { directory, ...manifest }: Outline.Entry) {
  const paths = yield* Path.Path
  const statements = yield* Effect.forEach(manifest.files, (file) => {
    const path = paths.join(directory, file)
    return Effect.flatMap(Files.bytesWithin(root, path), (bytes) => SqlFile.parse(bytes, path))
  })
  return { ...manifest, statements: statements.flat() }
})

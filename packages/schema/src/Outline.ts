/**
 * A schema's versions by their manifests alone: enough to tell where a database
 * stands. No SQL is read, so it is quick, and right even where the SQL is wrong.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { fileURLToPath } from "node:url"
import * as Files from "./internal/sql/files.ts"
import * as Manifest from "./Manifest.ts"
import { InvalidManifest, InvalidSource, type SourceError, UnknownSchema } from "./SourceError.ts"
import * as Version from "./Version.ts"

/**
 * A schema in all its versions, oldest first. There is at least one. A `SchemaSource` is one too.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outline {
  /** What it is called in messages: a built-in name or a path. */
  readonly name: string
  readonly versions: readonly [Manifest.Manifest, ...ReadonlyArray<Manifest.Manifest>]
}

/**
 * A version, and the directory that its files are in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry extends Manifest.Manifest {
  readonly directory: string
}

/**
 * An outline that was read from a directory.
 *
 * @since 0.1.0
 * @category models
 */
export interface Directory extends Outline {
  /** Where it really is, whatever links lead there. No file of it may lie elsewhere. */
  readonly root: string
  readonly versions: readonly [Entry, ...ReadonlyArray<Entry>]
}

type Read = Effect.Effect<Directory, SourceError, FileSystem.FileSystem | Path.Path>

/**
 * The names of the schemas that this package carries, the one that is meant where none is named first:
 * `dsql/temporal`, what `@effect-dsql/persistence` keeps; `dsql/storage`, what `@effect-dsql/storage` keeps;
 * `dsql/cluster`, what `@effect-dsql/cluster` keeps.
 *
 * @since 0.1.0
 * @category constants
 */
export const builtInNames: readonly [string, ...ReadonlyArray<string>] = [
  "dsql/temporal",
  "dsql/storage",
  "dsql/cluster"
]

/**
 * Reads the manifests of a schema that this package carries. Each can stand beside the others in one database, because
 * its version is recorded under a name of its own (`recordedUnder`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const builtIn = (name = builtInNames[0]): Read =>
  builtInNames.includes(name)
    ? Effect.map(directory(fileURLToPath(new URL(`../${name}`, import.meta.url))), (outline) => ({ ...outline, name }))
    : Effect.fail(new UnknownSchema({ name, known: builtInNames }))

/**
 * The name that the version of a schema is recorded under where nobody says another: `postgres`, as the earlier tool
 * wrote it, or `otherwise`; of a built-in schema but the first its own name.
 *
 * @since 0.1.0
 * @category accessors
 */
export const recordedUnder = (name: string, otherwise = "postgres"): string =>
  name !== builtInNames[0] && builtInNames.includes(name) ? name : otherwise

/**
 * Reads the manifests in a directory that holds one directory per version
 * (`v1.0`, `v1.1`, …), or holds them below `versioned`. Anything else in it is left alone.
 *
 * @since 0.1.0
 * @category constructors
 */
export const directory = (path: string): Read =>
  Effect.gen(function* () {
    const paths = yield* Path.Path
    const entries = yield* Files.list(path)
    const nested = !entries.some(isVersionName) && entries.includes("versioned")
    return yield* read(path, yield* Files.realPath(path), nested ? paths.join(path, "versioned") : path)
  })

/**
 * The version of a schema that a program expects when it knows all of it.
 *
 * @since 0.1.0
 * @category accessors
 */
export const latest = ({ versions }: Outline): Manifest.Manifest => versions.at(-1) ?? versions[0]

const isVersionName = (name: string): boolean => /^v\d/.test(name)

const read = (name: string, root: string, path: string): Read =>
  Effect.gen(function* () {
    const paths = yield* Path.Path
    const names = (yield* Files.list(path)).filter(isVersionName)
    const versions = yield* Effect.forEach(names, (entry) => readVersion(root, paths.join(path, entry), entry))
    const sorted = versions.toSorted((a, b) => Version.compare(a.version, b.version))
    const [first, ...rest] = sorted
    if (first === undefined) {
      return yield* new InvalidSource({
        path,
        problem: "there are no versions in it: expected directories such as v1.0"
      })
    }
    const twice = sorted.find((version, i) => {
      const next = sorted[i + 1]
      return next !== undefined && Version.equals(version.version, next.version)
    })
    if (twice !== undefined) {
      return yield* new InvalidSource({ path, problem: `version ${twice.version} is there twice: remove one` })
    }
    return { name, root, versions: [first, ...rest] as const }
  })

const readVersion = Effect.fnUntraced(function* (root: string, directory: string, name: string) {
  const paths = yield* Path.Path
  const expected = yield* Effect.mapError(
    Version.parse(name),
    () =>
      new InvalidSource({
        path: directory,
        problem: "its name is not a version: call it as in v1.0, or move it away"
      })
  )
  const path = paths.join(directory, "manifest.json")
  const manifest = yield* Manifest.parse(yield* Files.bytesWithin(root, path), path)
  if (manifest.version !== expected) {
    return yield* new InvalidManifest({
      path,
      problem: `its CurrVersion is ${manifest.version}, but its directory is ${name}: make them agree`
    })
  }
  return { ...manifest, directory }
})

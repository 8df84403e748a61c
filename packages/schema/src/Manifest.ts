/**
 * `manifest.json`: what a version is, in the format of Temporal's own schema tools.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { InvalidManifest } from "./SourceError.ts"
import * as Version from "./Version.ts"

/**
 * The file as it is written. Fields of other tools are ignored.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Json = Schema.Struct({
  CurrVersion: Schema.NonEmptyString,
  MinCompatibleVersion: Schema.NonEmptyString,
  Description: Schema.optionalKey(Schema.String),
  SchemaUpdateCqlFiles: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.NonEmptyString))),
  AllowNoCqlFiles: Schema.optionalKey(Schema.Boolean),
  AcceptedColumnTypes: Schema.optionalKey(Schema.Record(Schema.String, Schema.Array(Schema.NonEmptyString)))
})

/**
 * Types by the column that may have them, which is named as `table.column`.
 *
 * @since 0.1.0
 * @category models
 */
export type AcceptedTypes = Readonly<Record<string, ReadonlyArray<string>>>

/**
 * A version's manifest.
 *
 * @since 0.1.0
 * @category models
 */
export interface Manifest {
  readonly version: Version.Version
  /** The oldest program that can work with the schema expects at least this version. */
  readonly minCompatible: Version.Version
  readonly description: string
  /** The SQL files beside the manifest, in the order in which they run. */
  readonly files: ReadonlyArray<string>
  /**
   * Types that a column may have on a database instead of its own, as `Difference` writes them: `varchar(255)`, by
   * `table.column`. For columns that another tool makes otherwise, and that programs can live with.
   */
  readonly acceptedTypes?: AcceptedTypes | undefined
  /** Lower-case hexadecimal MD5 of the file's bytes, as `schema_update_history` keeps it. */
  readonly md5: string
}

// `schema_update_history.description` is a VARCHAR(255).
const descriptionLength = 255

/**
 * Reads the bytes of a `manifest.json`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (bytes: Uint8Array, path: string): Effect.Effect<Manifest, InvalidManifest> => {
  const invalid = (problem: string) => new InvalidManifest({ path, problem })
  return Effect.gen(function* () {
    const text = yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => invalid("it is not UTF-8 text")
    })
    const json = yield* Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: (error) => invalid(`it is not JSON: ${oneLine(error)}`)
    })
    const decoded = Schema.decodeUnknownResult(Json)(json)
    if (Result.isFailure(decoded)) return yield* invalid(oneLine(decoded.failure))
    const manifest = decoded.success
    const version = yield* Effect.mapError(Version.parse(manifest.CurrVersion), (error) =>
      invalid(`CurrVersion ${error.message}`)
    )
    const minCompatible = yield* Effect.mapError(Version.parse(manifest.MinCompatibleVersion), (error) =>
      invalid(`MinCompatibleVersion ${error.message}`)
    )
    if (Version.isAfter(minCompatible, version)) {
      return yield* invalid(`MinCompatibleVersion ${minCompatible} is after CurrVersion ${version}`)
    }
    const description = manifest.Description ?? ""
    if (description.length > descriptionLength) {
      return yield* invalid(`Description has ${description.length} characters, it may have ${descriptionLength}`)
    }
    const files = manifest.SchemaUpdateCqlFiles ?? []
    if (files.length === 0 && manifest.AllowNoCqlFiles !== true) {
      return yield* invalid("SchemaUpdateCqlFiles names no file: name one, or set AllowNoCqlFiles to true")
    }
    const elsewhere = files.find((file) => file.includes("/") || file.includes("\\") || file === "..")
    if (elsewhere !== undefined) {
      return yield* invalid(`SchemaUpdateCqlFiles names ${JSON.stringify(elsewhere)}, which is not beside it`)
    }
    if (new Set(files).size < files.length) return yield* invalid("SchemaUpdateCqlFiles names a file twice")
    const acceptedTypes = manifest.AcceptedColumnTypes
    const md5 = createHash("md5").update(bytes).digest("hex")
    return { version, minCompatible, description, files, ...(acceptedTypes && { acceptedTypes }), md5 }
  })
}

const oneLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ").trim()

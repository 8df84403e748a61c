/**
 * What a project says once, so that it need not be typed: `effect-dsql.json`, in the directory where the command line
 * runs or in one above it. Flags and the environment win over it; it holds no secret.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidUsage } from "./Failure.ts"
import * as Files from "./internal/files.ts"

/**
 * The name of the file.
 *
 * @since 0.1.0
 * @category constants
 */
export const fileName = "effect-dsql.json"

/**
 * The file as it is written: what the flags of these names say.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Project = Schema.Struct({
  endpoint: Schema.optionalKey(Schema.NonEmptyString),
  port: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))),
  user: Schema.optionalKey(Schema.NonEmptyString),
  database: Schema.optionalKey(Schema.NonEmptyString),
  region: Schema.optionalKey(Schema.NonEmptyString),
  tls: Schema.optionalKey(Schema.Literals(["prefer", "require", "verify-full"])),
  "db-name": Schema.optionalKey(Schema.NonEmptyString),
  "schema-dir": Schema.optionalKey(Schema.NonEmptyString)
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Project extends Schema.Schema.Type<typeof Project> {}

const keys = Object.keys(Project.fields)

/**
 * Reads the file, where there is one: the first one upwards from the current directory. Its `schema-dir` stands beside
 * it, and is given from the current directory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read: Effect.Effect<Project, InvalidUsage, FileSystem.FileSystem | Path.Path> = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const ownerOf = (path: string) =>
    Effect.map(
      Effect.option(files.stat(path)),
      Option.flatMap(({ uid }) => uid)
    )
  // Whoever may write into a directory above would say where a password goes.
  const trusted = new Set([process.getuid?.(), 0, Option.getOrUndefined(yield* ownerOf("."))])
  for (let directory = paths.resolve("."); ; directory = paths.dirname(directory)) {
    const path = paths.join(directory, fileName)
    const owner = yield* ownerOf(path)
    if (yield* Effect.orElseSucceed(files.exists(path), () => false)) {
      if (Option.isSome(owner) && !trusted.has(owner.value)) {
        return yield* new InvalidUsage({
          message: `${path}: it is another user's, and is not read: move it away, or make it your own`
        })
      }
      const project = yield* parsed(path)
      const schemaDir = project["schema-dir"]
      if (schemaDir === undefined || paths.isAbsolute(schemaDir)) return project
      return { ...project, "schema-dir": paths.relative(".", paths.join(directory, schemaDir)) || "." }
    }
    if (paths.dirname(directory) === directory) return {}
  }
})

const parsed = Effect.fnUntraced(function* (path: string) {
  const paths = yield* Path.Path
  const files = yield* FileSystem.FileSystem
  const invalid = (problem: string) =>
    new InvalidUsage({ message: `${paths.relative(".", path) || path}: ${problem.replaceAll(/\s+/g, " ")}` })
  const text = yield* Effect.mapError(files.readFileString(path), (error) =>
    invalid(Files.unreadableAt(path)(error).problem)
  )
  const value = yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: (error) => invalid(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  })
  if (typeof value !== "object" || value === null || Array.isArray(value)) return yield* invalid("it is not an object")
  const unknown = Object.keys(value).find((key) => !keys.includes(key))
  if (unknown !== undefined) {
    return yield* invalid(
      /password|passwd|token|secret/i.test(unknown)
        ? `${JSON.stringify(unknown)} does not belong in a file: a password is read from SQL_PASSWORD`
        : `it has no key ${JSON.stringify(unknown)}: there are ${keys.join(", ")}`
    )
  }
  const decoded = Schema.decodeUnknownResult(Project)(value)
  return Result.isSuccess(decoded) ? decoded.success : yield* invalid(decoded.failure.message)
})

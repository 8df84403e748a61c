/**
 * `new-migration`: the next version of a schema of one's own, as files to write into.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Version } from "@effect-dsql/schema/Version"
import { Argument, Command } from "effect/cli"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Connection from "./Connection.ts"
import { InvalidUsage } from "./Failure.ts"
import * as Files from "./internal/files.ts"
import * as Migrating from "./internal/migrating.ts"
import { quoted } from "./internal/shell.ts"
import * as Json from "./Json.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"

/**
 * Makes the directory, the manifest and an SQL file of the next version, and
 * prints a `Json.NewMigration`. It connects to nothing.
 *
 * @since 0.1.0
 * @category commands
 */
export const newMigration = Command.make(
  "new-migration",
  {
    description: Argument.String("description").pipe(
      Argument.withDescription("What the version is for, in a few words; recorded with it"),
      Argument.atLeast(1)
    ),
    schemaDir: Migrating.sourceFlags.schemaDir,
    ...Migrating.versionFlag("Number of the version [default: the next one, 1.0 where there is none]")
  },
  Effect.fnUntraced(function* (input) {
    const shared = yield* Root.shared
    yield* Connection.connectsToNothing(shared, "new-migration")
    const schemaDir = Option.getOrUndefined(input.schemaDir) ?? shared.project["schema-dir"]
    if (schemaDir === undefined) {
      return yield* new InvalidUsage({ message: "no directory: give --schema-dir, the one that the versions are in" })
    }
    const description = input.description.join(" ").trim().replaceAll(/\s+/g, " ")
    if (description === "") return yield* new InvalidUsage({ message: "the description is empty: say what it is for" })
    if (description.length > descriptionLength) {
      return yield* new InvalidUsage({
        message: `the description has ${description.length} characters, it may have ${descriptionLength}`
      })
    }
    const place = yield* placeOf(schemaDir)
    const version = (yield* Migrating.version(input.version)) ?? place.next
    const { isAfter } = yield* Effect.promise(() => import("@effect-dsql/schema/Version"))
    if (place.last !== undefined && !isAfter(version, place.last)) {
      return yield* new InvalidUsage({
        message: `version ${version} is not after ${place.last}, the last one in ${schemaDir}: give a later --version`
      })
    }
    const made = yield* make(place, version, description)
    yield* Output.print(shared, Json.NewMigration, made, () => text(made, schemaDir))
  })
).pipe(
  Command.annotate(Connection.Takes, []),
  Command.withDescription(`Make the next version of a schema of your own: its directory, its manifest and an SQL file, and say what else there
  is to do. Nothing that is there is written over; connects to nothing.`),
  Command.withShortDescription("Make the files of a schema's next version; connects to nothing"),
  Command.withExamples([
    {
      command: "effect-dsql new-migration --schema-dir schema names of accounts",
      description: "Make schema/v1.1 after schema/v1.0, with a file names-of-accounts.sql"
    }
  ])
)

// `schema_update_history.description` is a VARCHAR(255).
const descriptionLength = 255

/** Where the next version goes. */
interface Place {
  /** The directory with a directory for each version. */
  readonly directory: string
  readonly next: Version
  /** The version that is the last one so far; undefined where there is none. */
  readonly last: Version | undefined
  /** The oldest version that programs may expect, which a new version leaves as it is; undefined where it is the first. */
  readonly minCompatible: string | undefined
  /** A file that holds the versions together, and wants what is new, too. */
  readonly whole: string | undefined
}

const placeOf = Effect.fnUntraced(function* (schemaDir: string) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const Version = yield* Effect.promise(() => import("@effect-dsql/schema/Version"))
  const Outline = yield* Effect.promise(() => import("@effect-dsql/schema/Outline"))
  const exists = (path: string) => Effect.orElseSucceed(files.exists(path), () => false)
  const entries = (yield* exists(schemaDir))
    ? yield* Effect.mapError(files.readDirectory(schemaDir), Files.unreadableAt(schemaDir))
    : []
  const first = entries.every((name) => name !== "versioned" && !/^v\d/.test(name))
  if (first)
    return {
      directory: schemaDir,
      next: yield* Version.parse("1.0"),
      last: undefined,
      minCompatible: undefined,
      whole: undefined
    }
  const { versions } = yield* Outline.directory(schemaDir)
  const { directory: newest, minCompatible, version } = versions.at(-1) ?? versions[0]
  const directory = paths.dirname(newest)
  const whole = paths.join(directory, "..", "schema.sql")
  return {
    directory,
    next: yield* Version.parse(version.replace(/\d+$/, (number) => String(Number(number) + 1))),
    last: version,
    minCompatible,
    whole: paths.basename(directory) === "versioned" && (yield* exists(whole)) ? whole : undefined
  }
})

const make = Effect.fnUntraced(function* (
  { directory, minCompatible, whole }: Place,
  version: Version,
  description: string
) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const here = paths.join(directory, `v${version}`)
  const writing = Effect.mapError(
    (error: Parameters<ReturnType<typeof Files.unreadableAt>>[0]) =>
      new InvalidUsage({
        message:
          error.reason._tag === "AlreadyExists"
            ? `${here} is there already: give another --version, or move it away`
            : `cannot write ${here}: ${Files.unreadableAt(here)(error).problem}`
      })
  )
  yield* writing(files.makeDirectory(directory, { recursive: true }))
  yield* writing(files.makeDirectory(here))
  const sql = `${slug(description)}.sql`
  const manifest = {
    CurrVersion: version,
    MinCompatibleVersion: minCompatible ?? version,
    Description: description,
    SchemaUpdateCqlFiles: [sql]
  }
  const sqlFile = paths.join(here, sql)
  const manifestFile = paths.join(here, "manifest.json")
  yield* writing(files.writeFileString(sqlFile, template(description)))
  yield* writing(files.writeFileString(manifestFile, `${JSON.stringify(manifest, undefined, 2)}\n`))
  return { version, directory: here, manifest: manifestFile, sql: sqlFile, whole: whole ?? null }
})

const slug = (description: string): string =>
  description
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "")
    .slice(0, 60) || "migration"

const template = (description: string): string =>
  [
    `-- ${description}`,
    "--",
    "-- Each statement is a transaction of its own. An index on a table that is there is built by a job: CREATE INDEX ASYNC.",
    ""
  ].join("\n")

const text = ({ directory, manifest, sql, whole }: typeof Json.NewMigration.Type, schemaDir: string): string =>
  [
    `made ${manifest} and ${sql}; what is left to do:`,
    `  write the statements into ${sql}`,
    ...(whole === null ? [] : [`  add them to ${whole}, which holds all versions together`]),
    `  raise MinCompatibleVersion in ${manifest} where programs that are out there cannot work with them`,
    `  effect-dsql lint ${quoted(directory)}`,
    `  effect-dsql plan --schema-dir ${quoted(schemaDir)}`
  ].join("\n")

/**
 * What the commands that work on a schema have in common: the flags that name
 * it, the migrator that they run, the report that they print. What is heavy is
 * loaded when it is needed.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { DsqlError } from "@effect-dsql/core/DsqlError"
import type { Event } from "@effect-dsql/schema/Event"
import type { Report } from "@effect-dsql/schema/Migration"
import type { Migrator } from "@effect-dsql/schema/Migrator"
import type * as SchemaSource from "@effect-dsql/schema/SchemaSource"
import type { InvalidVersion } from "@effect-dsql/schema/SourceError"
import type { Version } from "@effect-dsql/schema/Version"
import { Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Connection from "../Connection.ts"
import type { Presentation } from "../Arguments.ts"
import * as Failure from "../Failure.ts"
import { type CannotConnect, type CommandError, InvalidUsage } from "../Failure.ts"
import * as Json from "../Json.ts"
import * as Output from "../Output.ts"
import * as Progress from "../Progress.ts"

/** Where the versions are: for setup-schema, whose -d the earlier tool has given another meaning. */
export const schemaFlags = {
  schemaDir: Flag.String("schema-dir").pipe(
    Flag.withMetavar("path"),
    Flag.withDescription("Directory with a directory per version (v1.0, v1.1), or with them below versioned/"),
    Flag.optional
  ),
  schemaName: Flag.String("schema-name").pipe(
    Flag.withAlias("s"),
    Flag.withMetavar("name"),
    Flag.withDescription("Built-in schema: dsql/temporal, dsql/storage or dsql/cluster [default: dsql/temporal]"),
    Flag.optional
  )
}

/** The same for every other command. */
export const sourceFlags = { ...schemaFlags, schemaDir: schemaFlags.schemaDir.pipe(Flag.withAlias("d")) }

/** A version, and what it is for. */
export const versionFlag = (description: string) => ({
  version: Flag.String("version").pipe(
    Flag.withAlias("v"),
    Flag.withMetavar("version"),
    Flag.withDescription(description),
    Flag.optional
  )
})

/** For the commands that change a database, of which one at a time is at work. */
export const waitFlag = {
  wait: Flag.Boolean("wait").pipe(
    Flag.withDescription("Wait while another migrator is at work; --no-wait to say who it is and end [default: true]"),
    Flag.withDefault(true)
  )
}

/** For the commands that ask before something is lost. */
export const yesFlag = (flag: string) => ({
  yes: Flag.Boolean("yes").pipe(Flag.withDescription(`Answer yes to the question of ${flag}`), Flag.withDefault(false))
})

/** Reads the version that a flag gives. */
export const version = (flag: Option.Option<string>): Effect.Effect<Version | undefined, InvalidVersion> =>
  Option.isNone(flag)
    ? Effect.succeed(undefined)
    : Effect.flatMap(
        Effect.promise(() => import("@effect-dsql/schema/Version")),
        ({ parse }) => parse(flag.value)
      )

/** What `sourceFlags` give. */
export interface Named {
  readonly schemaDir: Option.Option<string>
  readonly schemaName: Option.Option<string>
}

/** What says under which name a version is recorded. */
interface Recorded extends Connection.InProject {
  readonly dbName: string | undefined
}

/** A schema that a command was asked for, and the name that its version is recorded under. */
export interface Asked {
  readonly source: SchemaSource.SchemaSource
  readonly database: string
}

/** Reads the schema that `sourceFlags` name, or the project's file does: the built-in one where neither does. */
export const sourceOf = Effect.fnUntraced(function* ({ schemaDir, schemaName }: Named, shared: Recorded) {
  const sources = yield* Effect.promise(() => import("@effect-dsql/schema/SchemaSource"))
  if (Option.isSome(schemaDir) && Option.isSome(schemaName)) {
    return yield* new InvalidUsage({ message: "--schema-dir and --schema-name exclude each other: give one" })
  }
  const directory = Option.isSome(schemaName)
    ? undefined
    : (Option.getOrUndefined(schemaDir) ?? shared.project["schema-dir"])
  return yield* asked(
    directory === undefined ? sources.builtIn(Option.getOrUndefined(schemaName)) : sources.directory(directory),
    shared
  )
})

/** Reads a single SQL file as a schema of one version. */
export const fileOf = (path: string, version: Version | undefined, shared: Recorded) =>
  Effect.flatMap(
    Effect.promise(() => import("@effect-dsql/schema/SchemaSource")),
    ({ file }) => asked(file(path, version), shared)
  )

const asked = Effect.fnUntraced(function* <E, R>(
  read: Effect.Effect<SchemaSource.SchemaSource, E, R>,
  { dbName, project }: Recorded
) {
  const { recordedUnder } = yield* Effect.promise(() => import("@effect-dsql/schema/Outline"))
  const source = yield* read
  return { source, database: dbName ?? recordedUnder(source.name, project["db-name"]) }
})

/** Runs a migrator on a database. */
export const migrate = <A, E extends CommandError, R>(
  settings: Connection.Settings,
  use: (migrator: Migrator["Service"]) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | CannotConnect | DsqlError, Exclude<R, DsqlClient>> =>
  Effect.gen(function* () {
    const { layer, Migrator } = yield* Effect.promise(() => import("@effect-dsql/schema/Migrator"))
    return yield* Connection.run(settings, Effect.provide(Effect.flatMap(Migrator, use), layer))
  })

/** Runs a migration, shows what it does, and says how far it came where it is interrupted. */
export const running = <A, E extends CommandError, R>(
  options: Output.Options & Presentation,
  settings: Connection.Settings,
  use: (migrator: Migrator["Service"], onEvent: (event: Event) => Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | CannotConnect | DsqlError, Exclude<R, DsqlClient>> =>
  Effect.gen(function* () {
    const show = yield* Progress.onStandardError(options)
    const tally = Progress.tally()
    const onEvent = (event: Event) => Effect.andThen(tally.count(event), show(event))
    return yield* migrate(settings, (migrator) => use(migrator, onEvent)).pipe(
      Effect.onInterrupt(() => {
        // Below the ^C that a terminal shows.
        if (process.stderr.isTTY === true) process.stderr.write("\n")
        return Output.failure(options, Failure.interrupted(tally.came()), undefined)
      })
    )
  })

/** Prints what a migration did. */
export const report = (
  options: Output.Options,
  { versions }: SchemaSource.SchemaSource,
  value: Report
): Effect.Effect<void> =>
  Output.print(options, Json.Report, value, () => {
    // Nothing but the bookkeeping is at 0.0, unless a file was called that.
    const isBare = value.to === "0.0" && versions.every(({ version }) => version !== value.to)
    const place = isBare
      ? `the bookkeeping of database ${value.database} is in place, without a schema`
      : value.to === null
        ? `${value.schema} is in place, without a recorded version`
        : `${value.schema} is at ${value.to}`
    if (!value.changed) return `${place}: there was nothing to do`
    const from = value.from === null || value.from === value.to ? "" : `, it was at ${value.from}`
    const dropped =
      value.dropped.length === 0
        ? ""
        : `${Output.counted(value.dropped.length, "table")} dropped (${value.dropped.join(", ")}), `
    const present = value.present === 0 ? "" : `, ${value.present} were there already`
    return `${place}${from}: ${dropped}${Output.counted(value.applied, "statement")} run${present}`
  })

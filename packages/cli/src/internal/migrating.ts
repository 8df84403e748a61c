/**
 * What the commands that work on a schema have in common: the flags that name
 * it, the migrator that they run, the report that they print. What is heavy is
 * loaded when it is needed.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { DsqlError } from "@effect-dsql/core/DsqlError"
import type { Report } from "@effect-dsql/schema/Migration"
import type { Migrator } from "@effect-dsql/schema/Migrator"
import type * as SchemaSource from "@effect-dsql/schema/SchemaSource"
import type { InvalidVersion, SourceError } from "@effect-dsql/schema/SourceError"
import type { Version } from "@effect-dsql/schema/Version"
import { Flag } from "effect/cli"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Connection from "../Connection.ts"
import { type CannotConnect, type CommandError, InvalidUsage } from "../Failure.ts"
import * as Json from "../Json.ts"
import * as Output from "../Output.ts"

const schemaName = Flag.String("schema-name").pipe(
  Flag.withAlias("s"),
  Flag.withMetavar("name"),
  Flag.withDescription("Built-in schema [default: dsql/temporal]"),
  Flag.optional
)

/** Where the versions are, for the commands that take a directory of them. */
export const sourceFlags = {
  schemaDir: Flag.String("schema-dir").pipe(
    Flag.withAlias("d"),
    Flag.withMetavar("path"),
    Flag.withDescription("Directory with a directory per version (v1.0, v1.1), or with them below versioned/"),
    Flag.optional
  ),
  schemaName
}

/** The built-in schema, for a command that has another alternative to it. */
export const nameFlag = { schemaName }

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

/** Reads a schema with its statements. */
export const source = (
  read: (
    sources: typeof SchemaSource
  ) => Effect.Effect<SchemaSource.SchemaSource, SourceError, FileSystem.FileSystem | Path.Path>
): Effect.Effect<SchemaSource.SchemaSource, SourceError, FileSystem.FileSystem | Path.Path> =>
  Effect.flatMap(
    Effect.promise(() => import("@effect-dsql/schema/SchemaSource")),
    read
  )

/** What `sourceFlags` give. */
export interface Named {
  readonly schemaDir: Option.Option<string>
  readonly schemaName: Option.Option<string>
}

/** Reads the schema that `sourceFlags` name, with what reads a directory or a built-in one. */
export const named = <A, E, R>(
  { schemaDir, schemaName }: Named,
  reader: {
    readonly directory: (path: string) => Effect.Effect<A, E, R>
    readonly builtIn: (name?: string) => Effect.Effect<A, E, R>
  }
): Effect.Effect<A, E | InvalidUsage, R> => {
  if (Option.isNone(schemaDir)) return reader.builtIn(Option.getOrUndefined(schemaName))
  return Option.isSome(schemaName)
    ? Effect.fail(new InvalidUsage({ message: "--schema-dir and --schema-name exclude each other: give one" }))
    : reader.directory(schemaDir.value)
}

/** Reads the schema that `sourceFlags` name, with its statements. */
export const sourceOf = (input: Named) =>
  Effect.flatMap(
    Effect.promise(() => import("@effect-dsql/schema/SchemaSource")),
    (sources) => named(input, sources)
  )

/** Runs a migrator on a database. */
export const migrate = <A, E extends CommandError, R>(
  settings: Connection.Settings,
  use: (migrator: Migrator["Service"]) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | CannotConnect | DsqlError, Exclude<R, DsqlClient>> =>
  Effect.gen(function* () {
    const { layer, Migrator } = yield* Effect.promise(() => import("@effect-dsql/schema/Migrator"))
    return yield* Connection.run(settings, Effect.provide(Effect.flatMap(Migrator, use), layer))
  })

/** Prints what a migration did. */
export const report = (options: Output.Options, value: Report): Effect.Effect<void> =>
  Output.print(options, Json.Report, value, () => {
    const place =
      value.to === null
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

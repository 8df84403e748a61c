/**
 * What the commands that migrate have in common: the schema that they read, and
 * the migrator that they run on it. All of it is loaded when it is needed.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { DsqlError } from "@effect-dsql/core/DsqlError"
import type { Migrator } from "@effect-dsql/schema/Migrator"
import type { InvalidVersion, SourceError } from "@effect-dsql/schema/SchemaError"
import type * as SchemaSource from "@effect-dsql/schema/SchemaSource"
import type { Version } from "@effect-dsql/schema/Version"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Connection from "./Connection.ts"
import type { CannotConnect, CommandError } from "./Failure.ts"

/** Reads the version that a flag gives. */
export const version = (flag: Option.Option<string>): Effect.Effect<Version | undefined, InvalidVersion> =>
  Option.isNone(flag)
    ? Effect.succeed(undefined)
    : Effect.flatMap(
        Effect.promise(() => import("@effect-dsql/schema/Version")),
        ({ parse }) => parse(flag.value)
      )

/** Reads a schema. */
export const source = (
  read: (
    sources: typeof SchemaSource
  ) => Effect.Effect<SchemaSource.SchemaSource, SourceError, FileSystem.FileSystem | Path.Path>
): Effect.Effect<SchemaSource.SchemaSource, SourceError, FileSystem.FileSystem | Path.Path> =>
  Effect.flatMap(
    Effect.promise(() => import("@effect-dsql/schema/SchemaSource")),
    read
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

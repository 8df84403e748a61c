/**
 * Which database a command works on: the earlier tool's flags and environment.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type * as Core from "@effect-dsql/core/DsqlClient"
import type { DsqlError } from "@effect-dsql/core/DsqlError"
import { Flag } from "effect/cli"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { isSqlError } from "effect/sql/SqlError"
import { CannotConnect, type CommandError, InvalidUsage } from "./Failure.ts"
import { portOf } from "./internal/port.ts"
import { programPlace } from "./internal/programPlace.ts"
import { fileName, type Project } from "./Project.ts"

const optional = <A>(flag: Flag.Flag<A>, description: string) =>
  flag.pipe(Flag.withDescription(description), Flag.optional)

/**
 * The flags that every command takes that connects. What a flag leaves out is
 * read from the environment.
 *
 * @since 0.1.0
 * @category flags
 */
export const flags = {
  endpoint: optional(
    Flag.String("endpoint").pipe(Flag.withAlias("ep"), Flag.withMetavar("host")),
    "Host of the cluster or server; also -ep [env: CLUSTER_ENDPOINT, SQL_HOST]"
  ),
  port: optional(
    Flag.String("port").pipe(Flag.withAlias("p"), Flag.withMetavar("number")),
    "Port [env: SQL_PORT] [default: 5432]"
  ),
  user: optional(
    Flag.String("user").pipe(Flag.withAlias("u"), Flag.withMetavar("role")),
    "Database role [env: SQL_USER] [default: admin]"
  ),
  database: optional(
    Flag.String("database").pipe(Flag.withAlias("db"), Flag.withMetavar("name")),
    "Database; also -db [env: SQL_DATABASE] [default: postgres]"
  ),
  region: optional(
    Flag.String("region").pipe(Flag.withMetavar("name")),
    "AWS region of a cluster: that of its endpoint, which need not be given"
  ),
  tls: optional(
    Flag.Literals("tls", ["prefer", "require", "verify-full"]),
    "Encryption with a server that is not a cluster; a cluster always gets verify-full [default: prefer]"
  )
}

/**
 * The flags as they were given.
 *
 * @since 0.1.0
 * @category models
 */
export type Given = {
  readonly [K in keyof typeof flags]: (typeof flags)[K] extends Flag.Flag<infer A> ? A : never
}

/**
 * Their names.
 *
 * @since 0.1.0
 * @category constants
 */
export const names: ReadonlyArray<keyof Given> = ["endpoint", "port", "user", "database", "region", "tls"]

/**
 * Which of the shared flags that lead to a database a command takes, as an annotation of the command: all of them,
 * unless it connects to nothing. Its help lists no others.
 *
 * @since 0.1.0
 * @category annotations
 */
export const Takes = Context.Reference<ReadonlyArray<keyof Given | "db-name">>("@effect-dsql/cli/Connection/Takes", {
  defaultValue: () => [...names, "db-name"]
})

/**
 * Where to connect, and as whom.
 *
 * @since 0.1.0
 * @category models
 */
export type Settings =
  | { readonly _tag: "Cluster"; readonly options: Core.ClusterOptions }
  | { readonly _tag: "Server"; readonly options: Core.PostgresOptions }

/**
 * Whether a host is an Aurora DSQL endpoint, which takes IAM tokens for passwords.
 *
 * @since 0.1.0
 * @category guards
 */
export const isCluster = (host: string): boolean => cluster.test(host)

// `<id>.dsql.<region>.on.aws`, and `<id>.dsql-<variant>.<region>.on.aws`.
const cluster = /\.dsql[^.]*\.([a-z0-9-]+)\.on\.aws$/i

const regionOf = (host: string): string => cluster.exec(host)?.[1] ?? ""

/**
 * Refuses the flags that say where to connect, for a command that connects to
 * nothing. One that gives some of them a meaning of its own names those.
 *
 * @since 0.1.0
 * @category guards
 */
export const connectsToNothing = (
  given: Given,
  command: string,
  meant: ReadonlyArray<keyof Given> = []
): Effect.Effect<void, InvalidUsage> => {
  const stray = names.find((name) => !meant.includes(name) && Option.isSome(given[name]))
  return stray === undefined
    ? Effect.void
    : Effect.fail(new InvalidUsage({ message: `${command} connects to nothing: leave --${stray} out` }))
}

/**
 * The port that a flag, the environment or the project's file gives; 5432 where none does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const port = (given: Pick<Given, "port"> & InProject): Effect.Effect<number, InvalidUsage> =>
  Effect.flatMap(setting(given.port, ["SQL_PORT"], given.project.port), (source) =>
    source === undefined
      ? Effect.succeed(5432)
      : portOf(source.text, `${source.place ?? "--port"} ${JSON.stringify(source.text)}`)
  )

/**
 * What `effect-dsql.json` says, beside what was given.
 *
 * @since 0.1.0
 * @category models
 */
export interface InProject {
  readonly project: Project
}

/**
 * Completes the flags from the environment, and then from the project's file. Where none of these says where to connect,
 * it is where programs do: `DSQL_URL`, or `DSQL_ENDPOINT` and its like.
 *
 * @since 0.1.0
 * @category constructors
 */
export const settings = Effect.fnUntraced(function* (
  given: Given & InProject
): Effect.fn.Return<Settings, InvalidUsage> {
  const chosen = yield* setting(given.endpoint, ["CLUSTER_ENDPOINT", "SQL_HOST"], given.project.endpoint)
  const program = chosen === undefined ? yield* programPlace : undefined
  const project = { ...given.project, ...program?.place }
  const endpoint =
    chosen ?? (project.endpoint === undefined ? undefined : { text: project.endpoint, place: "DSQL_ENDPOINT" })
  if (endpoint === undefined || endpoint.text === "") {
    return yield* new InvalidUsage({
      message: `no endpoint: give --endpoint, set CLUSTER_ENDPOINT, SQL_HOST or DSQL_URL, or write it into ${fileName}`
    })
  }
  const host = endpoint.text
  if (!/^[a-z0-9._:-]+$/i.test(host)) {
    // Not shown: a URL may hold a password.
    return yield* new InvalidUsage({
      message: `${placeOf(endpoint)} is not a host: give its name or address alone, no URL`
    })
  }
  const number = yield* port({ port: given.port, project })
  const user = (yield* setting(given.user, ["SQL_USER"], project.user))?.text ?? "admin"
  const database = (yield* setting(given.database, ["SQL_DATABASE"], project.database))?.text ?? "postgres"
  const tls = Option.getOrUndefined(given.tls) ?? project.tls
  const asked = Option.getOrUndefined(given.region) ?? project.region
  const guarded = yield* choice("DSQL_GUARDED", "form", ["statement", "transaction"])
  const pipeline = yield* choice("DSQL_PIPELINE", "setting", ["on", "off"])
  const client = { maxConnections: 2, guarded, pipeline }
  if (isCluster(host)) {
    if (tls !== undefined && tls !== "verify-full") {
      return yield* new InvalidUsage({
        message: `--tls ${tls} is not for ${host}: a cluster always gets verify-full, leave the flag out`
      })
    }
    // The endpoint knows its region best: AWS_REGION is often that of everything else.
    const region = regionOf(host)
    if (asked !== undefined && asked !== region) {
      return yield* new InvalidUsage({
        message: `--region ${asked} is not where ${host} is: leave it out, or give ${region}`
      })
    }
    return { _tag: "Cluster", options: { endpoint: host, port: number, user, database, region, ...client } }
  }
  const password = yield* Effect.orDie(Config.option(Config.Redacted("SQL_PASSWORD")))
  return {
    _tag: "Server",
    options: {
      host,
      port: number,
      user,
      database,
      tls: tls ?? "prefer",
      password: Option.getOrElse(password, () => program?.password),
      ...client
    }
  }
})

/**
 * Runs an effect on a connection. One that cannot be opened, or is lost, is a
 * `CannotConnect` that names the host and what to look at.
 *
 * @since 0.1.0
 * @category execution
 */
export const run = <A, E extends CommandError, R>(
  settings: Settings,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | CannotConnect | DsqlError, Exclude<R, DsqlClient>> =>
  Effect.gen(function* () {
    // Loaded now: help and bad usage need no database driver.
    const Client = yield* Effect.promise(() => import("@effect-dsql/core/DsqlClient"))
    const layer: Layer.Layer<DsqlClient, DsqlError> =
      settings._tag === "Cluster" ? Client.layer(settings.options) : Client.layerPostgres(settings.options)
    return yield* Effect.mapError(Effect.provide(effect, layer), (error): E | CannotConnect | DsqlError => {
      const explained = explain(settings, error)
      return explained === undefined ? error : new CannotConnect({ ...explained, cause: error })
    })
  })

/**
 * Host and port.
 *
 * @since 0.1.0
 * @category accessors
 */
export const address = (settings: Settings): string => `${host(settings)}:${settings.options.port ?? 5432}`

/**
 * The host alone.
 *
 * @since 0.1.0
 * @category accessors
 */
export const host = (settings: Settings): string =>
  settings._tag === "Cluster" ? settings.options.endpoint : settings.options.host

const explain = (settings: Settings, error: CommandError): Pick<CannotConnect, "problem" | "advice"> | undefined => {
  const { database, user } = settings.options
  const at = address(settings)
  switch (error._tag) {
    case "ConnectionLost":
      return error.phase === "connect"
        ? {
            problem: `cannot connect to ${at}: ${error.message}`,
            advice: "check --endpoint, --port and --tls, and that the server is up"
          }
        : { problem: `the connection to ${at} was lost: ${error.message}`, advice: "run again to go on" }
    case "AuthenticationFailed":
      if (error.reason === "credentials") {
        return { problem: `cannot connect to ${at}`, advice: error.message }
      }
      return {
        problem: `${at} refused role ${user}: ${error.message}`,
        advice:
          settings._tag === "Cluster"
            ? "check --user, and that the AWS identity may connect as it"
            : "check --user and SQL_PASSWORD"
      }
    case "ConnectionThrottled":
    case "TooManyConnections":
      return { problem: `${at} takes no more connections: ${error.message}`, advice: "run again in a while" }
    case "CommitOutcomeUnknown":
      return {
        problem: `the connection to ${at} was lost in the middle of a write`,
        advice: "run again, it looks at what was done"
      }
    default:
      // Whatever else a server says to somebody who connects is about who that is, and where to.
      return "cause" in error && isSqlError(error.cause) && error.cause.reason.operation === "connect"
        ? {
            problem: `cannot connect to ${at}: ${error.message}`,
            advice: `check --database (${database}) and --user (${user})`
          }
        : undefined
  }
}

/** A value, and where it stands: undefined for its flag. */
type Source = { readonly text: string; readonly place: string | undefined }

/** A flag's value, or that of the first variable that is set, or what the project says. An empty variable counts as not set. */
const setting = (
  given: Option.Option<string>,
  variables: ReadonlyArray<string>,
  project?: string | number
): Effect.Effect<Source | undefined> =>
  Effect.gen(function* () {
    if (Option.isSome(given)) return { text: given.value, place: undefined }
    for (const variable of variables) {
      const value = yield* Effect.orDie(Config.option(Config.String(variable)))
      if (Option.isSome(value)) return { text: value.value, place: variable }
    }
    return project === undefined ? undefined : { text: String(project), place: fileName }
  })

/** Where an endpoint stands. */
const placeOf = ({ place = "--endpoint" }: Source) => (place === fileName ? `the endpoint in ${fileName}` : place)

/** One of two words in the environment. */
const choice = Effect.fnUntraced(function* <const A extends string>(
  name: string,
  what: string,
  words: readonly [A, A]
): Effect.fn.Return<A | undefined, InvalidUsage> {
  const source = yield* setting(Option.none(), [name])
  if (source === undefined) return undefined
  const word = words.find((each) => each === source.text)
  if (word !== undefined) return word
  return yield* new InvalidUsage({
    message: `${name} ${JSON.stringify(source.text)} is no ${what}: set it to ${words.join(" or ")}`
  })
})

/**
 * The options that the environment gives, by fixed names.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const optional = <A>(config: Config.Config<A>) => Config.map(Config.option(config), Option.getOrUndefined)

const count = (least: number) => Schema.FiniteFromString.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(least))

const period = Schema.DurationFromString.check(
  Schema.makeFilter((duration) => Duration.toMillis(duration) > 0 || "must be longer than 0")
)

const moreThanMost = (min: number, max: number) =>
  `DSQL_MIN_CONNECTIONS must not exceed DSQL_MAX_CONNECTIONS, and is ${min} of ${max}`

const pool = Config.all({
  maxConnections: optional(Config.schema(count(1), "DSQL_MAX_CONNECTIONS")),
  minConnections: optional(Config.schema(count(0), "DSQL_MIN_CONNECTIONS")),
  idleTimeout: optional(Config.schema(period, "DSQL_IDLE_TIMEOUT")),
  connectTimeout: optional(Config.schema(period, "DSQL_CONNECT_TIMEOUT")),
  guarded: optional(Config.Literals(["statement", "transaction"], "DSQL_GUARDED")),
  pipeline: optional(Config.Literals(["on", "off"], "DSQL_PIPELINE")),
  streams: optional(Config.Literals(["alone", "pages"], "DSQL_STREAMS"))
}).pipe(
  Config.flatMap((pool) =>
    pool.minConnections !== undefined && pool.maxConnections !== undefined && pool.minConnections > pool.maxConnections
      ? Config.fail(new ConfigProvider.SourceError({ message: moreThanMost(pool.minConnections, pool.maxConnections) }))
      : Config.succeed(pool)
  )
)

const nowhere = "no database: set DSQL_ENDPOINT to the host of a cluster, or DSQL_URL to a postgres:// URL of a server"

const cluster = Config.all({
  endpoint: optional(Config.NonEmptyString("DSQL_ENDPOINT")).pipe(
    Config.flatMap((endpoint) =>
      endpoint === undefined
        ? Config.fail(new ConfigProvider.SourceError({ message: nowhere }))
        : Config.succeed(endpoint)
    )
  ),
  region: optional(Config.NonEmptyString("DSQL_REGION").pipe(Config.orElse(() => Config.NonEmptyString("AWS_REGION")))),
  user: optional(Config.NonEmptyString("DSQL_USER")),
  port: optional(Config.Port("DSQL_PORT")),
  database: optional(Config.NonEmptyString("DSQL_DATABASE"))
})

const server = Config.map(
  Config.option(Config.Redacted("DSQL_URL")),
  Option.map((url) => ({ url }))
)

type Place = Option.Option.Value<Config.Success<typeof server>> | Config.Success<typeof cluster>

/** The server of a URL where there is one, or else a cluster. */
const place = Config.flatMap(server, (found): Config.Config<Place> =>
  Option.isSome(found) ? Config.succeed(found.value) : cluster
)

/** What a client takes. */
export const options = Config.map(Config.all({ pool, place }), ({ place, pool }) => ({ ...pool, ...place }))

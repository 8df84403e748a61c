/**
 * Connections to Aurora DSQL, as a Layer.
 *
 * The layer provides `DsqlClient`, which transactions need, and the `SqlClient`
 * and `PgClient` of Effect SQL, so that every tool written for those works.
 * Their `withTransaction` follows DSQL's rules too: REPEATABLE READ, no
 * savepoints, and a COMMIT whose answer was lost is not called retryable.
 *
 * @since 0.1.0
 */
import type { DsqlSignerConfig } from "@aws-sdk/dsql-signer"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { AuthenticationFailed, ConnectionLost, type DsqlError } from "./DsqlError.ts"
import { classify } from "./internal/classify.ts"
import { type Acquire, reconnecting, type Reconnecting } from "./internal/connecting.ts"
import { withTransaction } from "./internal/withTransaction.ts"
import * as TokenSource from "./TokenSource.ts"

/**
 * The client that `Transaction.run` starts transactions on.
 *
 * @since 0.1.0
 * @category services
 */
export class DsqlClient extends Context.Service<
  DsqlClient,
  {
    /** The Effect SQL client underneath. Its statements commit by themselves, one by one. */
    readonly sql: PgClient.PgClient
    /** Reserves a connection of one's own, until the scope closes. */
    readonly reserve: Acquire
    /** Runs an effect again when it could not connect: with a fresh token, or when the cluster accepts one more. */
    readonly reconnecting: Reconnecting
  }
>()("@effect-dsql/core/DsqlClient") {}

/**
 * How many connections there are and how long they live.
 *
 * @since 0.1.0
 * @category models
 */
export interface PoolOptions {
  /** Default: 10. */
  readonly maxConnections?: number | undefined
  /** Connections that are kept open while idle. Default: 0. */
  readonly minConnections?: number | undefined
  /** An idle connection is closed after this. Default: 1 minute. */
  readonly idleTimeout?: Duration.Input | undefined
  /** How long opening a connection may take, its token included. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Names this program in the server's view of its sessions. Default: `effect-dsql`. */
  readonly applicationName?: string | undefined
}

/**
 * An Aurora DSQL cluster.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClusterOptions extends PoolOptions {
  /** The cluster's host name, for example `<id>.dsql.us-east-1.on.aws`. */
  readonly endpoint: string
  /** Default: read from the endpoint. */
  readonly region?: string | undefined
  /** The database role. Default: `admin`. */
  readonly user?: string | undefined
  /** Default: 5432. */
  readonly port?: number | undefined
  /** Default: `postgres`, the only one that DSQL has. */
  readonly database?: string | undefined
  /** Default: the AWS credential chain. */
  readonly credentials?: DsqlSignerConfig["credentials"] | undefined
  /** Certificates in PEM form to trust instead of the usual ones, for an emulator with TLS. */
  readonly ca?: string | undefined
  /** Where tokens come from. Default: signed with `credentials`. */
  readonly tokens?: TokenSource.TokenSource | undefined
}

/**
 * How a connection is encrypted. `prefer` encrypts where the server offers it,
 * `require` always, `verify-full` also proves who the server is.
 *
 * @since 0.1.0
 * @category models
 */
export type Tls = "disable" | "prefer" | "require" | "verify-full"

/**
 * A plain PostgreSQL server, such as a local one.
 *
 * @since 0.1.0
 * @category models
 */
export interface PostgresOptions extends PoolOptions {
  readonly host: string
  /** Default: 5432. */
  readonly port?: number | undefined
  /** Default: `postgres`. */
  readonly database?: string | undefined
  /** Default: `postgres`. */
  readonly user?: string | undefined
  readonly password?: Redacted.Redacted | undefined
  /** Default: `prefer`. */
  readonly tls?: Tls | undefined
}

/**
 * What the layers of this module provide.
 *
 * @since 0.1.0
 * @category models
 */
export type Provided = DsqlClient | PgClient.PgClient | SqlClient.SqlClient

/**
 * Connects to a cluster: a token for each physical connection, TLS with the
 * server's name and certificate verified. Nothing connects before the first statement.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 *
 * const live = DsqlClient.layer({ endpoint: "abc.dsql.us-east-1.on.aws", user: "app", maxConnections: 20 })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: ClusterOptions): Layer.Layer<Provided, DsqlError> => Layer.effectContext(make(options))

/**
 * Connects to a plain PostgreSQL server at REPEATABLE READ.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPostgres = (options: PostgresOptions): Layer.Layer<Provided, DsqlError> =>
  Layer.effectContext(makePostgres(options))

/**
 * Connects to the plain PostgreSQL server of a URL (`postgres://user:password@host:port/database?sslmode=…`).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerUrl = (
  options: PoolOptions & { readonly url: Redacted.Redacted }
): Layer.Layer<Provided, DsqlError> =>
  Layer.effectContext(
    Effect.suspend(() =>
      isPostgresUrl(Redacted.value(options.url))
        ? fromPool({ ...poolConfig(options), url: options.url, startupParameters: session }, undefined)
        : // Said here and without a cause: the driver's own error repeats the URL, password and all.
          Effect.fail(
            new ConnectionLost({
              phase: "connect",
              message: "the database URL is malformed: write it as postgres://user:password@host:port/database"
            })
          )
    )
  )

/**
 * Reads the environment: `DSQL_URL` for a plain PostgreSQL server, or else
 *
 * | variable | meaning | default |
 * | --- | --- | --- |
 * | `DSQL_ENDPOINT` | the cluster's host name | required |
 * | `DSQL_REGION` | its region | `AWS_REGION`, then read from the endpoint |
 * | `DSQL_USER` | the database role | `admin` |
 * | `DSQL_PORT` | | 5432 |
 * | `DSQL_DATABASE` | | `postgres` |
 *
 * and for both `DSQL_MAX_CONNECTIONS` (10), `DSQL_MIN_CONNECTIONS` (0),
 * `DSQL_IDLE_TIMEOUT` (1 minute) and `DSQL_CONNECT_TIMEOUT` (10 seconds).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Provided, DsqlError | Config.ConfigError> = Layer.unwrap(
  Effect.gen(function* () {
    const pool = yield* poolSettings
    const url = yield* Config.option(Config.Redacted("DSQL_URL"))
    if (Option.isSome(url)) return layerUrl({ ...pool, url: url.value })
    return layer({ ...pool, ...(yield* clusterSettings) })
  })
)

const optional = <A>(config: Config.Config<A>) => Config.map(Config.option(config), Option.getOrUndefined)

const poolSettings = Config.all({
  maxConnections: optional(Config.schema(positive(), "DSQL_MAX_CONNECTIONS")),
  minConnections: optional(Config.schema(count(), "DSQL_MIN_CONNECTIONS")),
  idleTimeout: optional(Config.Duration("DSQL_IDLE_TIMEOUT")),
  connectTimeout: optional(Config.Duration("DSQL_CONNECT_TIMEOUT"))
})

const clusterSettings = Config.all({
  endpoint: Config.NonEmptyString("DSQL_ENDPOINT"),
  region: optional(Config.NonEmptyString("DSQL_REGION").pipe(Config.orElse(() => Config.NonEmptyString("AWS_REGION")))),
  user: optional(Config.NonEmptyString("DSQL_USER")),
  port: optional(Config.Port("DSQL_PORT")),
  database: optional(Config.NonEmptyString("DSQL_DATABASE"))
})

function positive() {
  return Schema.FiniteFromString.check(Schema.isInt(), Schema.isGreaterThan(0))
}

function count() {
  return Schema.FiniteFromString.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(0))
}

/** Source of 45 and 55: below the service's 60 minutes, apart enough that a fleet does not reconnect at once. */
const lifeMinutes = { shortest: 45, longest: 55 }

/** A plain server reads committed in its own time zone unless told otherwise; DSQL knows REPEATABLE READ and UTC alone. */
const session = { default_transaction_isolation: "repeatable read", TimeZone: "UTC" }

const poolConfig = (options: PoolOptions) => ({
  maxConnections: options.maxConnections,
  minConnections: options.minConnections,
  idleTimeout: options.idleTimeout,
  connectTimeout: options.connectTimeout ?? "10 seconds",
  applicationName: options.applicationName ?? "effect-dsql"
})

const make = Effect.fnUntraced(function* (options: ClusterOptions) {
  const user = options.user ?? "admin"
  const region = options.region ?? regionOf(options.endpoint)
  if (options.tokens === undefined && region === undefined) {
    return yield* new AuthenticationFailed({
      reason: "credentials",
      message: `cannot tell the AWS region of ${options.endpoint}: give it as region or DSQL_REGION`
    })
  }
  const tokens =
    options.tokens ??
    TokenSource.makeIam({ endpoint: options.endpoint, region: region ?? "", user, credentials: options.credentials })
  return yield* fromPool(
    {
      ...poolConfig(options),
      host: options.endpoint,
      port: options.port ?? 5432,
      database: options.database ?? "postgres",
      username: user,
      // sql-pg takes no failing password; `reconnecting` turns the defect back into the error that it is.
      password: Effect.orDie(tokens.token),
      ssl: {
        rejectUnauthorized: true,
        servername: options.endpoint,
        ...(options.ca !== undefined && { ca: options.ca })
      }
    },
    tokens
  )
})

const makePostgres = (options: PostgresOptions) => {
  const tls = options.tls ?? "prefer"
  return fromPool(
    {
      ...poolConfig(options),
      // Only a URL can ask for encryption that may be declined.
      ...(tls === "prefer"
        ? { url: Redacted.make("postgres:///?sslmode=prefer") }
        : { ssl: tls === "disable" ? false : { rejectUnauthorized: tls === "verify-full" } }),
      host: options.host,
      port: options.port ?? 5432,
      database: options.database ?? "postgres",
      username: options.user ?? "postgres",
      password: options.password,
      startupParameters: session
    },
    undefined
  )
}

const fromPool = Effect.fnUntraced(function* (
  config: PgClient.PgPoolConfig,
  tokens: TokenSource.TokenSource | undefined
): Effect.fn.Return<Context.Context<Provided>, DsqlError, Scope.Scope> {
  const life = yield* Random.nextBetween(lifeMinutes.shortest, lifeMinutes.longest)
  const pg = yield* PgClient.make({ ...config, connectionTTL: Duration.minutes(life) }).pipe(
    Effect.provide(Reactivity.layer),
    Effect.mapError((error: SqlError) => classify(error, "statement"))
  )
  const again = reconnecting(tokens)
  const reserve = again(pg.reserve)
  const sql = Object.assign(pg, { withTransaction: withTransaction(pg, reserve) })
  return Context.make(DsqlClient, { sql, reserve, reconnecting: again }).pipe(
    Context.add(PgClient.PgClient, sql),
    Context.add(SqlClient.SqlClient, sql)
  )
})

const isPostgresUrl = (url: string): boolean =>
  URL.canParse(url) && ["postgres:", "postgresql:"].includes(new URL(url).protocol)

/** `<id>.dsql.<region>.on.aws`, and `<id>.dsql-<variant>.<region>.on.aws`. */
const regionOf = (endpoint: string): string | undefined => {
  const labels = endpoint.split(".")
  const service = labels.findIndex((label) => label === "dsql" || label.startsWith("dsql-"))
  return service === -1 ? undefined : labels[service + 1]
}

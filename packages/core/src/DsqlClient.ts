/**
 * Connections to Aurora DSQL, as a Layer.
 *
 * The layer provides `DsqlClient`, which transactions need, and the `SqlClient`
 * and `PgClient` of Effect SQL, so that every tool written for those works.
 * Their `withTransaction` follows DSQL's rules too: REPEATABLE READ, no
 * savepoints, and a COMMIT whose answer was lost is not called retryable.
 *
 * @since 0.1.0
 * @stability stable
 */
import type { DsqlSignerConfig } from "@aws-sdk/dsql-signer"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import { ConnectionBudget } from "./ConnectionBudget.ts"
import * as ConnectionPool from "./ConnectionPool.ts"
import { AuthenticationFailed, ConnectionLost, type DsqlError } from "./DsqlError.ts"
import * as Client from "./internal/connection/client.ts"
import { open, type Target } from "./internal/connection/connector.ts"
import * as check from "./internal/options/check.ts"
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
    readonly reserve: Effect.Effect<Connection, SqlError, Scope.Scope>
    /** The form in which `Guarded` sends its statements. */
    readonly guarded: "statement" | "transaction"
    /** What the pool holds now. */
    readonly pool: Effect.Effect<ConnectionPool.Stats>
  }
>()("@effect-dsql/core/DsqlClient") {}

/**
 * How many connections there are, how long they live and how fast they are opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface PoolOptions extends Omit<ConnectionPool.Options, "name"> {
  /** How long opening a connection may take, and its token as long again. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * The form in which guarded statements are sent: as one `statement`, or as a `transaction` of several, for a cluster
   * that does not take the one (`effect-dsql doctor` says so). Default: `statement`.
   */
  readonly guarded?: "statement" | "transaction" | undefined
  /** Names this program in the server's view of its sessions, and its pool in metrics. Default: `effect-dsql`. */
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
        ? fromTarget(options, {
            config: { url: options.url, startupParameters: session },
            address: addressOf(Redacted.value(options.url)),
            login: undefined
          })
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
 * `DSQL_IDLE_TIMEOUT` (1 minute), `DSQL_CONNECT_TIMEOUT` (10 seconds) and `DSQL_GUARDED` (`statement`).
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
  maxConnections: optional(Config.schema(count(1), "DSQL_MAX_CONNECTIONS")),
  minConnections: optional(Config.schema(count(0), "DSQL_MIN_CONNECTIONS")),
  idleTimeout: optional(Config.schema(period(), "DSQL_IDLE_TIMEOUT")),
  connectTimeout: optional(Config.schema(period(), "DSQL_CONNECT_TIMEOUT")),
  guarded: optional(Config.Literals(["statement", "transaction"], "DSQL_GUARDED"))
}).pipe(
  Config.flatMap((pool) =>
    pool.minConnections !== undefined && pool.maxConnections !== undefined && pool.minConnections > pool.maxConnections
      ? Config.fail(new ConfigProvider.SourceError({ message: moreThanMost(pool.minConnections, pool.maxConnections) }))
      : Config.succeed(pool)
  )
)

const nowhere = "no database: set DSQL_ENDPOINT to the host of a cluster, or DSQL_URL to a postgres:// URL of a server"

const clusterSettings = Config.all({
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

function count(least: number) {
  return Schema.FiniteFromString.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(least))
}

function moreThanMost(min: number, max: number) {
  return `DSQL_MIN_CONNECTIONS must not exceed DSQL_MAX_CONNECTIONS, and is ${min} of ${max}`
}

function period() {
  return Schema.DurationFromString.check(
    Schema.makeFilter((duration) => Duration.toMillis(duration) > 0 || "must be longer than 0")
  )
}

/** A plain server reads committed in its own time zone unless told otherwise; DSQL knows REPEATABLE READ and UTC alone. */
const session = { default_transaction_isolation: "repeatable read", TimeZone: "UTC" }

const make = Effect.fnUntraced(function* (options: ClusterOptions) {
  const user = options.user ?? "admin"
  const region = options.region ?? regionOf(options.endpoint)
  if (options.tokens === undefined && region === undefined) {
    return yield* new AuthenticationFailed({
      reason: "credentials",
      step: "region",
      message: `cannot tell the AWS region of ${options.endpoint}: give it as region or DSQL_REGION`
    })
  }
  const address = { host: options.endpoint, port: options.port ?? 5432 }
  const config = {
    ...address,
    database: options.database ?? "postgres",
    username: user,
    ssl: {
      rejectUnauthorized: true,
      servername: options.endpoint,
      ...(options.ca !== undefined && { ca: options.ca })
    }
  }
  const login =
    options.tokens ??
    TokenSource.makeIam({ endpoint: options.endpoint, region: region ?? "", user, credentials: options.credentials })
  return yield* fromTarget(options, { config, address, login })
})

const makePostgres = (options: PostgresOptions) => {
  const tls = options.tls ?? "prefer"
  const address = { host: options.host, port: options.port ?? 5432 }
  const config = {
    // Only a URL can ask for encryption that may be declined.
    ...(tls === "prefer"
      ? { url: Redacted.make("postgres:///?sslmode=prefer") }
      : { ssl: tls === "disable" ? false : { rejectUnauthorized: tls === "verify-full" } }),
    ...address,
    database: options.database ?? "postgres",
    username: options.user ?? "postgres",
    startupParameters: session
  }
  return fromTarget(options, {
    config,
    address: options.host.startsWith("/") ? undefined : address,
    login: options.password
  })
}

const fromTarget = Effect.fnUntraced(function* (
  options: PoolOptions,
  target: Omit<Target, "connectTimeout">
): Effect.fn.Return<Context.Context<Provided>, never, Scope.Scope> {
  const applicationName = options.applicationName ?? "effect-dsql"
  const config = { ...target.config, applicationName }
  const connectTimeout = Duration.millis(check.period("connectTimeout", options.connectTimeout ?? "10 seconds"))
  const connect = open({ ...target, config, connectTimeout })
  const budget = yield* ConnectionBudget
  const pool = yield* ConnectionPool.make((end) => Effect.andThen(budget.lease, connect(end)), {
    ...options,
    name: applicationName
  })
  const { reserve, sql } = yield* Effect.provide(Client.make(pool, config), Reactivity.layer)
  return Context.make(DsqlClient, { sql, reserve, guarded: options.guarded ?? "statement", pool: pool.stats }).pipe(
    Context.add(PgClient.PgClient, sql),
    Context.add(SqlClient.SqlClient, sql)
  )
})

const isPostgresUrl = (url: string): boolean =>
  URL.canParse(url) && ["postgres:", "postgresql:"].includes(new URL(url).protocol)

/** Where a URL leads; undefined where that takes more than a host, as for a Unix socket. */
const addressOf = (text: string): Target["address"] => {
  const url = new URL(text)
  const host = url.hostname.replace(/^\[|\]$/g, "")
  if (host === "" || host.includes("%") || url.searchParams.has("host") || url.searchParams.has("port"))
    return undefined
  return { host, port: url.port === "" ? 5432 : Number(url.port) }
}

/** `<id>.dsql.<region>.on.aws`, and `<id>.dsql-<variant>.<region>.on.aws`. */
const regionOf = (endpoint: string): string | undefined => {
  const labels = endpoint.split(".")
  const service = labels.findIndex((label) => label === "dsql" || label.startsWith("dsql-"))
  return service === -1 ? undefined : labels[service + 1]
}

/**
 * Connections to Aurora DSQL, as a Layer.
 *
 * The layer provides `DsqlClient`, which transactions need, and the `SqlClient`
 * and `PgClient` of Effect SQL, for the tools that are written for those. They
 * follow DSQL's rules: a statement that commits by itself is sent again when it
 * conflicts, also a stream that has given no row yet; `withTransaction` begins
 * at REPEATABLE READ and has no savepoints; and a COMMIT, or a statement that
 * commits by itself, whose answer was lost is not called retryable.
 * `DsqlError.from` says what their errors are.
 *
 * Inside `Transaction.run` and `Transaction.autocommit` the same clients, and
 * whatever stands on them, such as Effect's repositories and resolvers, send
 * what belongs to that transaction, and nothing but the whole of it is retried.
 * A connection of one's own (`reserve`) is left to its owner.
 *
 * @since 0.1.0
 * @stability stable
 */
import type { DsqlSignerConfig } from "@aws-sdk/dsql-signer"
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import { ConnectionBudget } from "./ConnectionBudget.ts"
import * as ConnectionPool from "./ConnectionPool.ts"
import { AuthenticationFailed, ConnectionLost, type DsqlError } from "./DsqlError.ts"
import * as HotKeys from "./HotKeys.ts"
import * as Client from "./internal/connection/client.ts"
import { open, type Target } from "./internal/connection/connector.ts"
import {
  addressOf,
  encryptionOf,
  isPostgresUrl,
  placeOfUrl,
  regionOf,
  socketOf
} from "./internal/connection/address.ts"
import { placeOf } from "./internal/connection/observed.ts"
import { stateOf } from "./internal/hotkeys/state.ts"
import * as check from "./internal/options/check.ts"
import type { Encryption } from "./internal/wire/transport.ts"
import * as Environment from "./internal/options/environment.ts"
import type { Finishing, Last } from "./internal/connection/lastStatements.ts"
import * as RetryPolicy from "./RetryPolicy.ts"
import * as TokenSource from "./TokenSource.ts"

export type { Finishing, Last }

/**
 * The client that `Transaction.run` starts transactions on.
 *
 * @since 0.1.0
 * @category services
 */
export class DsqlClient extends Context.Service<
  DsqlClient,
  {
    /** The client for SQL as it is written. Its statements commit by themselves, one by one. */
    readonly sql: PgClient.PgClient
    /**
     * What the layers provide as `SqlClient` and `PgClient`: `sql`, with names transformed where the options ask for it.
     * It shares the transactions of `sql`.
     */
    readonly transforming: PgClient.PgClient
    /** Reserves a connection of one's own, until the scope closes. */
    readonly reserve: Effect.Effect<Connection, SqlError, Scope.Scope>
    /** The form in which `Guarded` sends its statements. */
    readonly guarded: "statement" | "transaction"
    /** What the pool holds now. */
    readonly pool: Effect.Effect<ConnectionPool.Stats>
    /** Who of its transactions has which key. */
    readonly hotKeys: HotKeys.HotKeys
  }
>()("@effect-dsql/core/DsqlClient") {}

/**
 * How `SqlClient` and `PgClient` behave. `Transaction.sql`, and with it fences, guards and the stores, speaks the
 * database's own names whatever is transformed here.
 *
 * @since 0.2.0
 * @category models
 */
export interface SqlOptions {
  /**
   * When a statement that commits by itself is sent again after a conflict. `RetryPolicy.none` leaves conflicts to the
   * caller. `Transaction.run` and `autocommit` have a policy of their own. Default: `RetryPolicy.standard`.
   */
  readonly policy?: RetryPolicy.RetryPolicy | undefined
  /**
   * What becomes of `withTransaction` inside a transaction, which DSQL has no savepoint for: it fails (`refuse`), or it
   * is a part of the outer one (`join`). If that part fails, the outer one can only be rolled back: its next statement,
   * or its COMMIT, fails with `RollbackOnly`, whatever the program made of the part's error. Default: `refuse`.
   */
  readonly nested?: "refuse" | "join" | undefined
  /** Makes the name of a column or table of what identifiers and keys are called in statements. */
  readonly transformQueryNames?: ((name: string) => string) | undefined
  /** Makes the key of a row of a column's name. */
  readonly transformResultNames?: ((name: string) => string) | undefined
  /** Whether the keys within JSON are transformed as well. Default: true. */
  readonly transformJson?: boolean | undefined
  /**
   * How values are read and written, by the type's OID; also in `Transaction.sql`. The toolkit reads `int8` as `bigint`
   * and `timestamptz` as `Date`, so leave those as they are.
   */
  readonly types?: PgTypes.Registry | undefined
}

/**
 * What every layer takes: how many connections there are, how long they live, how fast they are opened, and how the
 * clients on them behave.
 *
 * @since 0.1.0
 * @category models
 */
export interface PoolOptions extends Omit<ConnectionPool.Options, "name">, SqlOptions {
  /** How long opening a connection may take, and its token as long again. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * The form in which guarded statements are sent: as one `statement`, or as a `transaction` of several, for a cluster
   * that does not take the one (`effect-dsql doctor` says so). Default: `statement`.
   */
  readonly guarded?: "statement" | "transaction" | undefined
  /**
   * Whether a transaction sends together what need not wait for each other: BEGIN with its first statements, statements
   * of one turn of the event loop with each other, and COMMIT with those that it is the end of. `off` sends one after the
   * other, for a cluster that does not answer the rest (`effect-dsql probe` says so). Default: `on`.
   */
  readonly pipeline?: "on" | "off" | undefined
  /**
   * How a stream is read in a transaction. `alone`: nothing else of the transaction is answered before it ends, and a
   * statement amid its rows is refused. `pages`: it takes 500 rows a round trip, from a portal of the transaction, and
   * other statements go in between; for a server that has such portals (`effect-dsql probe` says whether). Default: `alone`.
   */
  readonly streams?: "alone" | "pages" | undefined
  /** What becomes of transactions that want the same key, and what retries may cost. */
  readonly hotKeys?: HotKeys.Options | undefined
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
 * The plain PostgreSQL server of a URL.
 *
 * @since 0.2.0
 * @category models
 */
export interface UrlOptions extends PoolOptions {
  /** `postgres://user:password@host:port/database?sslmode=…` */
  readonly url: Redacted.Redacted
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
export const layer = (options: ClusterOptions): Layer.Layer<Provided, DsqlError> => layerFrom(make(options))

/**
 * Connects to a plain PostgreSQL server at REPEATABLE READ.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPostgres = (options: PostgresOptions): Layer.Layer<Provided, DsqlError> =>
  layerFrom(makePostgres(options))

/**
 * Connects to the plain PostgreSQL server of a URL (`postgres://user:password@host:port/database?sslmode=…`).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerUrl = (options: UrlOptions): Layer.Layer<Provided, DsqlError> => layerFrom(makeUrl(options))

/**
 * What the environment says: `DSQL_URL` for a plain PostgreSQL server, or else
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
 * `DSQL_IDLE_TIMEOUT` (1 minute), `DSQL_CONNECT_TIMEOUT` (10 seconds), `DSQL_GUARDED` (`statement`), `DSQL_PIPELINE`
 * (`on`) and `DSQL_STREAMS` (`alone`).
 *
 * @since 0.2.0
 * @category configuration
 */
export const environment: Config.Config<ClusterOptions | UrlOptions> = Environment.options

/**
 * Connects to what a configuration says. Every option can be a `Config`; one that is a plain value is written
 * `Config.succeed(value)`. Without an argument it reads the `environment`, and is the same layer each time: however often
 * a program provides it, it is built once.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { Config } from "effect"
 *
 * const live = DsqlClient.layerConfig()
 *
 * // A second cluster in the same program: from ORDERS_DSQL_ENDPOINT and its like, or from names of one's own.
 * const orders = DsqlClient.layerConfig(Config.nested(DsqlClient.environment, "ORDERS"))
 * const ledger = DsqlClient.layerConfig({
 *   endpoint: Config.String("LEDGER_HOST"),
 *   connectionLife: Config.Duration("LEDGER_CONNECTION_LIFE"),
 *   applicationName: Config.succeed("ledger")
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config?: Config.Wrap<ClusterOptions> | Config.Wrap<UrlOptions> | Config.Config<ClusterOptions | UrlOptions>
): Layer.Layer<Provided, DsqlError | Config.ConfigError> =>
  // Each of the three is a wrapped one of the options, which `unwrap` does not tell apart.
  config === undefined ? layerEnvironment : fromConfig(config as Config.Config<ClusterOptions | UrlOptions>)

const fromConfig = (config: Config.Config<ClusterOptions | UrlOptions>) =>
  Layer.unwrap(Effect.map(Config.unwrap(config), (options) => ("url" in options ? layerUrl(options) : layer(options))))

const layerEnvironment = fromConfig(environment)

/**
 * Provides a client that was made, for who has to do something first: fetch a secret, or choose a cluster.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const nearest = Effect.succeed("abc.dsql.us-east-1.on.aws")
 * const live = DsqlClient.layerFrom(Effect.flatMap(nearest, (endpoint) => DsqlClient.make({ endpoint })))
 * ```
 *
 * @since 0.2.0
 * @category layers
 */
export const layerFrom = <E, R>(
  acquire: Effect.Effect<DsqlClient["Service"], E, R>
): Layer.Layer<Provided, E, Exclude<R, Scope.Scope>> =>
  Layer.effectContext(
    Effect.map(acquire, (client) =>
      Context.make(DsqlClient, client).pipe(
        Context.add(PgClient.PgClient, client.transforming),
        Context.add(SqlClient.SqlClient, client.transforming),
        // A statement's span is the current one while it is sent, so that it can be told what became of it.
        Context.add(Statement.SpanPropagationEnabled, true)
      )
    )
  )

/** A plain server reads committed in its own time zone unless told otherwise; DSQL knows REPEATABLE READ and UTC alone. */
const session = { default_transaction_isolation: "repeatable read", TimeZone: "UTC" }

/**
 * Makes a client on a cluster, which closes with the scope.
 *
 * @since 0.2.0
 * @category constructors
 */
export const make = (options: ClusterOptions): Effect.Effect<DsqlClient["Service"], DsqlError, Scope.Scope> => {
  const user = options.user ?? "admin"
  const region = options.region ?? regionOf(options.endpoint)
  if (options.tokens === undefined && region === undefined) {
    return Effect.fail(
      new AuthenticationFailed({
        reason: "credentials",
        step: "region",
        message: `cannot tell the AWS region of ${options.endpoint}: give it as region or DSQL_REGION`
      })
    )
  }
  const address = { host: options.endpoint, port: options.port ?? 5432 }
  const database = options.database ?? "postgres"
  const ssl = {
    rejectUnauthorized: true,
    servername: options.endpoint,
    ...(options.ca !== undefined && { ca: options.ca })
  }
  const config = { ...address, database, username: user, ssl }
  const encryption = { options: ssl, isOptional: false }
  const login =
    options.tokens ??
    TokenSource.makeIam({ endpoint: options.endpoint, region: region ?? "", user, credentials: options.credentials })
  return fromTarget(options, {
    config,
    address,
    encryption,
    place: placeOf(address.host, address.port, database),
    login
  })
}

/**
 * Makes a client on a plain PostgreSQL server, which closes with the scope.
 *
 * @since 0.2.0
 * @category constructors
 */
export const makePostgres = (
  options: PostgresOptions
): Effect.Effect<DsqlClient["Service"], DsqlError, Scope.Scope> => {
  const address = { host: options.host, port: options.port ?? 5432 }
  const database = options.database ?? "postgres"
  const config = { ...address, database, username: options.user ?? "postgres", startupParameters: session }
  return fromTarget(options, {
    config,
    address: socketOf(address.host, address.port),
    encryption: encryptionFor(options.tls ?? "prefer"),
    place: placeOf(address.host, address.port, database),
    login: options.password
  })
}

const encryptionFor = (tls: Tls): Encryption | undefined => {
  switch (tls) {
    case "disable":
      return undefined
    case "prefer":
      return { options: {}, isOptional: true }
    default:
      return { options: { rejectUnauthorized: tls === "verify-full" }, isOptional: false }
  }
}

/**
 * Makes a client on the plain PostgreSQL server of a URL, which closes with the scope.
 *
 * @since 0.2.0
 * @category constructors
 */
export const makeUrl = (options: UrlOptions): Effect.Effect<DsqlClient["Service"], DsqlError, Scope.Scope> =>
  Effect.suspend(() =>
    isPostgresUrl(Redacted.value(options.url))
      ? fromTarget(options, {
          config: { url: options.url, startupParameters: session },
          address: addressOf(Redacted.value(options.url)),
          encryption: encryptionOf(Redacted.value(options.url)),
          place: placeOfUrl(Redacted.value(options.url)),
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

const fromTarget = Effect.fnUntraced(function* (
  options: PoolOptions,
  target: Omit<Target, "connectTimeout">
): Effect.fn.Return<DsqlClient["Service"], never, Scope.Scope> {
  const applicationName = options.applicationName ?? "effect-dsql"
  const config = { ...target.config, applicationName, types: options.types }
  const connectTimeout = Duration.millis(check.period("connectTimeout", options.connectTimeout ?? "10 seconds"))
  const connect = open({ ...target, config, connectTimeout })
  const budget = yield* ConnectionBudget
  const pool = yield* ConnectionPool.make((end) => Effect.andThen(budget.lease, connect(end)), {
    ...options,
    name: applicationName
  })
  const { transformJson, transformQueryNames, transformResultNames } = options
  const hotKeys = HotKeys.make(options.hotKeys)
  const clients = yield* Effect.provide(
    Client.make(
      pool,
      { config, place: target.place },
      {
        retries: { policy: options.policy ?? RetryPolicy.standard, quota: stateOf(hotKeys).quota },
        transaction: { isOff: options.pipeline === "off", isPaged: options.streams === "pages" },
        nested: options.nested ?? "refuse",
        transformJson,
        transformQueryNames,
        transformResultNames
      }
    ),
    Reactivity.layer
  )
  return DsqlClient.of({
    ...clients,
    guarded: options.guarded ?? "statement",
    pool: pool.stats,
    hotKeys
  })
})

/**
 * A local Aurora DSQL: the wire protocol, the dialect's rules and optimistic
 * concurrency, over an embedded PostgreSQL 16.
 *
 * It is made for development and tests. It listens on the loopback interface,
 * takes any password unless told otherwise, and is not hardened against clients
 * that mean harm.
 *
 * @since 0.1.0
 * @stability stable
 */
import { Limits } from "@effect-dsql/dialect"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { createServer, type Server } from "node:net"
import type { Duplex } from "node:stream"
import type * as Control from "./Control.ts"
import * as Admission from "./internal/client/admission.ts"
import * as Connection from "./internal/client/connection.ts"
import * as Desk from "./internal/control/desk.ts"
import * as Jobs from "./internal/database/jobs.ts"
import * as Cluster from "./internal/cluster/cluster.ts"
import type { BackendLost } from "./internal/postgres/backend.ts"
import * as Pipe from "./internal/protocol/pipe.ts"
import * as Postgres from "./Postgres.ts"

/**
 * The emulator could not start, or could not do what was asked of it.
 *
 * @since 0.1.0
 * @category errors
 */
export class EmulatorError extends Data.TaggedError("EmulatorError")<{
  readonly message: string
}> {}

/**
 * How to run an emulator.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Where the data is kept. Left out: a temporary directory that goes with the emulator. */
  readonly dataDirectory?: string | undefined
  /** A PostgreSQL 16 that runs already, in place of one of the emulator's own. */
  readonly postgres?: Postgres.Postgres | undefined
  /** Left out: a free port. */
  readonly port?: number | undefined
  /** A certificate and its key, PEM: clients that ask for TLS get it. */
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer } | undefined
  /** Asks every client for a password and decides on it. Left out: none is asked for, any is taken. */
  readonly authorize?: ((token: string, user: string) => "ok" | "expired" | "denied") | undefined
  /** `postgres` refuses other databases, as the service does. Left out: `any`, so that each test file can have its own. */
  readonly databases?: "any" | "postgres" | undefined
  /** Connections at most; 10,000 as on the service. */
  readonly maxConnections?: number | undefined
  /** New connections per second in the long run, a thousand at once after a quiet time; 100 as on the service. */
  readonly connectionsPerSecond?: number | undefined
  /** Bytes that a message may have before the connection ends without a word; 10 MiB as on the service. */
  readonly maxMessageBytes?: number | undefined
  /**
   * How long a job takes, by the clock that `control` moves. Left out: two seconds, the least that was measured on a
   * cluster (a small VALIDATE; the index of a small table took thirty, 2026-09-23).
   */
  readonly jobDelay?: Duration.Input | undefined
  /** The seed of faults that come with a probability. */
  readonly seed?: number | undefined
  /** Whether to keep the statements that arrive, for `control.statements`. */
  readonly log?: boolean | undefined
  /** Whether to watch from the start, as `control.watch` does later: see `Watch`. It costs nothing where nobody asks for it. */
  readonly watch?: boolean | undefined
  /**
   * Whether a conflict's DETAIL says which row it was and who was first. It watches for that. The service tells nothing, so
   * a program must not rely on it.
   */
  readonly explain?: boolean | undefined
}

/**
 * What an emulator holds at one moment; nothing of it but `sessions` of jobs, one for each database, outlives its clients.
 *
 * @since 0.1.0
 * @category models
 */
export interface Holdings {
  readonly connections: number
  /** Sessions in PostgreSQL, those of the emulator's own jobs included. */
  readonly sessions: number
  readonly transactions: number
  /** Transactions that have given their rows to others. */
  readonly parked: number
  /** Committed transactions whose row locks an open snapshot may still meet. */
  readonly locks: number
  /** Requests to PostgreSQL that are under way. */
  readonly requests: number
}

/**
 * A database of an emulator, with those of its jobs that `sys.jobs` tells of, the latest first.
 *
 * @since 0.1.0
 * @category models
 */
export interface Database {
  readonly name: string
  /** Clients that are connected to it. */
  readonly sessions: number
  readonly jobs: ReadonlyArray<{
    readonly id: string
    readonly status: string
    readonly type: string
    readonly object: string | null
  }>
}

/**
 * A running emulator.
 *
 * @since 0.1.0
 * @category models
 */
export interface Emulator {
  readonly host: string
  readonly port: number
  readonly username: string
  /** A connection URL for a database, `postgres` when none is named. */
  readonly url: (database?: string) => Redacted.Redacted
  /** A connection without a socket, for clients that take a stream. */
  readonly connect: () => Duplex
  readonly control: Control.Control
  /** The databases that somebody has connected to, with their latest jobs. */
  readonly databases: Effect.Effect<ReadonlyArray<Database>>
  /** What it holds now, to look for leaks. */
  readonly holdings: Effect.Effect<Holdings>
  /** Fails when the PostgreSQL beneath it ends, if that is its own. */
  readonly ended: Effect.Effect<never, Postgres.PostgresError>
  /** Makes a database, from another one if that is named; nobody may be using that one. */
  readonly createDatabase: (name: string, template?: string) => Effect.Effect<void, EmulatorError>
  /** Drops a database, whoever uses it. */
  readonly dropDatabase: (name: string) => Effect.Effect<void, EmulatorError>
}

const host = "127.0.0.1"

const failed = (what: string) => (lost: BackendLost) => new EmulatorError({ message: `${what}: ${lost.error.message}` })

const listen = (port: number, onSocket: (socket: Duplex) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Server; readonly port: number }, EmulatorError>((resume) => {
      const server = createServer({ noDelay: true }, onSocket)
      server.once("error", (error) => {
        const inUse = "code" in error && error.code === "EADDRINUSE"
        const message = inUse ? `port ${port} is in use: choose another` : `cannot listen: ${error.message}`
        resume(Effect.fail(new EmulatorError({ message })))
      })
      server.listen(port, host, () => {
        const address = server.address()
        const bound = typeof address === "object" && address !== null ? address.port : port
        resume(Effect.succeed({ server, port: bound }))
      })
    }),
    ({ server }) => Effect.sync(() => server.close())
  )

/**
 * Starts an emulator; closing the scope stops it.
 *
 * @example
 * ```ts
 * import { Emulator } from "@effect-dsql/emulator"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const emulator = yield* Emulator.make()
 *   yield* emulator.control.inject({ on: "commit", fault: "conflict", nth: [1] })
 *   yield* Effect.log(`the first COMMIT at port ${emulator.port} will fail with OC000`)
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Emulator, EmulatorError | Postgres.PostgresError, Scope.Scope> {
  const server =
    options.postgres ??
    (yield* Postgres.make({
      dataDirectory: options.dataDirectory,
      settings: {
        max_connections: 400,
        // What survives a crash of the machine is no concern of a development database in a temporary directory.
        ...(options.dataDirectory === undefined && { fsync: "off", synchronous_commit: "off" })
      }
    }))
  const desk = Desk.make({
    seed: options.seed ?? 1,
    log: options.log ?? true,
    watch: options.watch ?? false,
    explain: options.explain ?? false
  })
  const cluster = yield* Effect.mapError(
    Cluster.make(server, {
      now: desk.now,
      sleep: desk.sleep,
      jobDelay: Duration.toMillis(Duration.fromInputUnsafe(options.jobDelay ?? "2 seconds"))
    }),
    failed("cannot prepare the server")
  )
  const setting: Connection.Setting = {
    server,
    cluster,
    desk,
    tls: options.tls,
    authorize: options.authorize,
    databases: options.databases ?? "any",
    maxConnections: options.maxConnections ?? Limits.connections,
    admits: Admission.make({
      rate: options.connectionsPerSecond ?? Limits.connectionsPerSecond,
      burst: Limits.connectionBurst,
      now: desk.now
    }),
    maxMessageBytes: options.maxMessageBytes ?? Limits.messageBytes
  }
  const scope = yield* Effect.scope
  const serve = (socket: Duplex) => {
    const served = Effect.scoped(Connection.serve(socket, setting)).pipe(
      Effect.tapDefect((defect) => Effect.logError("a defect of the emulator ended a connection", defect))
    )
    Effect.runFork(Effect.forkIn(served, scope))
  }
  const listener = yield* listen(options.port ?? 0, serve)
  return {
    host,
    port: listener.port,
    username: "admin",
    url: (database = "postgres") => Redacted.make(`postgres://admin@${host}:${listener.port}/${database}`),
    connect: () => {
      const [client, server] = Pipe.make()
      serve(server)
      return client
    },
    control: desk,
    databases: Effect.suspend(() =>
      Effect.forEach([...cluster.databases()], ({ ask, members, name }) =>
        Effect.map(
          Effect.orElseSucceed(ask(Jobs.latest), () => []),
          (rows) => ({
            name,
            sessions: members.size,
            jobs: rows.map(([id, status, type, object]) => ({
              id: id ?? "",
              status: status ?? "",
              type: type ?? "",
              object: object ?? null
            }))
          })
        )
      )
    ),
    holdings: Effect.sync(() => {
      const databases = [...cluster.databases()]
      const members = databases.flatMap((database) => [...database.members])
      const transactions = members.flatMap((member) => member.transaction ?? [])
      return {
        connections: desk.connections(),
        sessions: members.length,
        transactions: transactions.length,
        parked: transactions.filter(({ phase }) => phase._tag === "Parked").length,
        locks: databases.reduce((total, database) => total + database.records.length, 0),
        requests: cluster.steward.requests()
      }
    }),
    ended: server.ended ?? Effect.never,
    dropDatabase: (name) => Effect.mapError(cluster.dropDatabase(name), failed(`cannot drop database ${name}`)),
    createDatabase: (name, template) =>
      Effect.mapError(cluster.createDatabase(name, template), failed(`cannot create database ${name}`))
  }
})

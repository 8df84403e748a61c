/**
 * A PostgreSQL 16 server from npm, for as long as a scope is open.
 *
 * It listens on the loopback interface alone, runs in its own session so that
 * Ctrl-C in a terminal does not reach it before its owner has finished, and
 * stops when its owner dies, even by SIGKILL. Where its programs cannot be run
 * from the package, they are copied once, to a cache or a temporary directory.
 * A server whose data goes with it begins with a copy of an empty cluster that
 * is made once for a user, in the directory that `EFFECT_DSQL_CACHE` names (else
 * in `$XDG_CACHE_HOME` or `~/.cache`); `off` makes a new one each time.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { account } from "./internal/postgres/account.ts"
import * as DataDirectory from "./internal/postgres/dataDirectory.ts"
import type { PostgresError } from "./internal/postgres/error.ts"
import { initialise, username } from "./internal/postgres/initialise.ts"
import { find } from "./internal/postgres/programs.ts"
import { freePort, host, run, socketIn } from "./internal/postgres/server.ts"

export { PostgresError } from "./internal/postgres/error.ts"

/**
 * A running server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Postgres {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: Redacted.Redacted
  readonly dataDirectory: string
  /** The path of its Unix socket, which takes an emulator there in less time; left out where there is none. */
  readonly socket?: string | undefined
  /** Fails when the server ends before its scope does; left out where somebody else runs it. */
  readonly ended?: Effect.Effect<never, PostgresError> | undefined
  /** A connection URL for one of the server's databases, `postgres` when none is named. */
  readonly url: (database?: string) => Redacted.Redacted
}

/**
 * How to start a server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Where the data is kept. Left out: a temporary directory that goes with the server. */
  readonly dataDirectory?: string | undefined
  /** Where that temporary directory is made. Left out: where the system makes them. */
  readonly temporaryDirectory?: string | undefined
  /** Left out: a free port. */
  readonly port?: number | undefined
  /** Server settings, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined
}

/**
 * Starts a server; closing the scope stops it.
 *
 * @example
 * ```ts
 * import { Postgres } from "@effect-dsql/emulator"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* Postgres.make()
 *   yield* Effect.log(`listening on ${server.port}`)
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Postgres, PostgresError, Scope.Scope> {
  const { dataDirectory: asked, settings = {} } = options
  const owner = yield* account(asked === undefined ? undefined : Path.join(asked, DataDirectory.cluster))
  const programs = yield* find(owner)
  const path = yield* DataDirectory.open(asked, options.temporaryDirectory ?? tmpdir(), owner)
  const isTemporary = asked === undefined
  const password = yield* Effect.scoped(
    Effect.andThen(DataDirectory.guard(path), initialise(programs, owner, path, isTemporary))
  )
  const start = Effect.gen(function* () {
    const port = options.port ?? (yield* freePort)
    const ended = yield* run({ programs, owner, path, temporary: isTemporary, port, settings })
    return { port, ended }
  })
  // A free port is free until somebody else takes it; another one is then as good.
  const { ended, port } = yield* options.port === undefined
    ? Effect.retry(start, { schedule: Schedule.recurs(4), while: (error) => error.reason === "port" })
    : start
  return {
    host,
    port,
    username,
    password,
    dataDirectory: path,
    socket: socketIn(path, port),
    ended,
    url: (database = "postgres") =>
      Redacted.make(`postgres://${username}:${Redacted.value(password)}@${host}:${port}/${database}`)
  }
})

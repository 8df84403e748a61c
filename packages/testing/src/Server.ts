/**
 * The PostgreSQL beneath the emulators of a test run: one for all files, which
 * find it by an environment variable, or one of its own for a file that finds
 * none.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Postgres from "@effect-dsql/emulator/Postgres"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { accessSync, constants, statfsSync } from "node:fs"

/**
 * The environment variable that names the server of a run, as a URL.
 *
 * @since 0.1.0
 * @category constants
 */
export const variable = "EFFECT_DSQL_TEST_SERVER"

/** Memory that Linux offers as a directory. */
const memory = "/dev/shm"

/** Bytes that have to be free there: several times what the databases of a run come to. */
const room = 2 ** 32

const isRoomy = (): boolean => {
  try {
    accessSync(memory, constants.W_OK)
    const { bavail, bsize } = statfsSync(memory)
    return Math.min(bavail * bsize, process.availableMemory()) >= room
  } catch {
    return false
  }
}

// Nothing that a test writes has to outlive the machine. A database is three hundred files, which a disk may take a
// second for, and none is there long enough to be vacuumed: to look whether one has to be takes a share of a core.
const start = Effect.suspend(() =>
  Postgres.make({
    temporaryDirectory: isRoomy() ? memory : undefined,
    settings: {
      max_connections: 400,
      fsync: "off",
      synchronous_commit: "off",
      full_page_writes: "off",
      autovacuum: "off",
      // Each session that defines something would load it for itself.
      shared_preload_libraries: "plpgsql"
    }
  })
)

/**
 * Starts a server that every process started from now on finds, until the scope
 * closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const share: Effect.Effect<Postgres.Postgres, Postgres.PostgresError, Scope.Scope> = Effect.gen(function* () {
  const server = yield* start
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      process.env[variable] = toUrl(server).href
    }),
    () =>
      Effect.sync(() => {
        delete process.env[variable]
      })
  )
  return server
})

/**
 * The server of the run, or one that stops when the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Postgres.Postgres, Postgres.PostgresError, Scope.Scope> = Effect.suspend(() => {
  const url = process.env[variable]
  return url === undefined ? start : Effect.succeed(fromUrl(new URL(url)))
})

/**
 * A server that runs already, as an emulator takes it for the one beneath it. Where the URL has a parameter `socket`,
 * that is the path of the server's Unix socket.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUrl = (url: URL): Postgres.Postgres => ({
  host: url.hostname,
  socket: url.searchParams.get("socket") ?? undefined,
  port: Number(url.port),
  username: url.username,
  password: Redacted.make(url.password),
  dataDirectory: "",
  url: (database = "postgres") => {
    const other = new URL(url)
    other.searchParams.delete("socket")
    other.pathname = `/${database}`
    return Redacted.make(other.href)
  }
})

/**
 * All that another process needs to know of a server, its password included, for `fromUrl`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const toUrl = ({ socket, url }: Postgres.Postgres): URL => {
  const all = new URL(Redacted.value(url()))
  if (socket !== undefined) all.searchParams.set("socket", socket)
  return all
}

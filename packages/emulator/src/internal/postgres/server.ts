/** A PostgreSQL process on a cluster, beneath a supervisor that outlives nobody, until a scope closes. */
import { Limits } from "@effect-dsql/dialect"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { createServer } from "node:net"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import type { Account } from "./account.ts"
import { cluster, inUse } from "./dataDirectory.ts"
import { PostgresError } from "./error.ts"
import { standingIn } from "./initialise.ts"
import type { Programs } from "./programs.ts"

/** Where servers listen. */
export const host = "127.0.0.1"

/** Bytes that the path of a Unix socket may have: 103 on macOS, the fewest. */
const longestSocket = 103

/**
 * The Unix socket of a server, in its directory, which is closed to others. Windows has none, and below a long path none
 * is found.
 */
export const socketIn = (path: string, port: number): string | undefined => {
  const socket = Path.join(path, cluster, `.s.PGSQL.${port}`)
  return process.platform === "win32" || Buffer.byteLength(socket) > longestSocket ? undefined : socket
}

const supervisor = fileURLToPath(
  new URL(`./supervisor${Path.extname(fileURLToPath(import.meta.url))}`, import.meta.url)
)

/** A port that was free a moment ago. */
export const freePort = Effect.callback<number, PostgresError>((resume) => {
  const probe = createServer()
  probe.once("error", (error) =>
    resume(Effect.fail(new PostgresError({ reason: "port", message: `no free port: ${error.message}` })))
  )
  probe.listen(0, host, () => {
    const address = probe.address()
    probe.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** What to run, as whom, and on which data. */
export interface Job {
  readonly programs: Programs
  readonly owner: Account | undefined
  readonly path: string
  /** Whether the directory goes with the server. */
  readonly temporary: boolean
  readonly port: number
  readonly settings: Readonly<Record<string, string | number>>
}

/** Starts a server, waits until it is ready, and gives an effect that fails when it ends. */
export const run = Effect.fnUntraced(function* ({
  owner,
  path,
  port,
  programs,
  settings,
  temporary
}: Job): Effect.fn.Return<Effect.Effect<never, PostgresError>, PostgresError, Scope.Scope> {
  const ready = yield* Deferred.make<void, PostgresError>()
  const ended = yield* Deferred.make<never, PostgresError>()
  const data = Path.join(path, cluster)
  const configuration = Object.entries({
    listen_addresses: host,
    // The directory that PostgreSQL stands in, its data's.
    unix_socket_directories: socketIn(path, port) === undefined ? "" : ".",
    port,
    timezone: "UTC",
    // In kilobytes: what a query of the service may use.
    temp_file_limit: Limits.queryBytes / 1024,
    ...settings
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(
        process.execPath,
        [
          supervisor,
          String(owner?.uid ?? "-"),
          String(owner?.gid ?? "-"),
          temporary ? path : "-",
          data,
          programs.postgres,
          "-D",
          standingIn(data, owner),
          ...configuration
        ],
        { stdio: ["pipe", "ignore", "pipe"], detached: true }
      )
      let log = ""
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
        if (log === "ready") return
        log = (log + chunk).slice(-8_000)
        if (log.includes("database system is ready to accept connections")) {
          log = "ready"
          Deferred.doneUnsafe(ready, Effect.void)
        }
      })
      child.once("close", () => {
        Deferred.doneUnsafe(ready, Effect.fail(refused(path, port, log)))
        const message = `the PostgreSQL server in ${path} has ended: start again`
        Deferred.doneUnsafe(ended, Effect.fail(new PostgresError({ reason: "ended", message })))
      })
      return child
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null) return resume(Effect.void)
        child.once("close", () => resume(Effect.void))
        child.stdin.end()
      })
  )
  yield* Deferred.await(ready)
  return Deferred.await(ended)
})

const refused = (path: string, port: number, log: string): PostgresError => {
  if (log.includes("could not bind") || log.includes("could not create any TCP/IP sockets")) {
    return new PostgresError({ reason: "port", message: `port ${port} is in use: choose another` })
  }
  if (log.includes("lock file") && log.includes("already exists")) return inUse(path)
  const lines = log.trim().split("\n")
  // What happened is said before what PostgreSQL does about it, which is to shut down.
  const cause =
    lines.find((line) => /No space left|Disk quota/.test(line)) ?? lines.find((line) => /FATAL|PANIC/.test(line))
  const said = cause ?? lines.at(-1) ?? ""
  return new PostgresError({ reason: "start", message: `PostgreSQL did not start in ${path}: ${said}` })
}

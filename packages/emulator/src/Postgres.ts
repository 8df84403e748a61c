/**
 * A PostgreSQL 16 server from npm, for as long as a scope is open.
 *
 * It listens on the loopback interface alone, runs in its own session so that
 * Ctrl-C in a terminal does not reach it before its owner has finished, and
 * stops when its owner dies, even by SIGKILL.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { execFile, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { access, chmod, chown, link, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { type Account, account, type Binaries, find } from "./internal/postgres/binaries.ts"

/**
 * PostgreSQL could not be initialised, started or reached, or has ended.
 *
 * - `foreign`: the directory is not one that this made, or is none: it is left as it is.
 *
 * @since 0.1.0
 * @category errors
 */
export class PostgresError extends Data.TaggedError("PostgresError")<{
  readonly message: string
  readonly reason: "missing" | "initialise" | "port" | "start" | "directory" | "foreign" | "ended"
}> {}

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
  /** Left out: a free port. */
  readonly port?: number | undefined
  /** Server settings, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined
}

const username = "postgres"
const host = "127.0.0.1"
const passwordFile = "password"
const cluster = "data"
const draft = "data.new"
const lockFile = "initialising"

const supervisor = fileURLToPath(
  new URL(`./internal/postgres/supervisor${Path.extname(fileURLToPath(import.meta.url))}`, import.meta.url)
)

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
  const missing = (message: string) => new PostgresError({ reason: "missing", message })
  const binaries = yield* Effect.mapError(find, missing)
  const owner = yield* Effect.mapError(account, missing)
  const dataDirectory = yield* directory(options.dataDirectory, owner)
  const password = yield* Effect.scoped(
    Effect.andThen(guard(dataDirectory), initialise(binaries, owner, dataDirectory))
  )
  const start = Effect.gen(function* () {
    const port = options.port ?? (yield* freePort)
    const ended = yield* run(
      binaries,
      owner,
      dataDirectory,
      options.dataDirectory === undefined,
      port,
      options.settings ?? {}
    )
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
    dataDirectory,
    ended,
    url: (database = "postgres") =>
      Redacted.make(`postgres://${username}:${Redacted.value(password)}@${host}:${port}/${database}`)
  }
})

const directory = (path: string | undefined, owner: Account | undefined) => {
  const own = async (created: string) => {
    if (owner !== undefined) await chown(created, owner.uid, owner.gid)
    return created
  }
  const failed = (cause: unknown) =>
    cause instanceof PostgresError
      ? cause
      : new PostgresError({
          reason: "directory",
          message: `cannot use ${path ?? tmpdir()} for data: ${cause instanceof Error ? cause.message : String(cause)}`
        })
  return path === undefined
    ? Effect.acquireRelease(
        Effect.tryPromise({
          try: () => mkdtemp(Path.join(tmpdir(), "effect-dsql-")).then(own),
          catch: failed
        }),
        (created) => Effect.promise(() => rm(created, { recursive: true, force: true }))
      )
    : Effect.tryPromise({
        try: async () => {
          const resolved = Path.resolve(path)
          const foreign = await foreignIn(resolved)
          if (foreign !== undefined) throw new PostgresError({ reason: "foreign", message: `${path} ${foreign}` })
          // Only the last one is closed to others: PostgreSQL, which does not run as root, has to get through the rest.
          await mkdir(Path.dirname(resolved), { recursive: true })
          await mkdir(resolved, { recursive: true, mode: 0o700 })
          return own(resolved)
        },
        catch: failed
      })
}

/** What is wrong with a directory that is not empty and not one that this made; what is there is somebody's. */
const foreignIn = async (path: string): Promise<string | undefined> => {
  const entries = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return []
    if (error.code === "ENOTDIR") return undefined
    throw error
  })
  if (entries === undefined) return "is not a directory"
  if (entries.length === 0) return undefined
  const made = await isMade(path)
  const own =
    made || entries.every((entry) => [passwordFile, cluster, draft].includes(entry) || entry.startsWith(lockFile))
  return own && entries.some((entry) => entry === passwordFile || entry.startsWith(lockFile))
    ? undefined
    : "holds other files: choose a new directory, or one that was made for this"
}

const isMade = (path: string): Promise<boolean> =>
  access(Path.join(path, cluster, "PG_VERSION")).then(
    () => true,
    () => false
  )

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

const inUse = (path: string) =>
  new PostgresError({
    reason: "directory",
    message: `${path} is in use by another server: stop that one, or choose another directory`
  })

/** Keeps others from a directory in which a cluster is being made. */
const guard = (path: string): Effect.Effect<void, PostgresError, Scope.Scope> => {
  const lock = Path.join(path, lockFile)
  const take = async (): Promise<void> => {
    // A link appears with its contents, so nobody finds a lock without an owner.
    const own = `${lock}.${process.pid}.${randomBytes(6).toString("hex")}`
    await writeFile(own, String(process.pid))
    try {
      await link(own, lock)
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error
      const holder = Number(await readFile(lock, "utf8").catch(() => "0"))
      if (holder > 0 && isAlive(holder)) throw inUse(path)
      // Whoever held it was killed.
      await rm(lock, { force: true })
      return take()
    } finally {
      await rm(own, { force: true })
    }
  }
  return Effect.asVoid(
    Effect.acquireRelease(
      Effect.tryPromise({
        try: take,
        catch: (cause) =>
          cause instanceof PostgresError
            ? cause
            : new PostgresError({
                reason: "directory",
                message: `cannot use ${path} for data: ${cause instanceof Error ? cause.message : String(cause)}`
              })
      }),
      () => Effect.promise(() => rm(lock, { force: true }))
    )
  )
}

/** Makes the cluster in `data/` below the directory unless it is there, and returns its password. */
const initialise = (binaries: Binaries, owner: Account | undefined, path: string) =>
  Effect.tryPromise({
    try: async () => {
      const secret = Path.join(path, passwordFile)
      const data = Path.join(path, cluster)
      if (await isMade(path)) return Redacted.make((await readFile(secret, "utf8")).trim())
      // A half-made cluster is left by a process that was killed inside initdb.
      const unfinished = Path.join(path, draft)
      await rm(unfinished, { recursive: true, force: true })
      const password = randomBytes(18).toString("base64url")
      await writeFile(secret, `${password}\n`, { mode: 0o600 })
      if (owner !== undefined) await chown(secret, owner.uid, owner.gid)
      await chmod(path, 0o700)
      await new Promise<void>((resolve, reject) =>
        execFile(
          binaries.initdb,
          [
            `--pgdata=${unfinished}`,
            "--auth=scram-sha-256",
            `--username=${username}`,
            `--pwfile=${secret}`,
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync"
          ],
          { ...owner },
          (error, _, stderr) => (error === null ? resolve() : reject(new Error(stderr.trim() || error.message)))
        )
      )
      await rename(unfinished, data)
      return Redacted.make(password)
    },
    catch: (cause) =>
      new PostgresError({
        reason: "initialise",
        message: `cannot initialise PostgreSQL in ${path}: ${cause instanceof Error ? cause.message : String(cause)}`
      })
  })

const freePort = Effect.callback<number, PostgresError>((resume) => {
  const probe = createServer()
  probe.once("error", (error) =>
    resume(Effect.fail(new PostgresError({ reason: "port", message: `no free port: ${error.message}` })))
  )
  probe.listen(0, host, () => {
    const address = probe.address()
    probe.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const run = (
  binaries: Binaries,
  owner: Account | undefined,
  path: string,
  temporary: boolean,
  port: number,
  settings: Readonly<Record<string, string | number>>
) =>
  Effect.gen(function* () {
    const ready = yield* Deferred.make<void, PostgresError>()
    const ended = yield* Deferred.make<never, PostgresError>()
    const configuration = Object.entries({
      listen_addresses: host,
      unix_socket_directories: "",
      port,
      timezone: "UTC",
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
            binaries.postgres,
            "-D",
            Path.join(path, cluster),
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
  const last = log.trim().split("\n").at(-1) ?? ""
  return new PostgresError({ reason: "start", message: `PostgreSQL did not start in ${path}: ${last}` })
}

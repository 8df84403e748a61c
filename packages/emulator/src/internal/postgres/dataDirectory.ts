/**
 * The directory that holds a cluster and its password: a temporary one, or one that is kept. What is in it and was not
 * made here is somebody's, and left alone.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { access, chown, link, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import * as Path from "node:path"
import type { Account } from "./account.ts"
import { PostgresError, text } from "./error.ts"

const lockFile = "initialising"

/** Where a directory keeps what. */
export const passwordFile = "password"
export const cluster = "data"
export const draft = "data.new"

/** Makes the directory, or a temporary one, unless it is there, for the account to own, and returns its whole path. */
export const open = (
  path: string | undefined,
  temporaryDirectory: string,
  owner: Account | undefined
): Effect.Effect<string, PostgresError, Scope.Scope> => {
  const own = async (created: string) => {
    if (owner !== undefined) await chown(created, owner.uid, owner.gid)
    return created
  }
  return path === undefined
    ? Effect.acquireRelease(
        Effect.tryPromise({
          try: () => mkdtemp(Path.join(temporaryDirectory, "effect-dsql-")).then(own),
          catch: unusable(temporaryDirectory)
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
        catch: unusable(path)
      })
}

const unusable = (path: string) => (cause: unknown) =>
  cause instanceof PostgresError
    ? cause
    : new PostgresError({ reason: "directory", message: `cannot use ${path} for data: ${text(cause)}` })

/** What is wrong with a directory that is not empty and not one that this made. */
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

/** Whether there is a whole cluster in it. */
export const isMade = (path: string): Promise<boolean> =>
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

/** Two servers cannot have the same data. */
export const inUse = (path: string) =>
  new PostgresError({
    reason: "directory",
    message: `${path} is in use by another server: stop that one, or choose another directory`
  })

/** Keeps others from a directory in which a cluster is being made. */
export const guard = (path: string): Effect.Effect<void, PostgresError, Scope.Scope> => {
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
    Effect.acquireRelease(Effect.tryPromise({ try: take, catch: unusable(path) }), () =>
      Effect.promise(() => rm(lock, { force: true }))
    )
  )
}

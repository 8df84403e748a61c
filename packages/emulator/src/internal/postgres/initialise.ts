/** Makes a cluster in a directory: all of it or nothing, and with a password that only its owner can read. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmod, chown, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import * as Path from "node:path"
import type { Account } from "./account.ts"
import * as CachedCluster from "./cachedCluster.ts"
import { cluster, draft, isMade, passwordFile } from "./dataDirectory.ts"
import { PostgresError, text } from "./error.ts"
import type { Programs } from "./programs.ts"

/** The superuser of a cluster that is made here. */
export const username = "postgres"

/**
 * How a program that starts in a directory names it. An account that root has lent its data to may not enter the
 * directories above: Linux lets it in through the place where it stands already.
 */
export const standingIn = (directory: string, owner: Account | undefined): string =>
  owner !== undefined && process.platform === "linux" ? "/proc/self/cwd" : directory

/**
 * Makes the cluster unless it is there, and returns its password. A `copyable` one is copied from one of the same kind.
 * Who interrupts it waits for the files to be written: what is still being written to cannot be removed.
 */
export const initialise = (
  programs: Programs,
  owner: Account | undefined,
  path: string,
  copyable: boolean
): Effect.Effect<Redacted.Redacted, PostgresError> =>
  Effect.tryPromise({
    try: async () => {
      if (!(await isMade(path))) {
        await chmod(path, 0o700)
        const place = copyable ? CachedCluster.placeOf() : undefined
        if (place === undefined || !(await copy(programs, owner, path, place))) await make(programs, owner, path, false)
      }
      return Redacted.make((await readFile(Path.join(path, passwordFile), "utf8")).trim())
    },
    catch: (cause) =>
      new PostgresError({ reason: "initialise", message: `cannot initialise PostgreSQL in ${path}: ${text(cause)}` })
  }).pipe(Effect.uninterruptible)

const argumentsOf = [
  "--auth=scram-sha-256",
  `--username=${username}`,
  `--pwfile=${Path.join("..", passwordFile)}`,
  "--encoding=UTF8",
  "--locale=C"
]

/** A new, empty directory for the account to own; a half-made cluster is left by a process that was killed. */
const emptied = async (directory: string, owner: Account | undefined) => {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { mode: 0o700 })
  if (owner !== undefined) await chown(directory, owner.uid, owner.gid)
}

/** Runs initdb. */
const make = async ({ initdb }: Programs, owner: Account | undefined, path: string, isSynced: boolean) => {
  const unfinished = Path.join(path, draft)
  await emptied(unfinished, owner)
  const secret = Path.join(path, passwordFile)
  await writeFile(secret, `${randomBytes(18).toString("base64url")}\n`, { mode: 0o600, flush: isSynced })
  if (owner !== undefined) await chown(secret, owner.uid, owner.gid)
  await new Promise<void>((resolve, reject) =>
    execFile(
      initdb,
      [`--pgdata=${standingIn(unfinished, owner)}`, ...argumentsOf, ...(isSynced ? [] : ["--no-sync"])],
      { ...owner, cwd: unfinished },
      (error, _, stderr) => (error === null ? resolve() : reject(new Error(stderr.trim() || error.message)))
    )
  )
  await rename(unfinished, Path.join(path, cluster))
}

/** Takes a copy of a cluster of the same kind, its password included; gives whether there was one. */
const copy = async (programs: Programs, owner: Account | undefined, path: string, place: string): Promise<boolean> => {
  const unfinished = Path.join(path, draft)
  await emptied(unfinished, owner)
  const { size } = await stat(programs.postgres)
  const isCopied = await CachedCluster.copyInto(
    {
      place,
      owner,
      ingredients: [programs.version, String(size), String(owner?.uid), ...argumentsOf],
      make: (directory) => make(programs, owner, directory, true)
    },
    unfinished
  )
  if (isCopied) {
    await rename(Path.join(unfinished, passwordFile), Path.join(path, passwordFile))
    await rename(Path.join(unfinished, cluster), Path.join(path, cluster))
  }
  await rm(unfinished, { recursive: true, force: true })
  return isCopied
}

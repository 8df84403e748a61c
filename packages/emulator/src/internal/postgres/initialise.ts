/** Makes a cluster in a directory: all of it or nothing, and with a password that only its owner can read. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import * as Path from "node:path"
import type { Account } from "./account.ts"
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

/** Makes the cluster unless it is there, and returns its password. */
export const initialise = (
  { initdb }: Programs,
  owner: Account | undefined,
  path: string
): Effect.Effect<Redacted.Redacted, PostgresError> =>
  Effect.tryPromise({
    try: async () => {
      const secret = Path.join(path, passwordFile)
      if (await isMade(path)) return Redacted.make((await readFile(secret, "utf8")).trim())
      // A half-made cluster is left by a process that was killed inside initdb.
      const unfinished = Path.join(path, draft)
      await rm(unfinished, { recursive: true, force: true })
      await mkdir(unfinished, { mode: 0o700 })
      const password = randomBytes(18).toString("base64url")
      await writeFile(secret, `${password}\n`, { mode: 0o600 })
      if (owner !== undefined) {
        await Promise.all([unfinished, secret].map((made) => chown(made, owner.uid, owner.gid)))
      }
      await chmod(path, 0o700)
      await new Promise<void>((resolve, reject) =>
        execFile(
          initdb,
          [
            `--pgdata=${standingIn(unfinished, owner)}`,
            "--auth=scram-sha-256",
            `--username=${username}`,
            `--pwfile=${Path.join("..", passwordFile)}`,
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync"
          ],
          { ...owner, cwd: unfinished },
          (error, _, stderr) => (error === null ? resolve() : reject(new Error(stderr.trim() || error.message)))
        )
      )
      await rename(unfinished, Path.join(path, cluster))
      return Redacted.make(password)
    },
    catch: (cause) =>
      new PostgresError({ reason: "initialise", message: `cannot initialise PostgreSQL in ${path}: ${text(cause)}` })
  })

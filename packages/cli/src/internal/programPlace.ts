/**
 * Where the programs beside a command connect, as `DsqlClient.environment` reads it: `DSQL_URL`, or else `DSQL_ENDPOINT`
 * and its like. What `effect-dsql dev` prints for a program works for a command in the same shell.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { InvalidUsage } from "../Failure.ts"
import type { Project } from "../Project.ts"
import { portOf } from "./port.ts"

/** A place in a project's words, and the password that a URL may have. */
export interface ProgramPlace {
  readonly place: Pick<Project, "endpoint" | "port" | "user" | "database" | "tls">
  readonly password: Redacted.Redacted | undefined
}

const text = (name: string) =>
  Effect.map(Effect.orDie(Config.option(Config.String(name))), (found) => Option.getOrUndefined(found) || undefined)

/** The place, or undefined where the environment names none. */
export const programPlace: Effect.Effect<ProgramPlace | undefined, InvalidUsage> = Effect.gen(function* () {
  const url = yield* text("DSQL_URL")
  if (url !== undefined) return yield* ofUrl(url)
  const endpoint = yield* text("DSQL_ENDPOINT")
  if (endpoint === undefined) return undefined
  const written = yield* text("DSQL_PORT")
  const port = written === undefined ? undefined : yield* portOf(written, `DSQL_PORT ${JSON.stringify(written)}`)
  const user = yield* text("DSQL_USER")
  const database = yield* text("DSQL_DATABASE")
  return {
    place: {
      endpoint,
      ...(port !== undefined && { port }),
      ...(user !== undefined && { user }),
      ...(database !== undefined && { database })
    },
    password: undefined
  }
})

/** What a URL says of encryption, in the words of `--tls`. */
const modes: Readonly<Record<string, Project["tls"]>> = {
  prefer: "prefer",
  require: "require",
  "verify-ca": "verify-full",
  "verify-full": "verify-full"
}

const ofUrl = (given: string): Effect.Effect<ProgramPlace, InvalidUsage> =>
  Effect.try({
    try: () => partsOf(new URL(given)),
    // Not shown: it may hold a password.
    catch: () =>
      new InvalidUsage({ message: "DSQL_URL is malformed: write it as postgres://user:password@host:port/database" })
  })

/** Throws where it is no such URL. */
const partsOf = (url: URL): ProgramPlace => {
  if (!["postgres:", "postgresql:"].includes(url.protocol) || url.hostname === "") throw new TypeError("no such URL")
  const user = decodeURIComponent(url.username)
  const database = decodeURIComponent(url.pathname.slice(1))
  const tls = modes[url.searchParams.get("sslmode") ?? ""]
  return {
    place: {
      endpoint: url.hostname.replace(/^\[|\]$/g, ""),
      ...(url.port !== "" && { port: Number(url.port) }),
      ...(user !== "" && { user }),
      ...(database !== "" && { database }),
      ...(tls !== undefined && { tls })
    },
    password: url.password === "" ? undefined : Redacted.make(decodeURIComponent(url.password))
  }
}

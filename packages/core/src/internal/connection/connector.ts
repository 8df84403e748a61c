/**
 * Opens one connection: a token where the server wants one, a socket that says when it ends, and the driver on it.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import { connect as connectSocket } from "node:net"
import type { Open } from "../../ConnectionPool.ts"
import { type AuthenticationFailed, ConnectionLost } from "../../DsqlError.ts"
import type { TokenSource } from "../../TokenSource.ts"
import { type AttemptError, read } from "../errors/classify.ts"
import * as rareLog from "../metrics/rareLog.ts"
import type { Address } from "./address.ts"
import { Observer, type Place } from "./observed.ts"
import { Session } from "./session.ts"

/** A server, and how to log in there. */
export interface Target {
  readonly config: Omit<PgConnection.Config, "password" | "stream" | "connectTimeout">
  /** What is shown of it. */
  readonly place: Place
  /** Where the socket goes; undefined where only the driver can tell, as for a Unix socket. */
  readonly address: Address | undefined
  readonly login: TokenSource | Redacted.Redacted | undefined
  readonly connectTimeout: Duration.Duration
}

/** Opens sessions on a server. */
export const open = (target: Target): Open<Session> => {
  const observer = new Observer(target.place)
  return (end) => {
    const { connectTimeout, login } = target
    const session = (password: Redacted.Redacted | undefined) =>
      PgConnection.make({ ...target.config, password, stream: stream(target, () => end("lost")), connectTimeout }).pipe(
        Effect.mapError((error): AttemptError => read(error)),
        Effect.map((connection) => new Session(connection, end, observer))
      )
    if (!isTokenSource(login)) return session(login)
    const attempt = Effect.flatMap(tokenOf(login, connectTimeout), (token) =>
      Effect.mapError(session(token), (error) => ({ error, token }))
    )
    return attempt.pipe(
      Effect.catchIf(isTokenRefused, ({ error, token }) =>
        rareLog
          .log("Warn", "token refused, asking for a fresh one", { reason: error.reason })
          .pipe(Effect.andThen(login.invalidate(token)), Effect.andThen(attempt))
      ),
      Effect.mapError(({ error }) => error)
    )
  }
}

interface Failed {
  readonly error: AttemptError
  readonly token: Redacted.Redacted | undefined
}

const isTokenSource = (login: Target["login"]): login is TokenSource => login !== undefined && "invalidate" in login

const isTokenRefused = (
  failed: Failed
): failed is { readonly error: AuthenticationFailed; readonly token: Redacted.Redacted } =>
  failed.error._tag === "AuthenticationFailed" && failed.token !== undefined

const tokenOf = (tokens: TokenSource, timeout: Duration.Duration): Effect.Effect<Redacted.Redacted, Failed> =>
  tokens.token.pipe(
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () =>
        Effect.fail(
          new ConnectionLost({
            phase: "connect",
            message: `no token was signed in ${Duration.toMillis(timeout)} ms: the AWS credential chain does not answer`
          })
        )
    }),
    Effect.mapError((error) => ({ error, token: undefined }))
  )

/** The driver asks for a second stream when it cancels a statement; that one's end means nothing. */
const stream = ({ address }: Target, lost: () => void): PgConnection.Config["stream"] => {
  if (address === undefined) return undefined
  let first = true
  return () => {
    const socket = connectSocket({ ...address, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 })
    if (first) socket.once("close", lost)
    first = false
    return socket
  }
}

/**
 * Opens one connection: a token where the server wants one, a socket that says when it ends, and the driver on it.
 */
import * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { Open } from "../../ConnectionPool.ts"
import { type AuthenticationFailed, ConnectionLost } from "../../DsqlError.ts"
import type { TokenSource } from "../../TokenSource.ts"
import { type AttemptError, read } from "../errors/classify.ts"
import * as rareLog from "../metrics/rareLog.ts"
import { type Address, type Encryption, Transport } from "../wire/transport.ts"
import { Wire } from "../wire/wire.ts"
import { Observer, type Place } from "./observed.ts"
import { Session } from "./session.ts"

/** A server, and how to log in there. */
export interface Target {
  readonly config: Omit<PgConnection.Config, "password" | "stream" | "connectTimeout">
  /** What is shown of it. */
  readonly place: Place
  readonly address: Address
  readonly encryption: Encryption | undefined
  readonly login: TokenSource | Redacted.Redacted | undefined
  readonly connectTimeout: Duration.Duration
}

/** Opens sessions on a server. */
export const open = (target: Target): Open<Session> => {
  const observer = new Observer(target.place)
  return (end) => {
    const { connectTimeout, login } = target
    const session = (password: Redacted.Redacted | undefined) =>
      Effect.suspend(() => {
        let first: Transport | undefined
        // It asks for another one when it cancels a statement; that one's end means nothing.
        const stream = () => {
          const transport = new Transport(target.address, target.encryption)
          if (first === undefined) {
            first = transport
            transport.stream.once("close", () => end("lost"))
          }
          return transport.stream
        }
        return PgConnection.make({ ...target.config, ssl: false, password, stream, connectTimeout }).pipe(
          Effect.mapError((error): AttemptError => read(error)),
          // The driver has asked for a stream, or it would not be there.
          Effect.map((driver) => new Session(new Wire(first as Transport, driver, target.config.types), end, observer))
        )
      })
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

/**
 * IAM tokens: what stands in for a password on Aurora DSQL.
 *
 * A token is a presigned request. Signing is local and quick, but finding the
 * credentials may not be, and the service refuses a token that is too old; so a
 * token is shared by all connections that open within its life and signed anew
 * before it ends. It is only looked at while connecting: an open connection
 * outlives its token.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Limits from "@effect-dsql/dialect/Limits"
import type { DsqlSignerConfig } from "@aws-sdk/dsql-signer"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import { AuthenticationFailed } from "./DsqlError.ts"
import * as Credentials from "./internal/connection/credentials.ts"
import { update } from "./internal/metrics/labelled.ts"
import * as check from "./internal/options/check.ts"
import * as Monotonic from "./internal/time/monotonic.ts"
import * as Metrics from "./Metrics.ts"

/**
 * A source of tokens for one cluster and role.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenSource {
  /** A token that is valid now. Callers that ask while one is being signed share it. */
  readonly token: Effect.Effect<Redacted.Redacted, AuthenticationFailed>
  /**
   * Forgets a token that the server has refused. Connections that were refused with it at the same time do not throw
   * away the fresh one that the first of them asked for.
   */
  readonly invalidate: (refused: Redacted.Redacted) => Effect.Effect<void>
}

/**
 * A token and the time at which it ends, in milliseconds since 1970.
 *
 * @since 0.1.0
 * @category models
 */
export interface Signed {
  readonly token: Redacted.Redacted
  readonly expiresAt: number
}

/**
 * Caches what a signer makes.
 *
 * @example
 * ```ts
 * import { TokenSource } from "@effect-dsql/core"
 * import { Clock, Effect, Redacted } from "effect"
 *
 * const source = TokenSource.make(
 *   Effect.map(Clock.currentTimeMillis, (now) => ({
 *     token: Redacted.make("signed"),
 *     expiresAt: now + 900_000
 *   }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  sign: Effect.Effect<Signed, AuthenticationFailed>,
  options: {
    /** A token is replaced when it has less than this left, or less than a fifth of its life. Default: 1 minute. */
    readonly margin?: Duration.Input | undefined
  } = {}
): TokenSource => {
  const margin = check.wait("margin", options.margin ?? "1 minute")
  const signing = Semaphore.makeUnsafe(1)
  let current: { readonly token: Redacted.Redacted; readonly replaceAt: number } | undefined
  let failure: AuthenticationFailed | undefined
  let failures = 0
  const cached = Effect.map(Monotonic.millis, (now) =>
    current !== undefined && now < current.replaceAt ? current.token : undefined
  )
  const fresh = Effect.gen(function* () {
    const start = yield* Monotonic.millis
    const { expiresAt, token } = yield* sign
    // The wall clock says how long the token lives, and means nothing to its life any more once it is set.
    const life = expiresAt - (yield* Clock.currentTimeMillis)
    const now = yield* Monotonic.millis
    current = { token, replaceAt: now + life - Math.min(margin, life / 5) }
    yield* update(Metrics.token.refreshes, {}, 1)
    yield* update(Metrics.token.latency, {}, now - start)
    return token
  }).pipe(
    Effect.tapError((error) => {
      failure = error
      failures += 1
      return update(Metrics.token.failures, { step: error.step ?? "unknown" }, 1)
    })
  )
  // Who waited while another failed is told the same; who comes later tries again.
  const shared = Effect.suspend(() => {
    const before = failures
    const mine = Effect.suspend(() => (failure !== undefined && failures > before ? Effect.fail(failure) : fresh))
    return signing.withPermit(Effect.flatMap(cached, (token) => (token === undefined ? mine : Effect.succeed(token))))
  })
  return {
    token: Effect.flatMap(cached, (token) =>
      token === undefined ? shared : Effect.as(update(Metrics.token.hits, {}, 1), token)
    ),
    invalidate: (refused) =>
      Effect.suspend(() => {
        if (current?.token === refused) current = undefined
        return update(Metrics.token.refused, {}, 1)
      })
  }
}

/**
 * Who signs, and for what.
 *
 * @since 0.1.0
 * @category models
 */
export interface IamOptions {
  /** The cluster's host name. */
  readonly endpoint: string
  /** The AWS region of the cluster. */
  readonly region: string
  /** The database role. `admin` needs the IAM action DbConnectAdmin, any other DbConnect. */
  readonly user: string
  /** Default: the AWS credential chain (environment, profile, container, instance). */
  readonly credentials?: DsqlSignerConfig["credentials"] | undefined
  /** How long a token is valid, from 1 second to 7 days. Default: 15 minutes. */
  readonly lifetime?: Duration.Input | undefined
}

/**
 * Signs with AWS credentials. A token never outlives the credentials that signed it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeIam = (options: IamOptions): TokenSource => {
  const given = options.lifetime ?? Duration.seconds(Limits.tokenSeconds)
  // What a signature of AWS may live, in whole seconds.
  const lifetime = Math.floor(check.between("lifetime", given, Duration.seconds(1), Duration.days(7)) / 1000)
  const sign = Effect.gen(function* () {
    const identity = yield* Credentials.resolve(options.credentials)
    const now = yield* Clock.currentTimeMillis
    if (identity.expiration !== undefined && identity.expiration.getTime() <= now) {
      return yield* new AuthenticationFailed({
        reason: "credentials",
        step: "expired",
        message: `the AWS credentials ended at ${identity.expiration.toISOString()}: renew them`
      })
    }
    const token = yield* Effect.tryPromise({
      try: async () => {
        const { DsqlSigner } = await import("@aws-sdk/dsql-signer")
        const signer = new DsqlSigner({
          hostname: options.endpoint,
          region: options.region,
          credentials: identity,
          expiresIn: lifetime
        })
        return options.user === "admin" ? signer.getDbConnectAdminAuthToken() : signer.getDbConnectAuthToken()
      },
      catch: () =>
        new AuthenticationFailed({
          reason: "credentials",
          step: "signing",
          message: `the AWS credentials cannot sign a token for ${options.endpoint}`
        })
    })
    const end = now + lifetime * 1000
    return {
      token: Redacted.make(token),
      expiresAt: identity.expiration === undefined ? end : Math.min(end, identity.expiration.getTime())
    }
  })
  return make(sign)
}

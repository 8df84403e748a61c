import { DsqlClient, DsqlError, TokenSource, Transaction } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Fiber, Redacted, Ref } from "effect"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"

const counted = (lifetime: Duration.Input, gate: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function* () {
    const signed = yield* Ref.make(0)
    const sign = Effect.gen(function* () {
      const number = yield* Ref.updateAndGet(signed, (n) => n + 1)
      yield* gate
      const now = yield* Clock.currentTimeMillis
      return {
        token: Redacted.make(`token ${number}`),
        expiresAt: now + Duration.toMillis(Duration.fromInputUnsafe(lifetime))
      }
    })
    return { source: TokenSource.make(sign), signed }
  })

const value = (token: Redacted.Redacted) => Redacted.value(token)

describe("TokenSource.make", () => {
  it.effect("signs once for callers that ask at the same time", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { signed, source } = yield* counted("15 minutes", Deferred.await(gate))
      const callers = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 50 }, () => source.token),
          { concurrency: "unbounded" }
        )
      )
      yield* Deferred.succeed(gate, undefined)
      const tokens = yield* Fiber.join(callers)
      assert.deepStrictEqual([...new Set(tokens.map(value))], ["token 1"])
      assert.strictEqual(yield* Ref.get(signed), 1)
    })
  )

  it.effect("signs anew a minute before the token ends", () =>
    Effect.gen(function* () {
      const { source } = yield* counted("15 minutes")
      assert.strictEqual(value(yield* source.token), "token 1")
      yield* TestClock.adjust(Duration.millis(14 * 60_000 - 1))
      assert.strictEqual(value(yield* source.token), "token 1")
      yield* TestClock.adjust(1)
      assert.strictEqual(value(yield* source.token), "token 2")
    })
  )

  it.effect("signs anew in time when the wall clock is set back", () =>
    Effect.gen(function* () {
      const { source } = yield* counted("15 minutes")
      yield* TestClock.setTime(3_600_000)
      assert.strictEqual(value(yield* source.token), "token 1")
      yield* TestClock.setTime(0)
      yield* TestClock.adjust("14 minutes")
      assert.strictEqual(value(yield* source.token), "token 2")
    })
  )

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("cannot make tokens that live for %s ms", (lifetime) => {
    assert.throws(
      () => TokenSource.makeIam({ endpoint: "e", region: "r", user: "admin", lifetime }),
      /^lifetime must be from 1s to 7d, and is /
    )
  })

  it("cannot replace tokens at a time that is none", () => {
    assert.throws(() => TokenSource.make(Effect.never, { margin: -1 }), "margin must not be negative, and is -1 ms")
  })

  it.effect("signs anew after the server refused a token", () =>
    Effect.gen(function* () {
      const { source } = yield* counted("15 minutes")
      yield* source.invalidate(yield* source.token)
      assert.strictEqual(value(yield* source.token), "token 2")
    })
  )

  it.effect("signs anew before a token ends that lives shorter than the margin", () =>
    Effect.gen(function* () {
      const { source } = yield* counted("5 seconds")
      assert.strictEqual(value(yield* source.token), "token 1")
      yield* TestClock.adjust("3999 millis")
      assert.strictEqual(value(yield* source.token), "token 1")
      yield* TestClock.adjust(1)
      assert.strictEqual(value(yield* source.token), "token 2")
    })
  )

  it.effect("keeps the fresh token when several connections were refused with the old one", () =>
    Effect.gen(function* () {
      const { source } = yield* counted("15 minutes")
      const old = yield* source.token
      yield* source.invalidate(old)
      assert.strictEqual(value(yield* source.token), "token 2")
      yield* source.invalidate(old)
      assert.strictEqual(value(yield* source.token), "token 2")
    })
  )

  it.effect("fails once for callers that ask at the same time", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const asked = yield* Ref.make(0)
      const none = new DsqlError.AuthenticationFailed({ reason: "credentials", step: "none", message: "none" })
      const source = TokenSource.make(
        Effect.andThen(
          Ref.update(asked, (n) => n + 1),
          Effect.andThen(Deferred.await(gate), Effect.fail(none))
        )
      )
      const callers = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 50 }, () => Effect.flip(source.token)),
          { concurrency: "unbounded" }
        ),
        { startImmediately: true }
      )
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(new Set(yield* Fiber.join(callers)), new Set([none]))
      assert.strictEqual(yield* Ref.get(asked), 1)
      yield* Effect.flip(source.token)
      assert.strictEqual(yield* Ref.get(asked), 2)
    })
  )

  it.effect("does not keep a failure", () =>
    Effect.gen(function* () {
      const failing = yield* Ref.make(true)
      const source = TokenSource.make(
        Effect.flatMap(Ref.getAndSet(failing, false), (fails) =>
          fails
            ? Effect.fail(new DsqlError.AuthenticationFailed({ reason: "credentials", message: "none" }))
            : Effect.succeed({ token: Redacted.make("token"), expiresAt: Number.MAX_SAFE_INTEGER })
        )
      )
      yield* Effect.flip(source.token)
      assert.strictEqual(value(yield* source.token), "token")
    })
  )

  it.effect("lets the others go on when the caller that signs is interrupted", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { source } = yield* counted("15 minutes", Deferred.await(gate))
      const first = yield* Effect.forkChild(source.token, { startImmediately: true })
      const second = yield* Effect.forkChild(source.token, { startImmediately: true })
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(value(yield* Fiber.join(second)), "token 2")
    })
  )
})

describe("TokenSource.makeIam", () => {
  const identity = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "not-to-be-shown" }
  const options = { endpoint: "abc.dsql.us-east-1.on.aws", region: "us-east-1", user: "admin", credentials: identity }

  const token = (changed: Partial<TokenSource.IamOptions>) =>
    Effect.map(TokenSource.makeIam({ ...options, ...changed }).token, (signed) => new URL(`https://${value(signed)}`))

  it.live("asks for the admin action for admin, and for the plain one for any other role", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* token({})).searchParams.get("Action"), "DbConnectAdmin")
      assert.strictEqual((yield* token({ user: "app" })).searchParams.get("Action"), "DbConnect")
    })
  )

  it.live("signs for the cluster and the life that were asked for", () =>
    Effect.gen(function* () {
      const url = yield* token({ lifetime: "5 minutes" })
      assert.strictEqual(url.hostname, "abc.dsql.us-east-1.on.aws")
      assert.strictEqual(url.searchParams.get("X-Amz-Expires"), "300")
      assert.include(url.searchParams.get("X-Amz-Credential"), "/us-east-1/dsql/aws4_request")
    })
  )

  it.effect("does not trust a token longer than the credentials that signed it", () =>
    Effect.gen(function* () {
      let asked = 0
      const source = TokenSource.makeIam({
        ...options,
        credentials: () => {
          asked += 1
          return Promise.resolve({ ...identity, expiration: new Date(asked * 30_000) })
        }
      })
      yield* source.token
      yield* TestClock.adjust("23 seconds")
      yield* source.token
      assert.strictEqual(asked, 1)
      yield* TestClock.adjust("1 second")
      yield* source.token
      assert.strictEqual(asked, 2)
    })
  )

  it.live("does not sign with credentials that have ended", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(
        token({ credentials: () => Promise.resolve({ ...identity, expiration: new Date(0) }) })
      )
      assert.include(failure, { _tag: "AuthenticationFailed", reason: "credentials", step: "expired" } as const)
      assert.include(failure.message, "1970-01-01")
    })
  )

  it.live("says what to do when there are no credentials, without showing any", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(
        TokenSource.makeIam({ ...options, credentials: () => Promise.reject(new Error("not-to-be-shown")) }).token
      )
      assert.include(failure, { _tag: "AuthenticationFailed", reason: "credentials", step: "given" } as const)
      assert.notInclude(inspect(failure, { depth: 10 }), "not-to-be-shown")
    })
  )

  it.live("is a typed error of the transaction, not a defect", () =>
    Effect.gen(function* () {
      const failure = yield* Transaction.run(Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1`)).pipe(
        Effect.provide(
          DsqlClient.layer({ ...options, credentials: () => Promise.reject(new Error("no credentials")) })
        ),
        Effect.flip
      )
      assert.include(failure, { _tag: "AuthenticationFailed", reason: "credentials" } as const)
    })
  )
})

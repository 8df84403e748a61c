/**
 * Secrets that are marked go in at every door: credentials, tokens, passwords, URLs, what credential processes print.
 * None of them comes out: not in errors and their causes, not in logs, spans or metrics, not on the console.
 */
import { DsqlClient, Observability, TokenSource, Transaction } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Exit, Layer, Logger, Metric, Redacted, References, Tracer } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import { sharedPostgres } from "../../../test/postgres.ts"

const pem = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), "utf8")

const mark = "SECRETMARK"

const secret = (name: string) => `${mark}${name}`

/** A value as everybody would print it, its causes and hidden fields with it. */
const shown = (value: unknown): string =>
  [
    inspect(value, { depth: 20, showHidden: true }),
    String(value),
    JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each)) ?? ""
  ].join("\n")

/** Runs with every ear open, and gives what was heard and how it ended. */
const heard = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.make((options) => {
      lines.push(shown(options.message), shown(options.cause), Cause.pretty(options.cause))
    })
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const methods = ["log", "info", "warn", "error", "debug"] as const
    const printed = methods.map((method) => [method, console[method]] as const)
    const keep = (...values: ReadonlyArray<unknown>) => void lines.push(values.map(shown).join(" "))
    yield* Effect.acquireRelease(
      Effect.sync(() => methods.forEach((method) => Object.assign(console, { [method]: keep }))),
      () => Effect.sync(() => void Object.assign(console, Object.fromEntries(printed)))
    )
    const exit = yield* Effect.exit(effect).pipe(
      Effect.provide(Logger.layer([logger, Logger.consolePretty(), Logger.consoleJson])),
      Effect.provideService(References.MinimumLogLevel, "All"),
      Effect.withTracer(tracer)
    )
    lines.push(shown(exit))
    if (Exit.isFailure(exit)) lines.push(Cause.pretty(exit.cause), shown(Cause.squash(exit.cause)))
    for (const span of spans) lines.push(shown([...span.attributes]), shown(span.status), shown(span.events))
    lines.push(yield* Observability.scrape)
    return { exit, spans: spans.length, text: lines.join("\n") }
  }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))

const select = Transaction.run(
  Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1 AS one`),
  { operation: "Secret" }
)

/** Fails, as every door here does, and says nothing. */
const silent = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const { exit, text } = yield* heard(effect)
    assert.isTrue(Exit.isFailure(exit))
    assert.notInclude(text, mark)
  })

/** An environment of its own for the time of a test. */
const environment = (variables: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env
      process.env = { ...before, AWS_EC2_METADATA_DISABLED: "true", ...variables }
      return before
    }),
    (before) =>
      Effect.sync(() => {
        process.env = before
      })
  )

const endpoint = "abc.dsql.us-east-1.on.aws"

const iam = (credentials: TokenSource.IamOptions["credentials"]) =>
  TokenSource.makeIam({ endpoint, region: "us-east-1", user: "admin", credentials })

describe("a secret", () => {
  it.live("is found by this test where somebody prints it", () =>
    Effect.gen(function* () {
      const said = yield* heard(Effect.logInfo(secret("log")))
      assert.include(said.text, mark)
      // The console is heard too.
      assert.include(said.text, '"level":"INFO"')
      const failed = yield* heard(Effect.fail(new Error("outer", { cause: new Error(secret("cause")) })))
      assert.include(failed.text, mark)
      const spanned = yield* heard(Effect.withSpan(Effect.void, "span", { attributes: { token: secret("span") } }))
      assert.include(spanned.text, mark)
    })
  )

  it.live.each([
    `postgres://user:${secret("url")}@127.0.0.1:1/db`,
    `postgres://user:${secret("url")}@not-a-port:port/db`,
    `postgres://user:${secret("url")}@127.0.0.1:1/db?sslmode=nonsense`,
    `mysql://user:${secret("url")}@127.0.0.1:1/db`,
    `${secret("url")}`
  ])("of a database URL stays in it: %#", (url) =>
    silent(
      Effect.provide(
        select,
        DsqlClient.layerConfig().pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ DSQL_URL: url })))
        )
      )
    )
  )

  it.live("of a plain server stays where it was given", () =>
    silent(
      Effect.provide(
        select,
        DsqlClient.layerPostgres({ host: "127.0.0.1", port: 1, password: Redacted.make(secret("password")) })
      )
    )
  )

  it.live("of a plain server that refuses it stays where it was given", () =>
    Effect.gen(function* () {
      const { host, port } = sharedPostgres()
      yield* silent(
        Effect.provide(
          select,
          DsqlClient.layerPostgres({ host, port, user: "nobody", password: Redacted.make(secret("password")) })
        )
      )
    })
  )

  it.live("of a credentials provider that fails with it stays there", () =>
    Effect.gen(function* () {
      const failing = iam(() => Promise.reject(new Error(secret("provider"), { cause: { key: secret("cause") } })))
      yield* silent(failing.token)
      yield* silent(Effect.provide(select, DsqlClient.layer({ endpoint, tokens: failing })))
    })
  )

  it.live("of credentials that cannot sign, or have ended, stays in them", () =>
    Effect.gen(function* () {
      const identity = { accessKeyId: secret("id"), secretAccessKey: secret("key"), sessionToken: secret("session") }
      yield* silent(iam({ ...identity, expiration: new Date(0) }).token)
      // What no code that checks its types gives: nothing to sign with.
      yield* silent(iam({ ...identity, secretAccessKey: undefined as unknown as string }).token)
    })
  )

  it.live("of the environment stays there when the environment is incomplete", () =>
    Effect.gen(function* () {
      yield* environment({ AWS_SECRET_ACCESS_KEY: secret("key"), AWS_SESSION_TOKEN: secret("session") })
      yield* silent(iam(undefined).token)
    }).pipe(Effect.scoped)
  )

  it.live("that a credential process prints, or has in its command, stays there", () =>
    Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "aws-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      for (const [name, command] of [
        ["prints", `echo ${secret("printed")}`],
        ["fails", `sh -c 'echo ${secret("error")} >&2; exit 3'`]
      ] as const) {
        const config = join(directory, name)
        writeFileSync(config, `[profile mine]\ncredential_process = ${command}\n`)
        yield* Effect.scoped(
          Effect.andThen(
            environment({ AWS_PROFILE: "mine", AWS_CONFIG_FILE: config, HOME: directory }),
            silent(iam(undefined).token)
          )
        )
      }
    }).pipe(Effect.scoped)
  )

  it.live("in a token is shown to the server alone, on a day on which all goes wrong", () =>
    Effect.gen(function* () {
      let refused = true
      const emulator = yield* Emulator.make({
        postgres: sharedPostgres(),
        tls: { cert: pem("server.pem"), key: pem("server.key") },
        authorize: (token) => (token.startsWith(mark) && !refused ? "ok" : "expired")
      })
      const tokens = TokenSource.make(
        Effect.succeed({ token: Redacted.make(secret("token")), expiresAt: Number.MAX_SAFE_INTEGER })
      )
      const options = {
        endpoint: "localhost",
        port: emulator.port,
        database: "postgres",
        ca: pem("ca.pem"),
        tokens,
        maxConnections: 1
      }
      yield* silent(Effect.provide(select, DsqlClient.layer(options)))
      refused = false
      const { exit, spans, text } = yield* heard(
        Effect.gen(function* () {
          const { sql } = yield* DsqlClient.DsqlClient
          yield* select
          yield* emulator.control.inject({ on: "commit", fault: "conflict", times: 2 })
          yield* Transaction.run(Effect.flatMap(Transaction.sql, (tx) => tx`SELECT 1 FOR UPDATE`)).pipe(Effect.exit)
          yield* emulator.control.inject({ on: "connect", fault: "rate-exceeded", times: 2 })
          yield* emulator.control.inject({ on: "statement", fault: "cut", times: 1 })
          yield* Effect.logError("lost", yield* Effect.exit(select))
          yield* Effect.logInfo(
            "client",
            sql.config,
            yield* DsqlClient.DsqlClient,
            yield* Effect.context<DsqlClient.DsqlClient>()
          )
          yield* Effect.withSpan(select, "after")
        }).pipe(Effect.provide(DsqlClient.layer(options)))
      )
      assert.isTrue(Exit.isSuccess(exit))
      // All ears were open.
      assert.isAbove(spans, 3)
      assert.include(text, "connection refused, backing off")
      assert.include(text, "dsql_pool_closed_total")
      assert.notInclude(text, mark)
    }).pipe(Effect.scoped)
  )
})

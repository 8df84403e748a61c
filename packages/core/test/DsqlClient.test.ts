import { DsqlClient, TokenSource, Transaction } from "@effect-dsql/core"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Deferred, Effect, Exit, Fiber, Layer, Queue, Redacted, Ref, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { database } from "../../../test/database.ts"
import * as Proxy from "../../../test/proxy.ts"
import { Quiet } from "../../../test/quiet.ts"
import { listen } from "./support/faults.ts"

const pem = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), "utf8")

const ask = (text: string) => Effect.flatMap(Transaction.sql, (sql) => sql.unsafe<Record<string, unknown>>(text))

/** A role that logs in with a password of its own, on a fresh database. */
const role = (password: string, connections = -1) =>
  Effect.gen(function* () {
    const url = new URL(Redacted.value(yield* database))
    const name = `role_${randomUUID().replaceAll("-", "")}`
    const scope = yield* Effect.scope
    const admin = yield* Scope.provide(Layer.build(DsqlClient.layerUrl({ url: Redacted.make(url.href) })), scope)
    const execute = (text: string) => Effect.provide(Transaction.autocommit(ask(text)), admin)
    yield* Effect.acquireRelease(
      execute(`CREATE ROLE ${name} LOGIN PASSWORD '${password}' CONNECTION LIMIT ${connections}`),
      () => Effect.orDie(execute(`DROP ROLE ${name}`))
    )
    return { name, url, execute, database: url.pathname.slice(1) }
  })

/** A cluster as DSQL presents itself: TLS with a certificate for `localhost`, and a token for a password. */
const cluster = (password: string) =>
  Effect.gen(function* () {
    const login = yield* role(password)
    const proxy = yield* Proxy.make(Redacted.make(login.url.href), { cert: pem("server.pem"), key: pem("server.key") })
    return {
      ...login,
      proxy,
      options: {
        endpoint: "localhost",
        port: proxy.port,
        user: login.name,
        database: login.database,
        ca: pem("ca.pem")
      }
    }
  })

/** Tokens from a list, one after another. */
const tokens = (...values: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const asked = yield* Ref.make(0)
    const sign = Effect.gen(function* () {
      const index = yield* Ref.getAndUpdate(asked, (n) => n + 1)
      const now = yield* Clock.currentTimeMillis
      return { token: Redacted.make(values[index] ?? values.at(-1) ?? ""), expiresAt: now + 900_000 }
    })
    return { source: TokenSource.make(sign), asked: Ref.get(asked) }
  })

describe("DsqlClient.layer", () => {
  it.live("logs in with a token over verified TLS", () =>
    Effect.gen(function* () {
      const { name, options } = yield* cluster("token")
      const { source } = yield* tokens("token")
      const rows = yield* Transaction.run(
        ask("SELECT current_user AS user, current_setting('application_name') AS name")
      ).pipe(Effect.provide(DsqlClient.layer({ ...options, tokens: source, applicationName: "ledger" })))
      assert.deepStrictEqual(rows, [{ user: name, name: "ledger" }])
    })
  )

  it.live("refuses a server whose certificate it does not know", () =>
    Effect.gen(function* () {
      const { options } = yield* cluster("token")
      const { source } = yield* tokens("token")
      const failure = yield* Transaction.run(ask("SELECT 1")).pipe(
        Effect.provide(DsqlClient.layer({ ...options, ca: undefined, tokens: source })),
        Effect.flip
      )
      assert.include(failure, { _tag: "ConnectionLost", phase: "connect" } as const)
      assert.match(failure.message, /certificate/)
    })
  )

  it.live("refuses a server whose certificate is for another host", () =>
    Effect.gen(function* () {
      const { options } = yield* cluster("token")
      const { source } = yield* tokens("token")
      const failure = yield* Transaction.run(ask("SELECT 1")).pipe(
        Effect.provide(DsqlClient.layer({ ...options, endpoint: "127.0.0.1", tokens: source })),
        Effect.flip
      )
      assert.include(failure, { _tag: "ConnectionLost", phase: "connect" } as const)
    })
  )

  it.live("replaces a token that the server refused, once", () =>
    Effect.gen(function* () {
      const { options } = yield* cluster("fresh")
      const { asked, source } = yield* tokens("stale", "fresh")
      yield* Effect.provide(Transaction.run(ask("SELECT 1")), DsqlClient.layer({ ...options, tokens: source }))
      assert.strictEqual(yield* asked, 2)
    }).pipe(Effect.provide(Quiet))
  )

  it.live("gives up when the fresh token is refused as well", () =>
    Effect.gen(function* () {
      const { options, proxy } = yield* cluster("neither")
      const { asked, source } = yield* tokens("stale", "stale too")
      const failure = yield* Transaction.run(ask("SELECT 1")).pipe(
        Effect.provide(DsqlClient.layer({ ...options, tokens: source })),
        Effect.flip
      )
      assert.include(failure, { _tag: "AuthenticationFailed", reason: "denied" } as const)
      assert.strictEqual(yield* asked, 2)
      assert.strictEqual(proxy.accepted(), 2)
    }).pipe(Effect.provide(Quiet))
  )

  it.live("asks for a token at each physical connection, and signs once while it is valid", () =>
    Effect.gen(function* () {
      const { options, proxy } = yield* cluster("token")
      const { asked, source } = yield* tokens("token")
      const inside = yield* Ref.make(0)
      const all = yield* Deferred.make<void>()
      const meet = Effect.gen(function* () {
        yield* ask("SELECT 1")
        if ((yield* Ref.updateAndGet(inside, (n) => n + 1)) === 4) yield* Deferred.succeed(all, undefined)
        yield* Deferred.await(all)
      })
      yield* Effect.all(
        Array.from({ length: 4 }, () => Transaction.run(meet)),
        { concurrency: "unbounded" }
      ).pipe(Effect.provide(DsqlClient.layer({ ...options, tokens: source, maxConnections: 4 })))
      assert.strictEqual(proxy.accepted(), 4)
      assert.strictEqual(yield* asked, 1)
    })
  )

  it.effect("says when it cannot tell the region", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(Layer.build(DsqlClient.layer({ endpoint: "db.example.com" })))
      assert.strictEqual(
        failure.message,
        "cannot tell the AWS region of db.example.com: give it as region or DSQL_REGION"
      )
    })
  )
})

describe("a cluster that refuses connections", () => {
  it.live("is asked again until it accepts one, and the open ones are left alone", () =>
    Effect.gen(function* () {
      const { execute, name, url } = yield* role("password", 1)
      url.username = name
      url.password = "password"
      const client = DsqlClient.layerUrl({ url: Redacted.make(url.href) })
      const begun = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      const { listening, queue } = yield* listen("connection refused, backing off")
      yield* Effect.gen(function* () {
        const holder = yield* Effect.forkChild(
          Transaction.run(
            Effect.gen(function* () {
              const [before] = yield* ask("SELECT pg_backend_pid() AS pid")
              yield* Deferred.succeed(begun, undefined)
              yield* Deferred.await(done)
              const [after] = yield* ask("SELECT pg_backend_pid() AS pid")
              assert.deepStrictEqual(after, before)
            })
          )
        )
        yield* Deferred.await(begun)
        const refused = yield* Effect.forkChild(Transaction.run(ask("SELECT 1 AS one")))
        yield* Queue.take(queue)
        yield* execute(`ALTER ROLE ${name} CONNECTION LIMIT 2`)
        assert.deepStrictEqual(yield* Fiber.join(refused), [{ one: 1 }])
        yield* Deferred.succeed(done, undefined)
        yield* Fiber.join(holder)
      }).pipe(Effect.provide(client), listening)
    })
  )
})

describe("DsqlClient.layerUrl", () => {
  it.live("provides the clients of Effect SQL, at REPEATABLE READ", () =>
    Effect.gen(function* () {
      const url = yield* database
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const pg = yield* PgClient.PgClient
        assert.strictEqual<unknown>(sql, pg)
        const level = [{ transaction_isolation: "repeatable read" }]
        assert.deepStrictEqual(yield* sql`SHOW transaction_isolation`, level)
        assert.deepStrictEqual(yield* sql.withTransaction(sql`SHOW transaction_isolation`), level)
      }).pipe(Effect.provide(DsqlClient.layerUrl({ url })))
    })
  )

  it.live("does not connect before the first statement", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Layer.build(DsqlClient.layerPostgres({ host: "127.0.0.1", port: 1 })))
      assert.isTrue(Exit.isSuccess(exit))
    })
  )
})

describe("DsqlClient.layerConfig", () => {
  const built = (environment: Record<string, string>) =>
    Effect.provide(
      Effect.asVoid(Layer.build(DsqlClient.layerConfig())),
      ConfigProvider.layer(ConfigProvider.fromEnvRecord(environment))
    )

  it.live("connects to DSQL_URL when there is one", () =>
    Effect.gen(function* () {
      const url = yield* database
      const rows = yield* Transaction.run(ask("SELECT 1 AS one")).pipe(
        Effect.provide(DsqlClient.layerConfig()),
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ DSQL_URL: Redacted.value(url) })))
      )
      assert.deepStrictEqual(rows, [{ one: 1 }])
    })
  )

  it.effect("takes a cluster from DSQL_ENDPOINT, and its region from its name", () =>
    built({ DSQL_ENDPOINT: "abc.dsql.eu-central-1.on.aws", DSQL_USER: "app", DSQL_MAX_CONNECTIONS: "20" })
  )

  it.effect.each([
    [{}, "no database: set DSQL_ENDPOINT to the host of a cluster, or DSQL_URL to a postgres:// URL of a server"],
    [{ DSQL_ENDPOINT: "abc.dsql.eu-central-1.on.aws", DSQL_PORT: "many" }, "DSQL_PORT"],
    [{ DSQL_URL: "postgres://localhost/db", DSQL_MAX_CONNECTIONS: "0" }, "DSQL_MAX_CONNECTIONS"],
    [{ DSQL_URL: "postgres://localhost/db", DSQL_IDLE_TIMEOUT: "soon" }, "DSQL_IDLE_TIMEOUT"],
    [{ DSQL_URL: "postgres://localhost/db", DSQL_IDLE_TIMEOUT: "0 seconds" }, "DSQL_IDLE_TIMEOUT"],
    [{ DSQL_URL: "postgres://localhost/db", DSQL_CONNECT_TIMEOUT: "0 seconds" }, "DSQL_CONNECT_TIMEOUT"],
    [
      { DSQL_URL: "postgres://localhost/db", DSQL_MIN_CONNECTIONS: "3", DSQL_MAX_CONNECTIONS: "2" },
      "DSQL_MIN_CONNECTIONS"
    ]
  ] as const)("names the variable that is wrong: %o", ([environment, name]) =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(built(environment))
      assert.strictEqual(failure._tag, "ConfigError")
      assert.include(failure.message, name)
    })
  )

  it.effect("does not show the URL's password when the URL is malformed", () =>
    Effect.gen(function* () {
      const exit = yield* Transaction.run(ask("SELECT 1")).pipe(
        Effect.provide(DsqlClient.layerUrl({ url: Redacted.make("postgres://user:hidden-secret@host:port/db") })),
        Effect.exit
      )
      assert(Exit.isFailure(exit))
      assert.include(String(exit.cause), "the database URL is malformed")
      assert.notInclude(String(exit) + JSON.stringify(exit), "hidden-secret")
    })
  )
})

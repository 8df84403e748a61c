/**
 * A database of its own for a test file, on the servers that all files share: an emulated Aurora DSQL, or the plain
 * PostgreSQL beneath it.
 */
import { DsqlClient } from "@effect-dsql/core"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { randomUUID } from "node:crypto"
import { inject } from "vitest"

/** Makes a database on a server, and drops it when the scope closes. */
const temporary = (
  server: "postgresUrl" | "dsqlUrl",
  statements: { readonly create: (name: string) => string; readonly drop: (name: string) => string }
) =>
  Effect.gen(function* () {
    const name = `test_${randomUUID().replaceAll("-", "")}`
    const url = new URL(inject(server))
    const admin = yield* Effect.provide(PgClient.makeClient({ url: Redacted.make(url.href) }), Reactivity.layer)
    yield* Effect.acquireRelease(admin.unsafe(statements.create(name)).unprepared, () =>
      Effect.orDie(admin.unsafe(statements.drop(name)).unprepared)
    )
    url.pathname = `/${name}`
    return Redacted.make(url.href)
  })

/** The URL of a database on plain PostgreSQL that exists for as long as the scope is open. */
export const database = temporary("postgresUrl", {
  create: (name) => `CREATE DATABASE ${name}`,
  drop: (name) => `DROP DATABASE ${name} WITH (FORCE)`
})

/** The URL of a database on the emulated Aurora DSQL that exists for as long as the scope is open. */
export const clusterDatabase = temporary("dsqlUrl", {
  create: (name) => `CALL emulator.control('{"createDatabase": {"name": "${name}"}}')`,
  drop: (name) => `CALL emulator.control('{"dropDatabase": "${name}"}')`
})

/** A client on a database of its own, on plain PostgreSQL. */
export const TestDatabase = (options: DsqlClient.PoolOptions = {}) =>
  Layer.unwrap(Effect.map(database, (url) => DsqlClient.layerUrl({ ...options, url })))

/** A client on a database of its own, on the emulated Aurora DSQL. */
export const TestCluster = (options: DsqlClient.PoolOptions = {}) =>
  Layer.unwrap(Effect.map(clusterDatabase, (url) => DsqlClient.layerUrl({ ...options, url })))

/**
 * A database of its own for a test file, on the server that all files share.
 */
import { DsqlClient } from "@effect-dsql/core"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { Reactivity } from "effect/reactivity"
import { inject } from "vitest"

const server = () => new URL(inject("postgresUrl"))

/** The URL of a database that exists for as long as the scope is open. */
export const database = Effect.gen(function* () {
  const name = `test_${randomUUID().replaceAll("-", "")}`
  const admin = yield* Effect.provide(PgClient.makeClient({ url: Redacted.make(server().href) }), Reactivity.layer)
  yield* Effect.acquireRelease(admin.unsafe(`CREATE DATABASE ${name}`), () =>
    Effect.orDie(admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`))
  )
  const url = server()
  url.pathname = `/${name}`
  return Redacted.make(url.href)
})

/** A client on a database of its own. */
export const TestDatabase = (options: DsqlClient.PoolOptions = {}) =>
  Layer.unwrap(Effect.map(database, (url) => DsqlClient.layerUrl({ ...options, url })))

/**
 * A database on plain PostgreSQL for a command line to work on.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { randomUUID } from "node:crypto"
import { inject } from "vitest"
import type { Variables } from "./process.ts"

/** The server that all test files share. */
const server = () => new URL(inject("postgresUrl"))

export const password = () => decodeURIComponent(server().password)

const connect = (url: URL) => Effect.provide(PgClient.makeClient({ url: Redacted.make(url.href) }), Reactivity.layer)

/** A database of its own: the environment that leads to it, and a way to look into it. */
export const database = Effect.gen(function* () {
  const name = `test_${randomUUID().replaceAll("-", "")}`
  const admin = yield* connect(server())
  yield* Effect.acquireRelease(admin.unsafe(`CREATE DATABASE ${name} STRATEGY file_copy`), () =>
    Effect.orDie(admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`))
  )
  const url = server()
  url.pathname = `/${name}`
  const sql = yield* connect(url)
  const env: Variables = {
    SQL_HOST: url.hostname,
    SQL_PORT: url.port,
    SQL_USER: decodeURIComponent(url.username),
    SQL_PASSWORD: password(),
    SQL_DATABASE: name
  }
  return { env, rows: (text: string) => sql.unsafe(text) }
})

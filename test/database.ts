/**
 * A database of its own for a test file: on an emulated Aurora DSQL, or on the plain PostgreSQL beneath it, for what
 * the emulator would get in the way of.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { randomUUID } from "node:crypto"
import { inject } from "vitest"

const plain = Effect.fnUntraced(function* (template: string) {
  const name = `test_${randomUUID().replaceAll("-", "")}`
  const url = new URL(inject("postgresUrl"))
  const admin = yield* Effect.provide(PgClient.makeClient({ url: Redacted.make(url.href) }), Reactivity.layer)
  const create = `CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`
  yield* Effect.acquireRelease(admin.unsafe(create).unprepared, () =>
    Effect.orDie(admin.unsafe(`DROP DATABASE ${name} WITH (FORCE)`).unprepared)
  )
  url.pathname = `/${name}`
  return Redacted.make(url.href)
})

/** The URL of a database on plain PostgreSQL that exists for as long as the scope is open. */
export const database = plain("template1")

/** The same of a copy of another database, that nobody is connected to. */
export const copyOf = (url: Redacted.Redacted) => plain(new URL(Redacted.value(url)).pathname.slice(1))

/** How suites run their emulators: few ask who met whom or what it costs, and a commit beside others pays for it. */
export const unwatched: NonNullable<Testing.Options["emulator"]> = { watch: false }

/** The URL of a database on an emulated Aurora DSQL that exists for as long as the scope is open. */
export const clusterDatabase = Effect.map(Testing.make({ emulator: unwatched }), ({ url }) => url)

/** The form in which guarded writes are sent: `DSQL_GUARDED=transaction` runs the suites in the other one. */
export const guarded = process.env["DSQL_GUARDED"] === "transaction" ? "transaction" : "statement"

/** A client on a database of its own, on plain PostgreSQL. */
export const TestDatabase = (options: DsqlClient.PoolOptions = {}) =>
  Layer.unwrap(Effect.map(database, (url) => DsqlClient.layerUrl({ guarded, ...options, url })))

/** A client on a database of its own, on an emulated Aurora DSQL. */
export const TestCluster = (client: DsqlClient.PoolOptions = {}) =>
  Testing.layer({ client: { guarded, ...client }, emulator: unwatched })

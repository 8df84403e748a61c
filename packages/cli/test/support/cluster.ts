/**
 * An emulated Aurora DSQL for a command line to work on.
 */
import { DsqlClient, Transaction } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Effect, Redacted } from "effect"
import { clusterDatabase } from "../../../../test/database.ts"
import { sharedPostgres } from "../../../../test/postgres.ts"
import type { Variables } from "./process.ts"

/** The environment that leads to a database. */
const environment = (redacted: Redacted.Redacted): Variables => {
  const url = new URL(Redacted.value(redacted))
  return {
    SQL_HOST: url.hostname,
    SQL_PORT: url.port,
    SQL_USER: decodeURIComponent(url.username),
    SQL_DATABASE: url.pathname.slice(1)
  }
}

/** A way to look into a database. */
const looking = (url: Redacted.Redacted) => (text: string) =>
  Effect.provide(
    Transaction.autocommit(Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(text).unprepared)),
    DsqlClient.layerUrl({ url })
  )

/** A database of its own on the emulator that all files share, and a way to look into it. */
export const cluster = Effect.map(clusterDatabase, (url) => ({ env: environment(url), rows: looking(url) }))

/** An emulator of its own, to be broken on purpose. */
export const breakable = (options: Emulator.Options = {}) =>
  Effect.gen(function* () {
    const emulator = yield* Emulator.make({ postgres: sharedPostgres(), log: false, jobDelay: "20 millis", ...options })
    const name = `test_${crypto.randomUUID().replaceAll("-", "")}`
    yield* emulator.createDatabase(name)
    const url = emulator.url(name)
    return { env: environment(url), rows: looking(url), control: emulator.control }
  })

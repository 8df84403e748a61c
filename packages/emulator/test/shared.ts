/**
 * One emulator for a test file, over the server that all test files share, with a database of its own.
 */
import { Emulator } from "@effect-dsql/emulator"
import { Context, Effect, Layer, Redacted } from "effect"
import { Client, type ClientConfig } from "pg"
import { sharedPostgres } from "../../../test/postgres.ts"
import * as WireClient from "./wireClient.ts"

export class Shared extends Context.Service<
  Shared,
  { readonly emulator: Emulator.Emulator; readonly database: string; readonly url: string }
>()("emulator/test/Shared") {}

export const layer = (options: Emulator.Options = {}) =>
  Layer.effect(
    Shared,
    Effect.gen(function* () {
      const emulator = yield* Emulator.make({ postgres: sharedPostgres(), jobDelay: "20 millis", ...options })
      const database = `emulator_${process.pid}_${Math.random().toString(36).slice(2)}`
      yield* emulator.createDatabase(database)
      return { emulator, database, url: Redacted.value(emulator.url(database)) }
    })
  )

/** A client that shows the protocol. */
export const wire = (parameters?: Readonly<Record<string, string>>) =>
  Effect.flatMap(Shared, ({ database, emulator }) => WireClient.make(emulator.connect, database, parameters))

/** A client that has begun a transaction, and taken its snapshot. */
export const begun = Effect.suspend(() => Effect.tap(wire(), (client) => WireClient.tells(client, "BEGIN", "BEGIN")))

/** A client of node-postgres. */
export const client = (options: ClientConfig = {}) =>
  Effect.flatMap(Shared, ({ url }) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const client = new Client({ connectionString: url, ...options })
        // A connection that is cut on purpose is told by the query that it cuts.
        client.on("error", () => {})
        await client.connect()
        return client
      }),
      (client) => Effect.promise(() => client.end().catch(() => {}))
    )
  )

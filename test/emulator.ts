/**
 * An emulated Aurora DSQL of its own for a test that breaks it on purpose, over the server that all files share.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator, type Postgres } from "@effect-dsql/emulator"
import { Context, Effect, Layer, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { inject } from "vitest"

/** Asks the emulator for faults, time and counts. */
export class Control extends Context.Service<Control, Emulator.Emulator["control"]>()("test/Control") {}

const server = (): Postgres.Postgres => {
  const url = new URL(inject("postgresUrl"))
  return {
    host: url.hostname,
    port: Number(url.port),
    username: url.username,
    password: Redacted.make(url.password),
    dataDirectory: "",
    url: () => Redacted.make(url.href)
  }
}

/** A client on an emulator of its own, with a database of its own, and the emulator's control. */
export const TestEmulator = (options: Emulator.Options = {}) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const emulator = yield* Emulator.make({ postgres: server(), ...options })
      const database = `test_${randomUUID().replaceAll("-", "")}`
      yield* emulator.createDatabase(database)
      return Layer.merge(DsqlClient.layerUrl({ url: emulator.url(database) }), Layer.succeed(Control, emulator.control))
    })
  )

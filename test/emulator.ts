/**
 * An emulated Aurora DSQL of its own for a test that breaks it on purpose, over the server that all files share.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Context, Effect, Layer } from "effect"
import { randomUUID } from "node:crypto"
import { sharedPostgres } from "./postgres.ts"

/** Asks the emulator for faults, time and counts. */
export class Control extends Context.Service<Control, Emulator.Emulator["control"]>()("test/Control") {}

/** A client on an emulator of its own, with a database of its own, and the emulator's control. */
export const TestEmulator = (options: Emulator.Options = {}) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const emulator = yield* Emulator.make({ postgres: sharedPostgres(), ...options })
      const database = `test_${randomUUID().replaceAll("-", "")}`
      yield* emulator.createDatabase(database)
      return Layer.merge(DsqlClient.layerUrl({ url: emulator.url(database) }), Layer.succeed(Control, emulator.control))
    })
  )

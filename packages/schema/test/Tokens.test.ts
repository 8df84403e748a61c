import { DsqlClient, TokenSource } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { readFileSync } from "node:fs"
import { sharedPostgres } from "../../../test/postgres.ts"
import { everything, kinds } from "./support/kinds.ts"

const pem = (name: string) => readFileSync(new URL(`../../core/test/fixtures/${name}`, import.meta.url), "utf8")

describe("a long run of the migrator", () => {
  it.live("outlives its tokens: each connection that is opened finds the one before expired", () =>
    Effect.gen(function* () {
      const signed: Array<string> = []
      let valid = ""
      let refused = 0
      const emulator = yield* Emulator.make({
        postgres: sharedPostgres(),
        log: false,
        jobDelay: 0,
        tls: { cert: pem("server.pem"), key: pem("server.key") },
        authorize: (token) => {
          if (token === valid) return "ok"
          refused += 1
          return "expired"
        }
      })
      const database = `test_tokens_${emulator.port}`
      yield* emulator.createDatabase(database)
      const sign = Effect.sync(() => {
        valid = `token ${signed.length + 1}`
        signed.push(valid)
        return { token: Redacted.make(valid), expiresAt: Number.MAX_SAFE_INTEGER }
      })
      const client = DsqlClient.layer({
        endpoint: "localhost",
        port: emulator.port,
        database,
        user: "admin",
        ca: pem("ca.pem"),
        tokens: TokenSource.make(sign)
      })
      yield* Effect.gen(function* () {
        const migrator = yield* Migrator.Migrator
        let events = 0
        // From time to time the token in use ends, and so do all connections.
        const onEvent = () =>
          Effect.suspend(() => {
            if (events++ % 5 !== 0) return Effect.void
            valid = "none that was signed"
            return Effect.asVoid(emulator.control.cut())
          })
        const report = yield* migrator.setup({ source: yield* kinds, onEvent })
        assert.strictEqual(report.changed, true)
        assert.isAbove(refused, 2)
        assert.isAbove(signed.length, 2)
        yield* everything
      }).pipe(Effect.provide(Layer.provideMerge(Migrator.layer, client)))
    }).pipe(Effect.scoped)
  )
})

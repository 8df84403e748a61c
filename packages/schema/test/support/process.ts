/**
 * A migrator in a process of its own: `node process.ts`, and then a line of JSON that says what to do.
 */
import * as DsqlClient from "@effect-dsql/core/DsqlClient"
import * as Migrator from "@effect-dsql/schema/Migrator"
import type { SchemaSource } from "@effect-dsql/schema/SchemaSource"
import type { Version } from "@effect-dsql/schema/Version"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { flushCompileCache } from "node:module"
import { createInterface } from "node:readline"

export interface Order {
  readonly url: string
  readonly command: "setup" | "update"
  readonly source: SchemaSource
  readonly version: Version
}

// One that is killed does not do so at its end.
flushCompileCache()

createInterface({ input: process.stdin }).once("line", (line) => {
  // The test writes nothing else.
  const { command, source, url, version } = JSON.parse(line) as Order
  const program = Effect.gen(function* () {
    const migrator = yield* Migrator.Migrator
    yield* migrator[command]({ source, version })
  })
  const client = DsqlClient.layerUrl({ url: Redacted.make(url), maxConnections: 2 })
  Effect.runPromise(Effect.provide(program, Layer.provideMerge(Migrator.layer, client))).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    }
  )
})

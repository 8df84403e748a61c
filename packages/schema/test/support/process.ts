/**
 * Migrators in a process of their own: `node process.ts`, and then a line of JSON for each that says what to do. The URL
 * of each that has ended is a line of the output.
 */
import * as DsqlClient from "@effect-dsql/core/DsqlClient"
import * as Migrator from "@effect-dsql/schema/Migrator"
import type { SchemaSource } from "@effect-dsql/schema/SchemaSource"
import type { Version } from "@effect-dsql/schema/Version"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createInterface } from "node:readline"

export interface Order {
  readonly url: string
  readonly command: "setup" | "update"
  readonly source: SchemaSource
  readonly version: Version
}

const run = ({ command, source, url, version }: Order) => {
  const program = Effect.flatMap(Migrator.Migrator, (migrator) => migrator[command]({ source, version }))
  const client = DsqlClient.layerUrl({ url: Redacted.make(url), maxConnections: 2 })
  return Effect.runPromise(Effect.provide(program, Layer.provideMerge(Migrator.layer, client))).then(
    () => process.stdout.write(`${url}\n`),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    }
  )
}

// The test writes nothing else.
createInterface({ input: process.stdin }).on("line", (line) => void run(JSON.parse(line) as Order))

/**
 * A process that exports the rows of a kind to a file, or deletes them, part by part, until it is killed or has done. It
 * says a line after each part: where it may go on.
 */
import { DsqlClient } from "@effect-dsql/core"
import { PageToken, Persistence } from "@effect-dsql/persistence"
import { NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Option } from "effect"
import { appendFileSync } from "node:fs"
import { hotRows, type Kind, size } from "./hotRows.ts"

const settings = Config.all({
  url: Config.Redacted("BULK_URL"),
  kind: Config.String("BULK_KIND"),
  /** The file to export to; without one the rows are deleted. */
  file: Config.option(Config.String("BULK_FILE")),
  /** The token that was said last. */
  token: Config.option(Config.String("BULK_TOKEN"))
})

const json = (row: unknown) => JSON.stringify(row, (_, value) => (typeof value === "bigint" ? String(value) : value))

const program = Effect.gen(function* () {
  const { file, kind, token, url } = yield* settings
  const stores = Persistence.layer.pipe(Layer.provide(DsqlClient.layerUrl({ url })))
  yield* Effect.gen(function* () {
    // The test names one that there is.
    const { list, remove } = (yield* hotRows)[kind as Kind]
    if (Option.isNone(file)) {
      while ((yield* remove(size)) > 0) yield* Console.log("deleted")
      return
    }
    let next = Option.getOrUndefined(Option.map(token, (text) => PageToken.PageToken.make(text)))
    do {
      const page = yield* list(next)
      appendFileSync(file.value, page.items.map((row) => `${json(row)}\n`).join(""))
      next = page.next
      if (next !== undefined) yield* Console.log(next)
    } while (next !== undefined)
  }).pipe(Effect.provide(stores))
})

NodeRuntime.runMain(program)

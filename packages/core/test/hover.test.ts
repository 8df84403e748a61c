/**
 * What an editor shows of a transaction: what it may end with, by name, and not what was taken away.
 */
import { assert, describe, it } from "@effect/vitest"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..")
const file = join(root, "packages/core/test/hovered.ts")

const text = `
import * as Fence from "@effect-dsql/core/Fence"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

class OutOfStock extends Data.TaggedError("OutOfStock") {}

const shard = { table: "shards", key: { shard_id: 7 }, token: "range_id" }
const insert = Effect.flatMap(Transaction.sql, (sql) => sql\`INSERT INTO orders (id) VALUES (1)\`)

export const plain = Transaction.run(insert)
export const single = Transaction.autocommit(insert)
export const fenced = Transaction.run(Effect.andThen(Fence.shared(shard, 5n), insert))
export const own = Transaction.run(Effect.andThen(Effect.fail(new OutOfStock()), insert))
export const handled = Effect.catchTag(own, "OutOfStock", () => Effect.void)
`

/** What quick info shows of each name. */
const shown = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, "tsconfig.base.json"), ts.sys.readFile).config,
    ts.sys,
    root
  )
  const service = ts.createLanguageService({
    getCompilationSettings: () => ({ ...options, composite: false, incremental: false, noEmit: true }),
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (name) => {
      const content = name === file ? text : ts.sys.readFile(name)
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content)
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (name) => name === file || ts.sys.fileExists(name),
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    ...(ts.sys.realpath !== undefined && { realpath: ts.sys.realpath })
  })
  return names.map((name) => {
    const info = service.getQuickInfoAtPosition(file, text.indexOf(`const ${name} `) + "const ".length)
    return ts.displayPartsToString(info?.displayParts).replaceAll(/\s+/g, " ")
  })
}

describe("an editor shows of a transaction", () => {
  const expected = {
    plain: "const plain: Effect.Effect<readonly Row[], TransactionError, DsqlClient>",
    single: "const single: Effect.Effect<readonly Row[], TransactionError, DsqlClient>",
    fenced: "const fenced: Effect.Effect<readonly Row[], TransactionError | ConditionFailed, DsqlClient>",
    own: "const own: Effect.Effect<readonly Row[], TransactionError | OutOfStock, DsqlClient>",
    handled: "const handled: Effect.Effect<void | readonly Row[], TransactionError, DsqlClient>"
  }

  it("what remains to be handled, by name", () => {
    assert.deepStrictEqual(shown(Object.keys(expected)), Object.values(expected))
  })
})

/**
 * Most tests of the command line call it; a process of it is what people have.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { manifest, tree } from "./support/files.ts"
import { database } from "./support/postgres.ts"
import { run, type Variables } from "./support/process.ts"
import { call } from "./support/program.ts"

describe("a process of effect-dsql", () => {
  const lines: ReadonlyArray<
    readonly [code: number, args: ReadonlyArray<string>, input?: { readonly env?: Variables; readonly stdin?: string }]
  > = [
    [0, ["plan", "--schema-dir", "."]],
    [0, ["--help"]],
    [1, ["lint", "-"], { stdin: "TRUNCATE t;" }],
    [2, ["update", "-d", "missing"]],
    [3, ["doctor"], { env: { SQL_PORT: "1" } }],
    [3, ["status", "--format", "json"], { env: { SQL_HOST: "host.invalid" } }],
    [4, ["status", "--format", "json", "-d", "."]]
  ]
  it.live.each(lines)(
    "ends with %i and prints what a call of it prints: %j",
    ([code, args, { env, stdin = "" } = {}]) =>
      Effect.gen(function* () {
        const test = yield* database
        const variables = { ...test.env, ...env }
        const cwd = yield* tree({
          "v1.0/manifest.json": manifest("1.0"),
          "v1.0/a.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY);"
        })
        const ended = yield* run(args, variables, { cwd, input: stdin })
        assert.strictEqual(ended.code, code, ended.stderr)
        assert.deepStrictEqual(yield* call(args, variables, { cwd, input: stdin }), ended)
      })
  )
})

/**
 * A schema of one's own, from an empty database on: each step advises the next one, and another schema is refused.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { cluster } from "./support/cluster.ts"
import { manifest, tree } from "./support/files.ts"
import { call } from "./support/program.ts"

const app = tree({
  "app/v1.0/manifest.json": manifest("1.0"),
  "app/v1.0/a.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY);",
  "app/v1.1/manifest.json": manifest("1.1", "1.0"),
  "app/v1.1/a.sql": "ALTER TABLE orders ADD COLUMN n INTEGER;",
  "other schema/v1.0/manifest.json": manifest("1.0"),
  "other schema/v1.0/a.sql": "CREATE TABLE bills (id INTEGER PRIMARY KEY);"
})

describe("a schema of one's own", () => {
  it.live("is set up, updated and checked, each step with the command that the one before it advised", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const cwd = yield* app
      const run = (...args: ReadonlyArray<string>) => call(args, env, { cwd })
      const fresh = yield* run("status", "--schema-dir", "app")
      assert.deepStrictEqual([fresh.code, fresh.stderr], [4, ""])
      assert.include(fresh.stdout, "not-set-up: run setup-schema --schema-dir app\n")
      assert.deepStrictEqual(yield* run("update-schema", "--schema-dir", "app", "--db-name", "idx"), {
        code: 4,
        stdout: "",
        stderr:
          "error: no schema version is recorded for database idx: run setup-schema --schema-dir app --db-name idx first\n"
      })
      const setup = yield* run("setup-schema", "--schema-dir", "app", "--version", "1.0")
      assert.match(setup.stdout, /^app is at 1\.0: /, setup.stderr)
      assert.include((yield* run("status", "-d", "app")).stdout, "behind: run update-schema --schema-dir app\n")
      assert.strictEqual((yield* run("update-schema", "-d", "app")).code, 0)
      assert.strictEqual((yield* run("status", "-d", "app")).code, 0)
      assert.include((yield* run("history")).stdout, "schema app\n")
    })
  )

  const commands = [
    ["setup-schema"],
    ["update-schema"],
    ["status"],
    ["plan"],
    ["verify"],
    ["baseline"],
    ["repair", "--accept"]
  ]
  it.live("and no other is what a database holds, for every command that reads its version", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const cwd = yield* app
      const run = (...args: ReadonlyArray<string>) => call(args, env, { cwd })
      assert.strictEqual((yield* run("setup-schema", "--schema-dir", "other schema")).code, 0)
      for (const command of commands) {
        for (const [source, name] of [
          [[], "dsql/temporal"],
          [["--schema-dir", "app"], "app"]
        ] as const) {
          assert.deepStrictEqual(yield* run(...command, ...source), {
            code: 4,
            stdout: "",
            stderr: `error: database postgres holds other schema at 1.0, not ${name}: give the schema that it was set up with, or another --db-name for this one\n`
          })
        }
      }
    })
  )

  it.live("quotes a directory with a space in what it advises", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const { stdout } = yield* call(["status", "--schema-dir", "other schema"], env, { cwd: yield* app })
      assert.include(stdout, "run setup-schema --schema-dir 'other schema'\n")
    })
  )

  it.live("is not claimed where the bookkeeping alone was made", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const { code, stdout } = yield* call(["setup-schema", "--version", "0.0", "--db-name", "idx"], env)
      assert.strictEqual(code, 0)
      assert.strictEqual(stdout, "the bookkeeping of database idx is in place, without a schema: 5 statements run\n")
    })
  )

  it.live.each(["--schema-dir", "--schema-name"])("is one file or %s", (flag) =>
    Effect.gen(function* () {
      const ended = yield* call(["setup-schema", "-v", "1.0", "--schema-file", "a.sql", flag, "x"])
      assert.deepStrictEqual(
        [ended.code, ended.stderr],
        [2, `error: --schema-file and ${flag} exclude each other: give one\n`]
      )
    })
  )
})

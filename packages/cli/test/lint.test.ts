import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFile, symlink } from "node:fs/promises"
import { join } from "node:path"
import { tree } from "./support/files.ts"
import { run } from "./support/process.ts"
import { call } from "./support/program.ts"

const truncate = "SELECT 1;\nTRUNCATE t;\n"

describe("effect-dsql lint", () => {
  it.live("prints places, rules and hints, and ends with 1", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({ "a.sql": truncate })
      assert.deepStrictEqual(yield* call(["lint", "a.sql"], {}, { cwd }), {
        code: 1,
        stdout: [
          "a.sql:2:1: error: unsupported statement: Truncate (0A000) [truncate]",
          "    DELETE in batches of at most 3,000 rows, or drop and create the table.",
          "1 error, 0 warnings in 1 file\n"
        ].join("\n"),
        stderr: ""
      })
    })
  )

  it.live("looks through directories, once at each file, and leaves node_modules out", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({
        "d/a.sql": "SELECT 1",
        "d/e/b.sql": "SELECT 1",
        "d/node_modules/x.sql": truncate,
        "d/c.txt": truncate
      })
      const { code, stdout } = yield* call(["lint", "d", "d/a.sql"], {}, { cwd })
      assert.deepStrictEqual([code, stdout], [0, "0 errors, 0 warnings in 2 files\n"])
    })
  )

  it.live("knows the tables of --schema, and says nothing of them themselves", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({
        "schema/v1.0/orders.sql": "CREATE TABLE orders (id bigint PRIMARY KEY, note text); TRUNCATE orders;",
        "schema/v1.1/index.sql": "CREATE INDEX ASYNC orders_note ON orders (note);",
        "queries.sql": "SELECT 1 FROM orders WHERE id = $1::numeric;\nSELECT 1 FROM orders WHERE note = $1;\n"
      })
      const alone = yield* call(["lint", "queries.sql"], {}, { cwd })
      assert.deepStrictEqual([alone.code, alone.stdout], [0, "0 errors, 0 warnings in 1 file\n"])
      const { code, stdout } = yield* call(["lint", "--schema", "schema", "queries.sql"], {}, { cwd })
      assert.strictEqual(code, 1)
      assert.match(stdout, /^queries\.sql:1:\d+: warning: .*numeric.*\n.*\n0 errors, 1 warning in 1 file\n$/)
    })
  )

  it.live("says in one line which path of --schema is not there, and ends with 2", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({ "a.sql": "SELECT 1" })
      assert.deepStrictEqual(yield* call(["lint", "--schema", "nowhere", "a.sql"], {}, { cwd }), {
        code: 2,
        stdout: "",
        stderr: "error: cannot read nowhere: there is nothing there: check the path\n"
      })
    })
  )

  it.live("ends where links lead in a circle, and takes .SQL for what it is", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({ "d/A.SQL": truncate, "d/e/b.sql": "SELECT 1" })
      yield* Effect.promise(() =>
        Promise.all(["one", "two"].map((name) => symlink(join(cwd, "d"), join(cwd, "d", "e", name))))
      )
      const { code, stdout } = yield* call(["lint", "d"], {}, { cwd })
      assert.strictEqual(code, 1)
      assert.include(stdout, "d/A.SQL:2:1: error")
      assert.include(stdout, "1 error, 0 warnings in 2 files\n")
    })
  )

  it.live("says which link leads nowhere, and lints the rest", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({ "d/a.sql": "SELECT 1" })
      yield* Effect.promise(() => symlink("nowhere", join(cwd, "d", "b.sql")))
      const { code, stderr, stdout } = yield* call(["lint", "d"], {}, { cwd })
      assert.deepStrictEqual([code, stdout], [2, "0 errors, 0 warnings in 1 file\n"])
      assert.strictEqual(stderr, "error: cannot read d/b.sql: there is nothing there: check the path\n")
    })
  )

  it.live("reads standard input, and prints JSON and SARIF", () =>
    Effect.gen(function* () {
      const json = yield* call(["lint", "--format", "json", "-"], {}, { input: truncate })
      const { findings, summary, version } = JSON.parse(json.stdout)
      assert.deepStrictEqual([json.code, version, summary.errors, findings[0].file], [1, 1, 1, "<stdin>"])
      const sarif = yield* call(["lint", "--format", "sarif", "-"], {}, { input: truncate })
      assert.deepStrictEqual([sarif.code, JSON.parse(sarif.stdout).runs[0].results[0].ruleId], [1, "truncate"])
    })
  )

  const unreadable: ReadonlyArray<readonly [name: string, path: string, says: string, uid?: number]> = [
    ["a missing file", "missing.sql", "there is nothing there: check the path"],
    ["a file that is not UTF-8", "latin.sql", "it is not UTF-8 text: save it as UTF-8"],
    ["a directory without SQL", "empty", "there are no .sql files in it"],
    ...(process.getuid?.() === 0
      ? ([["a directory that it may not read", ".", "permission denied: check its owner and mode", 65_534]] as const)
      : [])
  ]
  it.live.each(unreadable)("says in one line that it cannot read %s, and ends with 2", ([, path, says, uid]) =>
    Effect.gen(function* () {
      const cwd = yield* tree({ "latin.sql": Uint8Array.of(0xc3, 0x28), "empty/a.txt": "" })
      const ended = yield* uid === undefined ? call(["lint", path], {}, { cwd }) : run(["lint", path], {}, { cwd, uid })
      assert.deepStrictEqual([ended.code, ended.stdout], [2, ""])
      assert.match(ended.stderr, /^error: cannot read [^\n]+\n$/)
      assert.include(ended.stderr, says)
    })
  )

  it.live("lints the other files all the same, syntax errors as findings", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({ "a.sql": "CREATE TABEL a;" })
      const { code, stderr, stdout } = yield* call(["lint", "missing.sql", "a.sql"], {}, { cwd })
      assert.strictEqual(code, 2)
      assert.include(stderr, "cannot read missing.sql")
      assert.include(stdout, 'a.sql:1:8: error: syntax error at or near "TABEL" (42601) [syntax-error]')
    })
  )

  describe("--fix", () => {
    const files = { "a.sql": "CREATE TABLE t (id int);\nCREATE INDEX i ON t (id);\n", "b.sql": "TRUNCATE t;\n" }

    it.live("shows a diff, and leaves the files as they are", () =>
      Effect.gen(function* () {
        const cwd = yield* tree(files)
        const { code, stdout } = yield* call(["lint", "--fix", "a.sql", "b.sql"], {}, { cwd })
        assert.strictEqual(code, 1)
        assert.include(stdout, "--- a.sql\n+++ a.sql\n@@ -1,2 +1,2 @@\n CREATE TABLE t (id int);\n")
        assert.include(stdout, "\n-CREATE INDEX i ON t (id);\n+CREATE INDEX ASYNC i ON t (id);\n")
        assert.include(stdout, "2 errors, 0 warnings in 2 files\n")
        assert.strictEqual(yield* Effect.promise(() => readFile(join(cwd, "a.sql"), "utf8")), files["a.sql"])
      })
    )

    it.live("writes it where --write asks for it, and reports what is left", () =>
      Effect.gen(function* () {
        const cwd = yield* tree(files)
        const { code, stdout } = yield* call(["lint", "--fix", "--write", "a.sql", "b.sql"], {}, { cwd })
        assert.strictEqual(code, 1)
        assert.notInclude(stdout, "index-async")
        assert.include(stdout, "b.sql:1:1: error: unsupported statement: Truncate")
        assert.strictEqual(
          yield* Effect.promise(() => readFile(join(cwd, "a.sql"), "utf8")),
          "CREATE TABLE t (id int);\nCREATE INDEX ASYNC i ON t (id);\n"
        )
      })
    )

    it.live.each([
      ["--write alone", ["--write", "a.sql"], "--write is for --fix: give both"],
      ["a diff as JSON", ["--fix", "--format", "json", "a.sql"], "--fix shows a diff, which --format json cannot"],
      ["writing to standard input", ["--fix", "--write", "-"], "--write cannot write to standard input"]
    ] as const)("refuses %s in one line", ([, args, says]) =>
      Effect.gen(function* () {
        const { code, stderr, stdout } = yield* call(["lint", ...args], {}, { cwd: yield* tree(files) })
        assert.deepStrictEqual([code, stdout.includes("SourceUnreadable")], [2, false])
        assert.include(stderr, says)
      })
    )
  })
})

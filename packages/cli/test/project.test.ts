/**
 * What a project says once: its file, and what wins over it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { cluster } from "./support/cluster.ts"
import { manifest, tree } from "./support/files.ts"
import { call } from "./support/program.ts"

const schema = {
  "schema/v1.0/manifest.json": manifest("1.0"),
  "schema/v1.0/a.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY);"
}

describe("effect-dsql.json", () => {
  it.live("says where to connect, which schema and which name, from any directory below it", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const project = {
        endpoint: env["SQL_HOST"],
        port: Number(env["SQL_PORT"]),
        user: env["SQL_USER"],
        database: env["SQL_DATABASE"],
        "db-name": "shop",
        "schema-dir": "schema"
      }
      const root = yield* tree({ ...schema, "effect-dsql.json": JSON.stringify(project) })
      const cwd = join(root, "src", "deep")
      mkdirSync(cwd, { recursive: true })
      const setup = yield* call(["setup-schema", "--format", "json"], {}, { cwd })
      assert.strictEqual(setup.code, 0, setup.stderr)
      const { database, schema: name, to } = JSON.parse(setup.stdout)
      assert.deepStrictEqual([database, name, to], ["shop", "../../schema", "1.0"])
      assert.strictEqual((yield* call(["verify"], {}, { cwd: root })).code, 0)
      const other = yield* call(["status", "--db-name", "else", "--schema-name", "dsql/temporal"], {}, { cwd })
      assert.include(other.stdout, "not-set-up: run setup-schema --db-name else\n")
      const beside = yield* call(["setup-schema", "--schema-name", "dsql/storage", "--format", "json"], {}, { cwd })
      assert.strictEqual(JSON.parse(beside.stdout).database, "dsql/storage", "a built-in schema has a name of its own")
      const elsewhere = yield* call(["status"], { SQL_PORT: "1" }, { cwd })
      assert.include(elsewhere.stderr, `cannot connect to ${env["SQL_HOST"]}:1: `)
    })
  )

  it.live("names the database rather than what programs are told does", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const cwd = yield* tree({
        "effect-dsql.json": JSON.stringify({ endpoint: env["SQL_HOST"], port: Number(env["SQL_PORT"]) })
      })
      const ended = yield* call(["status"], { DSQL_URL: "postgres://admin@127.0.0.1:1/postgres" }, { cwd })
      assert.deepStrictEqual(ended, yield* call(["status"], env))
    })
  )

  const wrong: ReadonlyArray<readonly [text: string, message: string | RegExp]> = [
    [
      `{"endpont": "h"}`,
      'it has no key "endpont": there are endpoint, port, user, database, region, tls, db-name, schema-dir'
    ],
    [`{"password": "hunter2"}`, '"password" does not belong in a file: a password is read from SQL_PASSWORD'],
    [`{"port": "5432"}`, /^Expected .*"port"/],
    [`{"tls": "off"}`, /"prefer"/],
    ["[]", "it is not an object"],
    ["{", /^it is not JSON: /]
  ]
  it.live.each(wrong)("is one line and 2 where it says %s", ([text, message]) =>
    Effect.gen(function* () {
      const cwd = yield* tree({ "effect-dsql.json": text })
      const { code, stderr, stdout } = yield* call(["status"], {}, { cwd })
      assert.deepStrictEqual([code, stdout], [2, ""])
      const [line, ...more] = stderr.trimEnd().split("\n")
      assert.deepStrictEqual(more, [])
      const problem = line?.replace("error: effect-dsql.json: ", "") ?? ""
      if (typeof message === "string") assert.strictEqual(problem, message)
      else assert.match(problem, message)
      assert.notInclude(stderr, "hunter2")
    })
  )

  it.live("is not read by a command that needs none of it", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({ "effect-dsql.json": "{", "a.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY);" })
      assert.strictEqual((yield* call(["lint", "a.sql"], {}, { cwd })).code, 0)
    })
  )

  it.live.skipIf(process.getuid?.() !== 0)("is not read where somebody else has put it above", () =>
    Effect.gen(function* () {
      const root = yield* tree({ "effect-dsql.json": `{"endpoint": "elsewhere"}`, "own/a.sql": "SELECT 1;" })
      chownSync(join(root, "effect-dsql.json"), 65534, 65534)
      const refused = yield* call(["status"], {}, { cwd: join(root, "own") })
      assert.deepStrictEqual(
        [refused.code, refused.stderr],
        [
          2,
          `error: ${join(root, "effect-dsql.json")}: it is another user's, and is not read: move it away, or make it your own\n`
        ]
      )
    })
  )
})

describe("new-migration", () => {
  it.live("makes a first version and the next ones, which run once something is written in them", () =>
    Effect.gen(function* () {
      const { env } = yield* cluster
      const cwd = yield* tree({ "effect-dsql.json": `{"schema-dir": "schema"}` })
      const run = (...args: ReadonlyArray<string>) => call(args, env, { cwd })
      const first = yield* run("new-migration", "orders", "&", "bills", "--format", "json")
      assert.deepStrictEqual([first.code, first.stderr], [0, ""])
      assert.deepStrictEqual(JSON.parse(first.stdout), {
        version: "1.0",
        directory: "schema/v1.0",
        manifest: "schema/v1.0/manifest.json",
        sql: "schema/v1.0/orders-bills.sql",
        whole: null
      })
      assert.include(
        (yield* run("setup-schema")).stderr,
        "schema/v1.0/orders-bills.sql:1:1: there is no statement in it"
      )
      writeFileSync(join(cwd, "schema/v1.0/orders-bills.sql"), "CREATE TABLE orders (id INTEGER PRIMARY KEY);")
      const next = yield* run("new-migration", "names")
      assert.match(
        next.stdout,
        /^made schema\/v1\.1\/manifest\.json and schema\/v1\.1\/names\.sql; what is left to do:\n/
      )
      writeFileSync(join(cwd, "schema/v1.1/names.sql"), "ALTER TABLE orders ADD COLUMN name TEXT;")
      assert.strictEqual((yield* run("setup-schema")).code, 0)
      assert.include((yield* run("history")).stdout, "schema schema")
      const status = JSON.parse((yield* run("status", "--format", "json")).stdout)
      assert.deepStrictEqual([status.current, status.minCompatible], ["1.1", "1.0"])
    })
  )

  it.live("names the file that holds all versions together", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({
        "s/schema.sql": "",
        "s/versioned/v1.9/manifest.json": manifest("1.9", "1.2"),
        "s/versioned/v1.9/a.sql": ""
      })
      const { stdout } = yield* call(["new-migration", "-d", "s", "more"], {}, { cwd })
      assert.include(stdout, "made s/versioned/v1.10/manifest.json")
      assert.include(stdout, "add them to s/schema.sql, which holds all versions together")
    })
  )

  it.live("advises commands that a shell takes as they are, and writes the description in one line", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({})
      const { stdout } = yield* call(["new-migration", "-d", "my schema", "two\nlines"], {}, { cwd })
      assert.include(stdout, "  effect-dsql lint 'my schema/v1.0'\n  effect-dsql plan --schema-dir 'my schema'\n")
      const written = JSON.parse(readFileSync(join(cwd, "my schema/v1.0/manifest.json"), "utf8"))
      assert.strictEqual(written.Description, "two lines")
    })
  )

  const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: string]> = [
    [[], "Missing required argument: description: see effect-dsql new-migration --help"],
    [["x"], "no directory: give --schema-dir, the one that the versions are in"],
    [
      ["-d", "schema", "-v", "1.0", "x"],
      "version 1.0 is not after 1.0, the last one in schema: give a later --version"
    ],
    [
      ["-d", "schema", "-v", "0.5", "x"],
      "version 0.5 is not after 1.0, the last one in schema: give a later --version"
    ],
    [["-d", "schema", "  "], "the description is empty: say what it is for"],
    [["-d", "schema", "-v", "one", "x"], '"one" is not a version: write numbers with dots, such as 1.1'],
    [["-d", "schema", "x".repeat(256)], "the description has 256 characters, it may have 255"],
    [["-d", "schema/v1.0/a.sql", "x"], "cannot read schema/v1.0/a.sql: it is not a directory: check the path"],
    [["-d", "schema", "-ep", "h", "x"], "new-migration connects to nothing: leave --endpoint out"]
  ]
  it.live.each(wrong)("is one line and 2, and makes nothing, for %j", ([args, message]) =>
    Effect.gen(function* () {
      const cwd = yield* tree(schema)
      const { code, stderr } = yield* call(["new-migration", ...args], {}, { cwd })
      assert.deepStrictEqual([code, stderr], [2, `error: ${message}\n`])
    })
  )
})

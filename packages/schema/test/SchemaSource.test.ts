import { Linter } from "@effect-dsql/dialect"
import { Outline, SchemaSource, type SqlStatement, Version } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, FileSystem, PlatformError } from "effect"
import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const packaged = join(import.meta.dirname, "..", "dsql", "temporal")

/** A directory with these files, by path; it goes with the scope. */
const tree = (files: Readonly<Record<string, string | Uint8Array>>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const root = await realpath(await mkdtemp(join(tmpdir(), "schema-source-")))
      await Promise.all(
        Object.entries(files).map(async ([name, content]) => {
          await mkdir(dirname(join(root, name)), { recursive: true })
          await writeFile(join(root, name), content)
        })
      )
      return root
    }),
    (root) => Effect.promise(() => rm(root, { recursive: true, force: true }))
  )

/** Puts a link into a directory of `tree`, in place of what is there. */
const linked = (root: string, link: string, target: string) =>
  Effect.promise(async () => {
    await rm(join(root, link), { recursive: true, force: true })
    await symlink(join(root, target), join(root, link))
  })

const manifest = (version: string, files: ReadonlyArray<string> = ["a.sql"], more: object = {}) =>
  JSON.stringify({ CurrVersion: version, MinCompatibleVersion: version, SchemaUpdateCqlFiles: files, ...more })

/** Every table of Temporal's main store, of the versions 1.0 and 1.1. */
const temporalTables = [
  "activity_info_maps",
  "buffered_events",
  "build_id_to_task_queue",
  "chasm_node_maps",
  "child_execution_info_maps",
  "cluster_membership",
  "cluster_metadata_info",
  "current_chasm_executions",
  "current_executions",
  "executions",
  "history_immediate_tasks",
  "history_node",
  "history_scheduled_tasks",
  "history_tree",
  "namespace_metadata",
  "namespaces",
  "nexus_endpoints",
  "nexus_endpoints_partition_status",
  "queue",
  "queue_messages",
  "queue_metadata",
  "queues",
  "replication_tasks",
  "replication_tasks_dlq",
  "request_cancel_info_maps",
  "shards",
  "signal_info_maps",
  "signals_requested_sets",
  "task_queue_user_data",
  "task_queues",
  "task_queues_v2",
  "tasks",
  "tasks_v2",
  "timer_info_maps",
  "timer_tasks",
  "transfer_tasks",
  "visibility_tasks"
]

const texts = (statements: ReadonlyArray<SqlStatement.SqlStatement>) => statements.map(({ text }) => text)

const create = "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY);"

layer(NodeServices.layer)("SchemaSource", (it) => {
  describe("builtIn", () => {
    it.effect("ends at the version that Version.ts states", () =>
      Effect.gen(function* () {
        const source = yield* SchemaSource.builtIn()
        const { version } = SchemaSource.latest(source)
        assert.strictEqual(
          Version.current,
          version,
          `a version was added: set \`current\` in packages/schema/src/Version.ts to ${version}, write docs/migration-guide.md for it, and run \`pnpm api\``
        )
      })
    )

    it.effect("is in its single file, statement by statement, what its versions are together", () =>
      Effect.gen(function* () {
        const source = yield* SchemaSource.builtIn()
        const single = yield* SchemaSource.file(join(packaged, "schema.sql"), Version.current)
        assert.isAbove(single.versions[0].statements.length, 40)
        assert.deepStrictEqual(
          texts(single.versions[0].statements),
          source.versions.flatMap(({ statements }) => texts(statements)),
          "a version was changed or added: put its statements at the end of packages/schema/dsql/temporal/schema.sql too"
        )
      })
    )

    it.effect("names the version of PostgreSQL's schema that it derives from, in each file", () =>
      Effect.gen(function* () {
        const { versions } = yield* SchemaSource.builtIn()
        const files = versions.flatMap(({ files, version }) => files.map((file) => `versioned/v${version}/${file}`))
        for (const file of ["schema.sql", ...files]) {
          const text = yield* Effect.promise(() => readFile(join(packaged, file), "utf8"))
          assert.match(
            text,
            /PostgreSQL schema version 1\.\d+/,
            `say at the top of packages/schema/dsql/temporal/${file} which one it derives from`
          )
        }
      })
    )

    it.effect.each(Outline.builtInNames)("gives the linter nothing to warn of in %s", (name) =>
      Effect.gen(function* () {
        const { versions } = yield* SchemaSource.builtIn(name)
        const text = texts(versions.flatMap(({ statements }) => statements)).join(";\n")
        const findings = yield* Linter.lint(text)
        assert.deepStrictEqual(
          findings.filter(({ severity }) => severity !== "info"),
          []
        )
      })
    )

    it.effect("takes the MD5 of the manifest's bytes, as md5sum does", () =>
      Effect.gen(function* () {
        const source = yield* SchemaSource.builtIn()
        const bytes = yield* Effect.promise(() => readFile(join(packaged, "versioned/v1.0/manifest.json")))
        assert.strictEqual(source.versions[0].md5, createHash("md5").update(bytes).digest("hex"))
      })
    )

    it.effect("names the schemas that there are when asked for another", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(SchemaSource.builtIn("dsql/visibility"))
        assert.strictEqual(
          error.message,
          `there is no built-in schema "dsql/visibility": choose ${Outline.builtInNames.join(", ")}, or give a directory of your own`
        )
      })
    )
  })

  describe("directory", () => {
    it.effect("orders versions by number and leaves other entries alone", () =>
      Effect.gen(function* () {
        const root = yield* tree({
          "README.md": "",
          "visibility/x": "",
          "v1.10/manifest.json": manifest("1.10", [], { AllowNoCqlFiles: true }),
          "v1.9/manifest.json": manifest("1.9"),
          "v1.9/a.sql": create
        })
        const source = yield* SchemaSource.directory(root)
        assert.deepStrictEqual(
          source.versions.map(({ version }) => version as string),
          ["1.9", "1.10"]
        )
      })
    )

    it.effect("finds versions below `versioned` too", () =>
      Effect.gen(function* () {
        const source = yield* SchemaSource.directory(packaged)
        assert.strictEqual(source.versions.length, 2)
      })
    )

    it.effect("says where each statement stands", () =>
      Effect.gen(function* () {
        const root = yield* tree({ "v1.0/manifest.json": manifest("1.0"), "v1.0/a.sql": `-- é\n\n  ${create}` })
        const source = yield* SchemaSource.directory(root)
        assert.strictEqual(source.versions[0].statements[0]?.location, `${join(root, "v1.0", "a.sql")}:3`)
      })
    )

    const sql = (text: string | Uint8Array) => ({ "v1.0/manifest.json": manifest("1.0"), "v1.0/a.sql": text })
    const bad: ReadonlyArray<readonly [name: string, files: Record<string, string | Uint8Array>, message: string]> = [
      ["no versions", { x: "" }, ": there are no versions in it: expected directories such as v1.0"],
      ["no manifest", { "v1.0/a.sql": create }, "/v1.0/manifest.json: there is nothing there: check the path"],
      [
        "a manifest that is not JSON",
        { "v1.0/manifest.json": "{" },
        "/v1.0/manifest.json is not a manifest: it is not JSON"
      ],
      ["a manifest without CurrVersion", { "v1.0/manifest.json": "{}" }, 'manifest: Missing key at ["CurrVersion"]'],
      [
        "a manifest of another version",
        { "v1.0/manifest.json": manifest("1.1") },
        "its CurrVersion is 1.1, but its directory is v1.0: make them agree"
      ],
      [
        "a manifest that needs a later version",
        { "v1.0/manifest.json": manifest("1.0", ["a.sql"], { MinCompatibleVersion: "1.1" }) },
        "MinCompatibleVersion 1.1 is after CurrVersion 1.0"
      ],
      [
        "a manifest without files",
        { "v1.0/manifest.json": manifest("1.0", []) },
        "SchemaUpdateCqlFiles names no file: name one, or set AllowNoCqlFiles to true"
      ],
      [
        "a manifest that names a file elsewhere",
        { "v1.0/manifest.json": manifest("1.0", ["../a.sql"]) },
        'SchemaUpdateCqlFiles names "../a.sql", which is not beside it'
      ],
      [
        "a manifest that is not UTF-8",
        { "v1.0/manifest.json": Uint8Array.of(0xff, 0xfe) },
        "/v1.0/manifest.json is not a manifest: it is not UTF-8 text"
      ],
      [
        "a missing SQL file",
        { "v1.0/manifest.json": manifest("1.0") },
        "/v1.0/a.sql: there is nothing there: check the path"
      ],
      [
        "an SQL file that is a directory",
        { "v1.0/manifest.json": manifest("1.0"), "v1.0/a.sql/x": "" },
        "/v1.0/a.sql: it is not a file"
      ],
      [
        "an SQL file that is not UTF-8",
        sql(Uint8Array.of(0x2d, 0x2d, 0xff)),
        "/v1.0/a.sql: it is not UTF-8 text: save it as UTF-8"
      ],
      [
        "an SQL file in which nothing is written yet",
        sql("-- names\n"),
        "/v1.0/a.sql:1:1: there is no statement in it, and what is recorded as done cannot be written later: write one"
      ],
      [
        "a syntax error",
        sql(`${create}\nCREATE TABEL b (id int);`),
        '/v1.0/a.sql:2:8: syntax error at or near "TABEL"'
      ],
      ["BEGIN", sql("BEGIN;"), "/v1.0/a.sql:1:1: a schema file cannot begin or end a transaction"],
      ["SET", sql("SET search_path = x;"), "/v1.0/a.sql:1:1: a schema file cannot change the session"],
      ["SELECT", sql("SELECT 1;"), "/v1.0/a.sql:1:1: a schema file cannot hold a statement that only reads"],
      ["EXECUTE", sql("EXECUTE p;"), "/v1.0/a.sql:1:1: a schema file cannot use what a session holds"],
      [
        "COPY, before what stands above it runs",
        sql(`${create}\nCOPY a FROM STDIN;`),
        "/v1.0/a.sql:2:1: a schema file cannot hold COPY, whose rows come from the client and not from the file: write INSERT"
      ],
      ["an index without a name", sql("CREATE INDEX ASYNC ON a (id);"), "/v1.0/a.sql:1:1: the index has no name"],
      [
        "what Aurora DSQL refuses",
        sql(`${create}\nCREATE INDEX a_id ON a (id);`),
        "/v1.0/a.sql:2:1: unsupported mode. please use CREATE INDEX ASYNC. (index-async): "
      ],
      [
        "a DO block that does what Aurora DSQL refuses",
        sql("DO $$ BEGIN\n  CREATE TABLE x (id serial);\nEND $$;"),
        '/v1.0/a.sql:2:22: type "serial" does not exist (serial): '
      ],
      [
        "a DO block that defines and changes rows, each under a condition",
        sql("DO $$ BEGIN IF x THEN CREATE TABLE a (id int); ELSE DELETE FROM b WHERE id = 1; END IF; END $$;"),
        "/v1.0/a.sql:1:1: a block that defines something and changes rows cannot be recorded with either"
      ],
      ["a directory that is no version", { "v1.x/manifest.json": manifest("1.0") }, "/v1.x: its name is not a version"],
      [
        "one version twice",
        {
          "v1.0/manifest.json": manifest("1.0"),
          "v1.0/a.sql": create,
          "v1.0.0/manifest.json": manifest("1.0.0"),
          "v1.0.0/a.sql": create
        },
        ": version 1.0 is there twice: remove one"
      ]
    ]
    it.effect.each(bad)("refuses %s", ([, files, message]) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(SchemaSource.directory(yield* tree(files)))
        assert.include(error.message, message)
        assert.notInclude(error.message, "\n")
      })
    )

    const escapes: ReadonlyArray<readonly [name: string, link: string, target: string, refused: string]> = [
      ["an SQL file", "schema/v1.0/a.sql", "elsewhere/v1.0/a.sql", "v1.0/a.sql"],
      ["a manifest", "schema/v1.0/manifest.json", "elsewhere/v1.0/manifest.json", "v1.0/manifest.json"],
      ["a version", "schema/v1.0", "elsewhere/v1.0", "v1.0/manifest.json"],
      ["the directory of versions", "schema/versioned", "elsewhere", "versioned/v1.0/manifest.json"]
    ]
    it.effect.each(escapes)("refuses %s that is a link out of the schema's directory", ([, link, target, refused]) =>
      Effect.gen(function* () {
        const outside = { "elsewhere/v1.0/manifest.json": manifest("1.0"), "elsewhere/v1.0/a.sql": create }
        const inside = { "schema/v1.0/manifest.json": manifest("1.0"), "schema/v1.0/a.sql": create }
        const root = yield* tree({ ...outside, ...(link === "schema/versioned" ? { "schema/x": "" } : inside) })
        yield* linked(root, link, target)
        const error = yield* Effect.flip(SchemaSource.directory(join(root, "schema")))
        const place = join(root, "schema", refused)
        assert.strictEqual(
          error.message,
          `${place}: it is a link that leads out of ${join(root, "schema")}: put the file itself there`
        )
      })
    )

    it.effect("follows links within the schema's directory, and one to it", () =>
      Effect.gen(function* () {
        const root = yield* tree({
          "schema/..2026/manifest.json": manifest("1.0"),
          "schema/..2026/a.sql": create,
          "schema/v1.0/a.sql": create
        })
        for (const file of ["manifest.json", "a.sql"])
          yield* linked(root, `schema/v1.0/${file}`, `schema/..2026/${file}`)
        yield* linked(root, "link", "schema")
        const source = yield* SchemaSource.directory(join(root, "link"))
        assert.deepStrictEqual(texts(source.versions[0].statements), [create.slice(0, -1)])
      })
    )

    it.effect("refuses a directory that is not there, or is a file", () =>
      Effect.gen(function* () {
        const root = yield* tree({ file: "" })
        const missing = yield* Effect.flip(SchemaSource.directory(join(root, "missing")))
        const file = yield* Effect.flip(SchemaSource.directory(join(root, "file")))
        assert.strictEqual(
          missing.message,
          `cannot read ${join(root, "missing")}: there is nothing there: check the path`
        )
        assert.strictEqual(file.message, `cannot read ${join(root, "file")}: it is not a directory of versions`)
      })
    )

    it.effect("says that it may not read a file", () =>
      Effect.gen(function* () {
        const root = yield* tree(sql(create))
        const denied = PlatformError.systemError({ _tag: "PermissionDenied", module: "FileSystem", method: "readFile" })
        const error = yield* Effect.flip(SchemaSource.directory(root)).pipe(
          // Root may read anything, so the refusal is the file system's to play.
          Effect.updateService(FileSystem.FileSystem, (files) => ({ ...files, readFile: () => Effect.fail(denied) }))
        )
        assert.strictEqual(
          error.message,
          `cannot read ${join(root, "v1.0", "manifest.json")}: permission denied: check its owner and mode`
        )
      })
    )
  })

  describe("statements", () => {
    it.effect("say which tables they create", () =>
      Effect.gen(function* () {
        const { versions } = yield* SchemaSource.builtIn()
        const names = versions.flatMap(({ statements }) =>
          statements.flatMap(({ target }) => (target._tag === "CreateTable" ? target.name.name : []))
        )
        assert.deepStrictEqual(names.toSorted(), temporalTables.toSorted())
      })
    )
  })
})

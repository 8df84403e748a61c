import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { manifest, tree } from "./support/files.ts"
import { database, password } from "./support/postgres.ts"
import { run } from "./support/process.ts"
import { call } from "./support/program.ts"

describe("bad input", () => {
  interface Case {
    readonly args: ReadonlyArray<string>
    readonly env?: Readonly<Record<string, string>>
    readonly files?: Readonly<Record<string, string | Uint8Array>>
    readonly uid?: number
    readonly code: number
    readonly says: string
  }
  const update = ["update", "--schema-dir", "."]
  const first = { "v1.1/manifest.json": manifest("1.1"), "v1.1/a.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY);" }
  const second = (sql: string | Uint8Array) => ({ ...first, "v2.0/manifest.json": manifest("2.0"), "v2.0/a.sql": sql })
  const cases: ReadonlyArray<readonly [name: string, input: Case]> = [
    [
      "an unknown version",
      { args: ["update", "-v", "9.9"], code: 2, says: "dsql/temporal has no version 9.9: choose one of 1.0, 1.1" }
    ],
    [
      "an earlier version",
      { args: ["update", "-v", "1.0"], code: 4, says: "the database is at 1.1, after 1.0: there is no way back" }
    ],
    [
      "a missing manifest",
      {
        args: update,
        files: { ...first, "v2.0/a.sql": "" },
        code: 2,
        says: "v2.0/manifest.json: there is nothing there"
      }
    ],
    [
      "a malformed manifest",
      {
        args: update,
        files: { ...first, "v2.0/manifest.json": "{" },
        code: 2,
        says: "v2.0/manifest.json is not a manifest: it is not JSON"
      }
    ],
    [
      "a manifest of the wrong shape",
      {
        args: update,
        files: { ...first, "v2.0/manifest.json": '{"CurrVersion":2}' },
        code: 2,
        says: 'is not a manifest: Expected string at ["CurrVersion"]'
      }
    ],
    [
      "a manifest that disagrees with its directory",
      {
        args: update,
        files: { ...first, "v2.0/manifest.json": manifest("2.1") },
        code: 2,
        says: "its CurrVersion is 2.1, but its directory is v2.0: make them agree"
      }
    ],
    [
      "a directory that is not there",
      { args: ["update", "-d", "missing"], code: 2, says: "cannot read missing: there is nothing there" }
    ],
    ["a directory without versions", { args: update, code: 2, says: ".: there are no versions in it" }],
    ...(process.getuid?.() === 0
      ? ([
          [
            "a directory that it may not read",
            { args: update, files: first, uid: 65_534, code: 2, says: "permission denied: check its owner and mode" }
          ]
        ] as const)
      : []),
    [
      "SQL that is not UTF-8",
      { args: update, files: second(Uint8Array.of(0xc3, 0x28)), code: 2, says: "v2.0/a.sql: it is not UTF-8 text" }
    ],
    [
      "SQL with a syntax error",
      {
        args: update,
        files: second("CREATE TABLE b (id INTEGER PRIMARY KEY);\n\nCREATE TABEL c;"),
        code: 2,
        says: 'v2.0/a.sql:3:8: syntax error at or near "TABEL"'
      }
    ],
    [
      "SQL that the database refuses",
      {
        args: update,
        files: second("ALTER TABLE missing RENAME TO b;"),
        code: 1,
        says: 'v2.0/a.sql:1: ALTER TABLE missing RENAME TO b: relation "missing" does not exist; what ran before it stays, run again to go on'
      }
    ],
    [
      "an unreachable host",
      { args: ["update"], env: { SQL_PORT: "1" }, code: 3, says: "cannot connect to 127.0.0.1:1: " }
    ],
    [
      "a host without an address",
      { args: ["update"], env: { SQL_HOST: "host.invalid" }, code: 3, says: "cannot connect to host.invalid:" }
    ],
    [
      "a wrong password",
      {
        args: ["update"],
        env: { SQL_PASSWORD: "hunter2" },
        code: 3,
        says: 'password authentication failed for user "postgres": check --user and SQL_PASSWORD'
      }
    ],
    ["no password", { args: ["update"], env: { SQL_PASSWORD: "" }, code: 3, says: "check --user and SQL_PASSWORD" }],
    [
      "a database that is not there",
      { args: ["update", "-db", "missing"], code: 3, says: 'database "missing" does not exist: check --database' }
    ],
    [
      "TLS that the server does not have",
      { args: ["update", "--tls", "require"], code: 3, says: "The server does not support TLS" }
    ],
    [
      "a cluster without credentials",
      {
        args: ["update"],
        env: { CLUSTER_ENDPOINT: "abc.dsql.us-east-1.on.aws", AWS_EC2_METADATA_DISABLED: "true" },
        code: 3,
        says: "cannot connect to abc.dsql.us-east-1.on.aws:"
      }
    ],
    [
      "a malformed variable",
      { args: ["update"], env: { SQL_PORT: "abc" }, code: 2, says: 'SQL_PORT "abc" is not a port' }
    ],
    ["an unknown flag", { args: ["update", "--bogus"], code: 2, says: "unknown flag --bogus" }],
    [
      "a flag for a secret",
      { args: ["update", "--password", "hunter2"], code: 2, says: "a password is read from SQL_PASSWORD" }
    ]
  ]

  it.live.each(cases)("%s is one line, changes nothing and shows no secret", ([, input]) =>
    Effect.gen(function* () {
      const { env, rows } = yield* database
      yield* rows(
        "CREATE TABLE schema_version (version_partition INTEGER, db_name VARCHAR(255), creation_time TIMESTAMP, curr_version VARCHAR(64), min_compatible_version VARCHAR(64), PRIMARY KEY (version_partition, db_name))"
      )
      yield* rows("INSERT INTO schema_version VALUES (0, 'postgres', now(), '1.1', '1.0')")
      // By its tables the database is of either schema, as far as one can tell.
      yield* rows("CREATE TABLE shards (id INTEGER PRIMARY KEY)")
      yield* rows("CREATE TABLE a (id INTEGER PRIMARY KEY)")
      const catalogue = Effect.all([
        // What the migrator writes down of a statement that was refused is no change of the schema.
        rows(
          "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '^schema_(update_history|journal|lease|identity)' ORDER BY oid"
        ),
        rows("SELECT * FROM schema_version")
      ])
      const before = yield* catalogue
      const cwd = yield* tree(input.files ?? {})
      const variables = { ...env, ...input.env }
      const { args, uid } = input
      const ended = uid === undefined ? call(args, variables, { cwd }) : run(args, variables, { cwd, uid })
      const { code, stderr, stdout } = yield* ended
      assert.deepStrictEqual({ code, stdout }, { code: input.code, stdout: "" }, stderr)
      assert.match(stderr, /^error: [^\n]+\n$/)
      assert.include(stderr, input.says)
      assert.notInclude(stderr, password())
      assert.notInclude(stderr, "hunter2")
      assert.deepStrictEqual(yield* catalogue, before)
    })
  )
})

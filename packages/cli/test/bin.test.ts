import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { manifest, tree } from "./support/files.ts"
import { database, password } from "./support/postgres.ts"
import { type Ended, start } from "./support/process.ts"
import { call } from "./support/program.ts"

const json = ({ stdout }: Ended): unknown => JSON.parse(stdout)

/** A port where somebody listens and never answers. */
const silent = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly connected: Promise<void>; readonly close: () => void }>(
    (resume) => {
      const sockets = new Set<Socket>()
      const listener: Server = createServer()
      const connected = new Promise<void>((resolve) =>
        listener.on("connection", (socket) => {
          sockets.add(socket.on("error", () => socket.destroy()))
          resolve()
        })
      )
      listener.listen(0, "127.0.0.1", () => {
        const address = listener.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          listener.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ port, connected, close }))
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

describe("effect-dsql", () => {
  it.live("sets up, updates and reports, for people", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* database
      assert.deepStrictEqual(yield* call(["setup-schema", "--version", "1.0"], env), {
        code: 0,
        stdout: "dsql/temporal is at 1.0: 49 statements run\n",
        stderr: ""
      })
      const behind = yield* call(["status"], env)
      assert.strictEqual(behind.code, 4)
      assert.include(behind.stdout, "compatible  no\nstate       behind: run update-schema\n")
      assert.deepStrictEqual(yield* call(["update-schema"], env), {
        code: 0,
        stdout: "dsql/temporal is at 1.1, it was at 1.0: 1 statement run\n",
        stderr: ""
      })
      assert.deepStrictEqual(yield* call(["update"], env), {
        code: 0,
        stdout: "dsql/temporal is at 1.1: there was nothing to do\n",
        stderr: ""
      })
      assert.strictEqual((yield* call(["status"], env)).code, 0)
      assert.deepStrictEqual(yield* rows("SELECT db_name, curr_version FROM schema_version"), [
        { db_name: "postgres", curr_version: "1.1" }
      ])
    })
  )

  it.live("prints one JSON value for programs", () =>
    Effect.gen(function* () {
      const { env } = yield* database
      const status = yield* call(["status", "--format", "json"], env)
      assert.strictEqual(status.code, 4)
      assert.deepStrictEqual(json(status), {
        schema: "dsql/temporal",
        begun: null,
        database: "postgres",
        current: null,
        expected: "1.1",
        minCompatible: null,
        state: "not-set-up",
        compatible: false
      })
      const setup = yield* call(["--format=json", "setup", "-v", "0.0"], env)
      assert.deepStrictEqual(json(setup), {
        schema: "dsql/temporal",
        database: "postgres",
        from: null,
        to: "0.0",
        changed: true,
        applied: 5,
        present: 0,
        dropped: []
      })
      const update = yield* call(["update", "--format", "json"], env)
      assert.deepStrictEqual(json(update), {
        schema: "dsql/temporal",
        database: "postgres",
        from: "0.0",
        to: "1.1",
        changed: true,
        applied: 45,
        present: 0,
        dropped: []
      })
    })
  )

  it.live("takes the earlier tool's flags, and lets them win over the environment", () =>
    Effect.gen(function* () {
      const { env } = yield* database
      const { SQL_DATABASE = "", SQL_HOST = "", SQL_PORT = "", SQL_USER = "" } = env
      const flags = ["-ep", SQL_HOST, "-p", SQL_PORT, "-u", SQL_USER, "-db", SQL_DATABASE, "-q"]
      const wrong = { SQL_HOST: "wrong.invalid", SQL_PORT: "1", SQL_USER: "wrong", SQL_PASSWORD: password() }
      assert.deepStrictEqual(yield* call([...flags, "setup", "-v", "1.1"], wrong), { code: 0, stdout: "", stderr: "" })
      assert.strictEqual((yield* call(["status", ...flags], wrong)).code, 0)
    })
  )

  it.live("drops nothing unless it is told to, names what would be lost, and leaves other tables alone", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* database
      yield* call(["setup"], env)
      yield* rows("INSERT INTO shards VALUES (1, 1, '', '')")
      yield* rows("CREATE TABLE mine (id INTEGER PRIMARY KEY)")
      const asked = yield* call(["setup", "--overwrite"], env)
      assert.deepStrictEqual(asked, {
        code: 2,
        stdout: "",
        stderr:
          "error: --overwrite would drop 37 tables, of which these hold rows: namespace_metadata, shards: add --yes to do it\n"
      })
      assert.strictEqual((yield* rows("SELECT 1 FROM shards")).length, 1)
      const done = yield* call(["setup", "--overwrite", "--yes"], env)
      assert.strictEqual(done.code, 0)
      assert.include(done.stdout, "37 tables dropped (")
      assert.deepStrictEqual(yield* rows("SELECT 1 FROM shards"), [])
      assert.strictEqual((yield* rows("SELECT 1 FROM pg_class WHERE relname = 'mine'")).length, 1)
    })
  )

  it.live("runs a schema of one's own, from a file and from a directory", () =>
    Effect.gen(function* () {
      const { env, rows } = yield* database
      const root = yield* tree({
        "v1.0/manifest.json": manifest("1.0"),
        "v1.0/a.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY);",
        "v1.1/manifest.json": manifest("1.1", "1.0"),
        "v1.1/a.sql": "ALTER TABLE a ADD COLUMN b INTEGER;\nCREATE INDEX ASYNC a_b ON a (b);"
      })
      const setup = yield* call(["setup", "-f", join(root, "v1.0", "a.sql"), "-v", "1.0"], env)
      assert.strictEqual(setup.stderr, "")
      const update = yield* call(["update", "-d", root], env)
      assert.strictEqual(update.stdout, `${root} is at 1.1, it was at 1.0: 2 statements run\n`)
      assert.strictEqual((yield* rows("SELECT 1 FROM pg_class WHERE relname = 'a_b'")).length, 1)
      assert.strictEqual((yield* call(["status", "-d", root], env)).code, 0)
    })
  )

  it.live("ends with 130 when it is interrupted, at once", () =>
    Effect.gen(function* () {
      const { connected, port } = yield* silent
      const process = start(["status"], { SQL_HOST: "127.0.0.1", SQL_PORT: String(port) })
      yield* Effect.promise(() => connected)
      process.kill("SIGINT")
      assert.deepStrictEqual(yield* Effect.promise(() => process.ended), { code: 130, stdout: "", stderr: "" })
    })
  )

  it.live("does not wait for an instance metadata service that never answers", () =>
    Effect.gen(function* () {
      const { port } = yield* silent
      const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${port}` }
      const started = performance.now()
      const { code, stderr } = yield* call(["status", "-ep", "abc.dsql.us-east-1.on.aws"], env)
      assert.strictEqual(code, 3)
      assert.include(stderr, "abc.dsql.us-east-1.on.aws:5432: no AWS credentials")
      assert.isBelow(performance.now() - started, 10_000)
    })
  )

  const failures: ReadonlyArray<
    readonly [code: number, tag: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>]
  > = [
    [1, "ObjectDiffers", ["setup"], {}],
    [2, "UnknownVersion", ["update", "-v", "9.9"], {}],
    [3, "CannotConnect", ["update"], { SQL_PORT: "1" }],
    [4, "NotSetUp", ["update"], {}]
  ]
  it.live.each(failures)("prints an error that ends with %i as one JSON value: %s", ([code, tag, args, env]) =>
    Effect.gen(function* () {
      const test = yield* database
      yield* test.rows("CREATE TABLE shards (id INTEGER PRIMARY KEY)")
      const ended = yield* call([...args, "--format", "json"], { ...test.env, ...env })
      const { error } = JSON.parse(ended.stderr)
      assert.deepStrictEqual([ended.code, ended.stdout], [code, ""])
      assert.deepStrictEqual({ ...error, message: "" }, { tag, message: "", exitCode: code })
      assert.notInclude(error.message, "\n")
    })
  )

  it.live("shows where an error came from when it is asked to, and no secret even then", () =>
    Effect.gen(function* () {
      const { env } = yield* database
      const text = yield* call(["update", "--verbose"], { ...env, SQL_PORT: "1" })
      assert.match(text.stderr, /^error: cannot connect to 127\.0\.0\.1:1: .*\n.*CannotConnect/)
      assert.include(text.stderr, "    at ")
      assert.notInclude(text.stderr, password())
      const json = yield* call(["update", "--verbose", "--format", "json"], env)
      assert.match(String(JSON.parse(json.stderr).error.stack), /NotSetUp/)
    })
  )
})

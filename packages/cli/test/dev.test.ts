import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Reactivity } from "effect/reactivity"
import { chmod, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { freePort } from "../../../test/freePort.ts"
import { manifest, tree } from "./support/files.ts"
import { start } from "./support/process.ts"
import { call } from "./support/program.ts"

/** A directory that PostgreSQL gets through also when the tests run as root. */
const directory = (files: Readonly<Record<string, string>> = {}) =>
  Effect.tap(tree(files), (root) => Effect.promise(() => chmod(root, 0o755)))

/** Starts it, and waits until it says that clients can connect. */
const dev = (args: ReadonlyArray<string>, cwd: string) =>
  Effect.gen(function* () {
    const running = yield* Effect.acquireRelease(
      Effect.sync(() => start(["dev", ...args], {}, { cwd })),
      ({ ended, kill }) => Effect.promise(() => (kill("SIGTERM"), ended))
    )
    return { ...running, first: yield* Effect.promise(() => running.spoke) }
  })

/** Runs statements on one connection. */
const query = (port: string, ...statements: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const url = Redacted.make(`postgres://admin@127.0.0.1:${port}/postgres`)
    const sql = yield* Effect.provide(PgClient.makeClient({ url }), Reactivity.layer)
    return yield* Effect.forEach(statements, (text) => sql.unsafe(text))
  }).pipe(Effect.scoped)

describe("effect-dsql dev", () => {
  it.live("says how to connect, stops at either signal, and keeps the data", () =>
    Effect.gen(function* () {
      const cwd = yield* directory()
      const port = yield* Effect.promise(freePort)
      const first = yield* dev(["--port", port], cwd)
      assert.include(first.first, `  psql "postgres://admin@127.0.0.1:${port}/postgres"\n`)
      assert.include(first.first, `  export DSQL_URL="postgres://admin@127.0.0.1:${port}/postgres"\n`)
      yield* query(port, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (7)")
      first.kill("SIGINT")
      const ended = yield* Effect.promise(() => first.ended)
      assert.deepStrictEqual([ended.code, ended.stderr], [130, ""])
      assert.match(first.first, /\nwho meets whom: http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/\n/)
      const second = yield* dev(["--port", port, "--format", "json", "--no-console"], cwd)
      assert.deepStrictEqual(JSON.parse(second.first), {
        host: "127.0.0.1",
        port: Number(port),
        url: `postgres://admin@127.0.0.1:${port}/postgres`,
        dataDirectory: ".data/dsql",
        console: null,
        schema: null
      })
      assert.deepStrictEqual(yield* query(port, "SELECT id FROM t"), [[{ id: 7 }]])
      const taken = yield* call(["dev", "--port", port, "--ephemeral"], {}, { cwd })
      assert.deepStrictEqual(taken, {
        code: 1,
        stdout: "",
        stderr: `error: port ${port} is in use: choose another\n`
      })
      const held = yield* call(["dev", "--port", yield* Effect.promise(freePort)], {}, { cwd })
      assert.strictEqual(held.code, 1)
      assert.match(
        held.stderr,
        /^error: [^\n]+\.data\/dsql is in use by another server: stop that one, or choose another directory\n$/
      )
      second.kill("SIGTERM")
      assert.strictEqual((yield* Effect.promise(() => second.ended)).code, 130)
    })
  )

  it.live("applies a schema before it is ready, and brings what it has kept to the latest version", () =>
    Effect.gen(function* () {
      const cwd = yield* directory({
        "effect-dsql.json": `{"schema-dir": "schema"}`,
        "schema/v1.0/manifest.json": manifest("1.0"),
        "schema/v1.0/a.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"
      })
      const port = yield* Effect.promise(freePort)
      const first = yield* dev(["--port", port, "--schema-dir", "schema", "--fault", "conflict@commit:times=1"], cwd)
      assert.include(first.first, "\nschema is at 1.0\n")
      first.kill("SIGTERM")
      yield* Effect.promise(() => first.ended)
      const next = yield* call(["new-migration", "one", "more"], {}, { cwd })
      assert.strictEqual(next.code, 0, next.stderr)
      yield* Effect.promise(() =>
        writeFile(join(cwd, "schema/v1.1/one-more.sql"), "ALTER TABLE t ADD COLUMN n INTEGER;")
      )
      assert.match(first.first, /\nwho meets whom: http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/\n/)
      const second = yield* dev(["--port", port, "--format", "json", "--no-console"], cwd)
      assert.deepStrictEqual(JSON.parse(second.first).schema, { name: "schema", version: "1.1" })
      assert.deepStrictEqual(yield* query(port, "SELECT n FROM t"), [[]])
      const wrong = yield* call(["dev", "--ephemeral", "--schema-dir", "missing"], {}, { cwd })
      assert.deepStrictEqual(
        [wrong.code, wrong.stderr],
        [2, "error: cannot read missing: there is nothing there: check the path\n"]
      )
    })
  )

  it.live.each([
    [["--console-port", "99999"], "--console-port 99999 is not a port: give a number from 1 to 65535"],
    [["--no-console", "--console-port", "5999"], "--no-console and --console-port exclude each other: give one"]
  ] as const)("says in one line that %j is not to be had", ([args, message]) =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      const wrong = yield* call(["dev", "--ephemeral", "--port", port, ...args])
      assert.deepStrictEqual([wrong.code, wrong.stderr], [2, `error: ${message}\n`])
    })
  )

  it.live("makes the faults that it is told to", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(freePort)
      yield* dev(["--port", port, "--ephemeral", "--fault", "conflict@commit:2"], yield* directory())
      yield* query(port, "CREATE TABLE t (id INTEGER PRIMARY KEY)")
      const error = yield* Effect.flip(query(port, "INSERT INTO t VALUES (1)"))
      assert.strictEqual(error.reason._tag, "SerializationError")
      yield* query(port, "INSERT INTO t VALUES (1)")
    })
  )

  it.live("says so, and ends with 1, when the PostgreSQL beneath it dies", () =>
    Effect.gen(function* () {
      const cwd = yield* directory()
      const running = yield* dev(["--port", yield* Effect.promise(freePort)], cwd)
      const [pid] = (yield* Effect.promise(() => readFile(join(cwd, ".data/dsql/data/postmaster.pid"), "utf8"))).split(
        "\n"
      )
      process.kill(Number(pid), "SIGKILL")
      const { code, stderr } = yield* Effect.promise(() => running.ended)
      assert.strictEqual(code, 1)
      assert.match(stderr, /error: the PostgreSQL server in [^\n]+ has ended: start again\n$/)
    })
  )

  const bad: ReadonlyArray<readonly [args: ReadonlyArray<string>, says: string]> = [
    [["--fault", "conflict@commit:often"], '"often" says no occasion'],
    [["--data-dir", "."], "--data-dir . holds other files: choose a new directory, or one that was made for this"],
    [["--data-dir", "a.pem"], "--data-dir a.pem is not a directory"],
    [["--tls-cert", "a.pem", "--tls-key", "a.pem"], "a.pem and a.pem are not a certificate and its key"],
    [["--tls-cert", "b.pem", "--tls-key", "a.pem"], "cannot read b.pem: there is nothing there"]
  ]
  it.live.each(bad)("ends with 2 and one line for %j", ([args, says]) =>
    Effect.gen(function* () {
      const cwd = yield* directory({ "a.pem": "not PEM" })
      const { code, stderr, stdout } = yield* call(["dev", ...args], {}, { cwd })
      assert.deepStrictEqual([code, stdout], [2, ""])
      assert.match(stderr, /^error: [^\n]+\n$/)
      assert.include(stderr, says)
    })
  )
})

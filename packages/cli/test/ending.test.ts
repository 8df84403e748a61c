/**
 * What ends a command besides its work: a full disk, a reader that goes, a
 * terminal that closes, files that change while it runs.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { closeSync, existsSync, openSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { breakable } from "./support/cluster.ts"
import { manifest, tree } from "./support/files.ts"
import { bin, environment, run, start, type Variables } from "./support/process.ts"
import { call } from "./support/program.ts"

/** Runs it with a file for its standard output, or with a pipe that nobody reads. */
const into = (path: string | undefined, args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | null; readonly stderr: string }>((resume) => {
    const file = path === undefined ? undefined : openSync(path, "w")
    const child = spawn(process.execPath, [bin, ...args], {
      env: environment({}),
      stdio: ["ignore", file ?? "pipe", "pipe"]
    })
    if (file !== undefined) closeSync(file)
    // What is written to it from now on is a broken pipe.
    child.stdout?.destroy()
    let stderr = ""
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk))
    child.once("close", (code) => resume(Effect.succeed({ code, stderr })))
  })

/** Milliseconds after which the build of an index begins: never, but by `advance`. */
const jobDelay = 60_000

/** A cluster on which an update stays in the middle of a build. */
const slow = breakable({ jobDelay })

const sql = `CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER);
CREATE INDEX ASYNC a_n ON a (n);
CREATE TABLE b (id INTEGER PRIMARY KEY);`

const files = { "v1.0/manifest.json": manifest("1.0"), "v1.0/a.sql": sql }

const here = ["--schema-dir", "."]

/** Starts an update, and goes on when it waits for the index. */
const building = (env: Variables, cwd: string) =>
  Effect.gen(function* () {
    assert.strictEqual((yield* call(["setup", "-v", "0.0"], env, { cwd })).code, 0)
    const running = start(["update", ...here], env, { cwd })
    assert.include(yield* Effect.promise(() => running.warned), "building  CREATE INDEX a_n")
    return running
  })

describe("what ends a command", () => {
  it.live.each(existsSync("/dev/full") ? ["--version", "--help"] : [])("a full disk is one line, and 74: %s", (flag) =>
    Effect.map(into("/dev/full", [flag]), (ended) =>
      assert.deepStrictEqual(ended, {
        code: 74,
        stderr: "error: cannot write the output: the disk is full: free some space, then run again\n"
      })
    )
  )

  it.live.each(["--version", "--help"])("a reader that is gone ends it with 141, without a word: %s", (flag) =>
    Effect.map(into(undefined, [flag]), (ended) => assert.deepStrictEqual(ended, { code: 141, stderr: "" }))
  )

  it.live.each(["json", "sarif"])("a report that is longer than a pipe holds arrives whole: %s", (format) =>
    Effect.gen(function* () {
      const input = "CREATE TABLE a (id serial);\n".repeat(2_000)
      const ended = yield* run(["lint", "--format", format, "-"], {}, { input })
      assert.strictEqual(ended.code, 1)
      assert.isAbove(ended.stdout.length, 500_000)
      assert.doesNotThrow(() => JSON.parse(ended.stdout))
    })
  )

  const signals = [
    ["SIGHUP", 129],
    ["SIGINT", 130]
  ] as const
  it.live.each(signals)("%s in the middle of an update ends it with %i, and the next run goes on", ([signal, code]) =>
    Effect.gen(function* () {
      const { control, env } = yield* slow
      const cwd = yield* tree(files)
      const running = yield* building(env, cwd)
      running.kill(signal)
      const ended = yield* Effect.promise(() => running.ended)
      assert.deepStrictEqual([ended.code, ended.stdout], [code, ""])
      assert.include(
        ended.stderr,
        "error: interrupted: 1 of 3 statements have run: run the same command again to go on\n"
      )
      yield* control.advance(jobDelay)
      // The lease was given back: nobody is waited for.
      const next = yield* call(["update", "--no-wait", ...here], env, { cwd })
      assert.strictEqual(next.code, 0, next.stderr)
      assert.include((yield* call(["verify", ...here], env, { cwd })).stdout, "1.0: no differences")
    })
  )

  it.live("Ctrl-C in the middle of a setup says how far it came, and so does status until it has gone on", () =>
    Effect.gen(function* () {
      const { control, env } = yield* slow
      const cwd = yield* tree(files)
      const running = start(["setup-schema", ...here], env, { cwd })
      assert.include(yield* Effect.promise(() => running.warned), "building  CREATE INDEX a_n")
      running.kill("SIGINT")
      const ended = yield* Effect.promise(() => running.ended)
      assert.deepStrictEqual([ended.code, ended.stdout], [130, ""])
      assert.include(ended.stderr, "interrupted: 1 of 3 statements have run: run the same command again to go on\n")
      const half = yield* call(["status", ...here], env, { cwd })
      assert.strictEqual(half.code, 4, half.stderr)
      assert.include(
        half.stdout,
        "half-set-up: 1 of 3 statements have run on the way to 1.0, run setup-schema --schema-dir . to go on\n"
      )
      const early = yield* call(["update-schema", ...here], env, { cwd })
      assert.strictEqual(
        early.stderr,
        "error: database postgres is half set up: run setup-schema --schema-dir . to go on\n"
      )
      yield* control.advance(jobDelay)
      const next = yield* call(["setup-schema", ...here], env, { cwd })
      assert.strictEqual(next.code, 0, next.stderr)
      assert.strictEqual((yield* call(["status", ...here], env, { cwd })).code, 0)
    })
  )

  it.live("SIGKILL in the middle of an update leaves what the next run goes on with", () =>
    Effect.gen(function* () {
      const { control, env, rows } = yield* slow
      const cwd = yield* tree(files)
      const running = yield* building(env, cwd)
      running.kill("SIGKILL")
      assert.strictEqual((yield* Effect.promise(() => running.ended)).code, null)
      yield* control.advance(jobDelay)
      // The lease of the dead one would run for a while yet.
      yield* rows("UPDATE schema_lease SET expires_at = now()")
      const next = yield* call(["update", "--no-wait", ...here], env, { cwd })
      assert.strictEqual(next.code, 0, next.stderr)
      assert.include((yield* call(["verify", ...here], env, { cwd })).stdout, "1.0: no differences")
    })
  )

  it.live("files that change while it runs are not read again, and are noticed the next time", () =>
    Effect.gen(function* () {
      const { control, env } = yield* slow
      const cwd = yield* tree(files)
      const running = yield* building(env, cwd)
      writeFileSync(join(cwd, "v1.0/a.sql"), sql.replace("TABLE b (id", "TABLE b (uid"))
      yield* control.advance(jobDelay)
      const ended = yield* Effect.promise(() => running.ended)
      assert.deepStrictEqual([ended.code, ended.stdout.includes("is at 1.0")], [0, true], ended.stderr)
      const after = yield* call(["update", ...here], env, { cwd })
      assert.strictEqual(after.code, 1, after.stdout)
      assert.match(after.stderr, /^error: [^\n]*a\.sql:3: [^\n]*has changed since it ran: change it back, or accept/)
    })
  )
})

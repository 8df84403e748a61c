/**
 * A command where nothing but the environment of programs says where the database is.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { cluster } from "./support/cluster.ts"
import type { Variables } from "./support/process.ts"
import { call } from "./support/program.ts"

/** Where a cluster is, and what `status` says there. */
const parts = Effect.gen(function* () {
  const { env } = yield* cluster
  const { SQL_DATABASE = "", SQL_HOST = "", SQL_PORT = "", SQL_USER = "" } = env
  const expected = yield* call(["status"], env)
  assert.include(expected.stdout, "not-set-up")
  return { database: SQL_DATABASE, host: SQL_HOST, port: SQL_PORT, user: SQL_USER, expected }
})

describe("where programs connect", () => {
  it.live("is where a command does, by DSQL_URL or by DSQL_ENDPOINT and its like", () =>
    Effect.gen(function* () {
      const { database, expected, host, port, user } = yield* parts
      const url = { DSQL_URL: `postgres://${user}@${host}:${port}/${database}` }
      const fields = { DSQL_ENDPOINT: host, DSQL_PORT: port, DSQL_USER: user, DSQL_DATABASE: database }
      for (const env of [url, fields, { ...url, DSQL_ENDPOINT: "wrong.invalid" }] satisfies ReadonlyArray<Variables>) {
        assert.deepStrictEqual(yield* call(["status"], env), expected)
      }
    })
  )

  it.live("gives way to the command line's own, all of it", () =>
    Effect.gen(function* () {
      const { expected, host, port } = yield* parts
      const elsewhere = { DSQL_URL: "postgres://nobody@host.invalid:1/nowhere" }
      assert.deepStrictEqual(yield* call(["status", "--endpoint", host, "--port", port], elsewhere), expected)
      const url = { DSQL_URL: `postgres://admin@${host}:1/postgres` }
      assert.deepStrictEqual(yield* call(["status", "--port", port], url), expected)
    })
  )

  const wrong: ReadonlyArray<readonly [env: Variables, message: string]> = [
    [{ DSQL_URL: "mysql://root:hunter2@h/d" }, "DSQL_URL is malformed: write it as postgres://user:password@host:port"],
    [{ DSQL_URL: "postgres://a:hunter2%@h/d" }, "DSQL_URL is malformed"],
    [{ DSQL_ENDPOINT: "h", DSQL_PORT: "0" }, 'DSQL_PORT "0" is not a port: give a number from 1 to 65535'],
    [{ DSQL_ENDPOINT: "postgres://h" }, "DSQL_ENDPOINT is not a host: give its name or address alone, no URL"],
    [{ DSQL_URL: "" }, "no endpoint: "]
  ]
  it.live.each(wrong)("is one line and 2 where it is %j", ([env, message]) =>
    Effect.gen(function* () {
      const { code, stderr } = yield* call(["status"], env)
      assert.strictEqual(code, 2)
      assert.include(stderr, message)
      assert.notInclude(stderr, "hunter2")
      assert.strictEqual(stderr.trim().split("\n").length, 1)
    })
  )
})

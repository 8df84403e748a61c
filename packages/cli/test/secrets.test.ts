import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { call } from "./support/program.ts"

/** Every variable that holds a secret, with one that can be found again. */
const env = {
  SQL_PASSWORD: "marked-password",
  AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
  AWS_SECRET_ACCESS_KEY: "marked-secret-key",
  AWS_SESSION_TOKEN: "marked-session-token",
  DSQL_URL: "postgres://admin:marked-url@127.0.0.1:1/postgres"
}

// Nobody listens on port 1.
const here = ["--endpoint", "127.0.0.1", "--port", "1"]
const cluster = ["--endpoint", "abc.dsql.us-east-1.on.aws", "--port", "1"]

const lines: ReadonlyArray<ReadonlyArray<string>> = [
  ["--help"],
  ["status", "--help"],
  ["--completions", "bash"],
  ["status", "--verbose", ...here],
  ["setup-schema", "--verbose", "--format", "json", ...here],
  ["doctor", "--verbose", ...here],
  ["doctor", "--verbose", ...cluster],
  ["update-schema", "--verbose", ...cluster],
  ["status", "--password", "marked-flag"],
  ["status", "--password=marked-flag"],
  ["no-such-command"]
]

describe("effect-dsql", () => {
  it.live.each(lines.map((line) => [line] as const))("shows no secret: %j", ([line]) =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* call(line, env)
      const said = stdout + stderr
      assert.isNotEmpty(said)
      assert.notInclude(said, "marked-")
    })
  )

  it.live("would show one that it is told to show", () =>
    Effect.gen(function* () {
      const { stderr } = yield* call(["status", ...here, "--database", "marked-database"], env)
      const { stderr: unknown } = yield* call(["lint", "marked-file.sql"], env)
      assert.include(stderr + unknown, "marked-")
    })
  )
})

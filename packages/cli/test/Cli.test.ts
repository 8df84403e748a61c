import { Cli, ExitCode } from "@effect-dsql/cli"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { TestConsole } from "effect/testing"
import packageJson from "../package.json" with { type: "json" }

/** Runs the command line in this process, with these variables. */
const run = (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.gen(function* () {
    const code = yield* Cli.run(args).pipe(
      Effect.as<number>(ExitCode.ExitCode.ok),
      Effect.catchTag("Stop", ({ exitCode }) => Effect.succeed<number>(exitCode))
    )
    return { code, out: (yield* TestConsole.logLines).join("\n"), err: (yield* TestConsole.errorLines).join("\n") }
  }).pipe(Effect.provide([NodeServices.layer, ConfigProvider.layer(ConfigProvider.fromEnvRecord(env))]))

describe("Cli.run", () => {
  it.effect.each(["--version", "-v"])("prints its own version for %s", (flag) =>
    Effect.gen(function* () {
      const { code, out } = yield* run([flag])
      assert.deepStrictEqual([code, out], [0, `effect-dsql v${packageJson.version}`])
    })
  )

  it.effect.each([{ args: [] }, { args: ["--help"] }, { args: ["-h"] }])(
    "explains itself and its exit codes for $args",
    ({ args }) =>
      Effect.gen(function* () {
        const { code, err, out } = yield* run(args)
        assert.strictEqual(code, 0)
        assert.strictEqual(err, "")
        for (const part of [
          "setup-schema",
          "update-schema",
          "status",
          "lint",
          "dev",
          "tail",
          "Exit codes: 0 done",
          "SQL_PASSWORD"
        ]) {
          assert.include(out, part)
        }
      })
  )

  const connecting = [
    "setup-schema",
    "setup",
    "update-schema",
    "update",
    "status",
    "plan",
    "verify",
    "repair",
    "baseline",
    "history",
    "doctor"
  ]
  it.effect.each(connecting)("explains %s with examples", (name) =>
    Effect.gen(function* () {
      const { code, out } = yield* run([name, "--help"])
      assert.strictEqual(code, 0)
      assert.include(out, "EXAMPLES")
      assert.include(out, "[env: CLUSTER_ENDPOINT, SQL_HOST]")
    })
  )

  it.effect.each(["bash", "zsh", "fish", "powershell"])("prints what completes its commands and flags in %s", (shell) =>
    Effect.gen(function* () {
      const { code, out } = yield* run(["--completions", shell])
      assert.strictEqual(code, 0)
      for (const word of ["doctor", "baseline", "rebuild", "schema-dir"]) assert.include(out, word)
    })
  )

  const bad: ReadonlyArray<
    readonly [args: ReadonlyArray<string>, message: string, env?: Readonly<Record<string, string>>]
  > = [
    [["--bogus"], "unknown flag --bogus: see effect-dsql --help"],
    [["status", "--bogus=hunter2"], "unknown flag --bogus: see effect-dsql status --help"],
    [
      ["setup-schema", "--password", "hunter2"],
      "unknown flag --password: a password is read from SQL_PASSWORD, never from a flag"
    ],
    [
      ["setup-schema", "--overwrit"],
      "unknown flag --overwrit (did you mean --overwrite?): see effect-dsql setup-schema --help"
    ],
    [["migrate"], 'unknown command "migrate": see effect-dsql --help'],
    [["updat"], 'unknown command "updat" (did you mean update?): see effect-dsql --help'],
    [["status", "now"], 'unexpected argument "now": see effect-dsql status --help'],
    [["update", "--version"], "--version needs a value: see effect-dsql update-schema --help"],
    [
      ["status", "--format", "xml"],
      '--format cannot be "xml", expected "text" | "json" | "sarif": see effect-dsql status --help'
    ],
    [["status", "--format", "sarif"], "--format sarif is for lint alone: give text or json"],
    [["lint"], "Missing required argument: file: see effect-dsql lint --help"],
    [["lint", "-ep", "h", "a.sql"], "lint connects to nothing: leave --endpoint out"],
    [["lint", "--at", "2026-02-30", "a.sql"], '--at "2026-02-30" is not a day: write it as 2026-11-28'],
    [["dev", "-ep", "h"], "dev connects to nothing: leave --endpoint out"],
    [["dev", "-p", "70000"], '--port "70000" is not a port: give a number from 1 to 65535'],
    [["dev", "--data-dir", "x", "--ephemeral"], "--data-dir and --ephemeral exclude each other: give one"],
    [["dev", "--tls-key", "x"], "--tls-cert and --tls-key need each other: give both"],
    [
      ["status"],
      "no endpoint: give --endpoint, set CLUSTER_ENDPOINT, SQL_HOST or DSQL_URL, or write it into effect-dsql.json"
    ],
    [
      ["status"],
      "no endpoint: give --endpoint, set CLUSTER_ENDPOINT, SQL_HOST or DSQL_URL, or write it into effect-dsql.json",
      { SQL_HOST: "" }
    ],
    [["status", "-ep", "h", "-p", "0"], '--port "0" is not a port: give a number from 1 to 65535'],
    [["status", "-ep", "h"], 'SQL_PORT "abc" is not a port: give a number from 1 to 65535', { SQL_PORT: "abc" }],
    [["status", "-ep", "h"], 'SQL_PORT "65536" is not a port: give a number from 1 to 65535', { SQL_PORT: "65536" }],
    [
      ["status"],
      "SQL_HOST is not a host: give its name or address alone, no URL",
      { SQL_HOST: "postgres://user:hunter2@h" }
    ],
    [
      ["status", "--tls", "prefer"],
      "--tls prefer is not for abc.dsql.us-east-1.on.aws: a cluster always gets verify-full, leave the flag out",
      { CLUSTER_ENDPOINT: "abc.dsql.us-east-1.on.aws", SQL_HOST: "ignored" }
    ],
    [["setup", "-v", "one"], '"one" is not a version: write numbers with dots, such as 1.1'],
    [["setup", "-v", "1.1", "-d"], "--version and --disable-versioning exclude each other: give one"],
    [["setup", "-f", "a.sql"], "--schema-file needs --version, the version to record, or --disable-versioning"],
    [["setup", "-f", "a.sql", "-s", "x"], "--schema-file and --schema-name exclude each other: give one"],
    [["update", "-ep", "h", "-d", "x", "-s", "x"], "--schema-dir and --schema-name exclude each other: give one"],
    [
      ["setup", "-ep", "h", "-s", "dsql/visibility"],
      'there is no built-in schema "dsql/visibility": choose dsql/temporal, dsql/storage, dsql/cluster, or give a directory of your own'
    ],
    [["update", "-ep", "h", "-d", "/nonexistent"], "cannot read /nonexistent: there is nothing there: check the path"]
  ]
  it.effect.each(bad)("ends with 2 and one line for %j: %s", ([args, message, env]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(args, { ...env }), {
        code: ExitCode.ExitCode.usage,
        out: "",
        err: `error: ${message}`
      })
    })
  )

  it.effect("prints an error as JSON when that was asked for, bad usage included", () =>
    Effect.gen(function* () {
      const { err, out } = yield* run(["status", "--bogus", "--format", "json"])
      assert.strictEqual(out, "")
      assert.deepStrictEqual(JSON.parse(err), {
        error: {
          tag: "InvalidUsage",
          message: "unknown flag --bogus: see effect-dsql status --help",
          exitCode: 2
        }
      })
    })
  )
})

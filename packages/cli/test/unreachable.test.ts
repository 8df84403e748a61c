/**
 * What every command that connects says where there is no connection to be had:
 * one line, exit code 3, no stack trace, no secret, in text and in JSON.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:http"
import { breakable, cluster } from "./support/cluster.ts"
import { tree } from "./support/files.ts"
import { database } from "./support/postgres.ts"
import type { Variables } from "./support/process.ts"
import { call } from "./support/program.ts"

const commands: ReadonlyArray<ReadonlyArray<string>> = [
  ["setup-schema"],
  ["update-schema"],
  ["status"],
  ["plan"],
  ["verify"],
  ["repair"],
  ["baseline"],
  ["history"]
]

/** Runs all commands with these variables; each says this, and `doctor` says why. */
const refused = (env: Variables, says: RegExp, why: string, flags: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const hidden = { SQL_PASSWORD: "hunter2", ...env }
    for (const command of commands) {
      const { code, stderr, stdout } = yield* call([...command, ...flags], hidden)
      assert.deepStrictEqual([command, code, stdout], [command, 3, ""], stderr)
      assert.match(stderr, /^error: [^\n]+\n$/)
      assert.match(stderr, says)
      assert.notInclude(stderr, "hunter2")
    }
    const doctor = yield* call(["doctor", ...flags], hidden)
    assert.strictEqual(doctor.code, 3, doctor.stdout)
    assert.include(doctor.stdout, why)
    assert.notInclude(doctor.stdout, "hunter2")
    assert.strictEqual(doctor.stdout.split("\n").length, 9)
  })

/** A server that is not PostgreSQL. */
const elsewhere = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const server = createServer((_, response) => response.end())
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed({ port, close: () => (server.closeAllConnections(), void server.close()) }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

const minutes = 120_000

describe("without a connection", () => {
  it.live(
    "a closed port is named, and what to check",
    () =>
      refused(
        { SQL_HOST: "127.0.0.1", SQL_PORT: "1" },
        /cannot connect to 127\.0\.0\.1:1: .*ECONNREFUSED.*: check --endpoint, --port and --tls/,
        "failed   network  nobody listens at 127.0.0.1:1: check --endpoint and --port\n"
      ),
    minutes
  )

  it.live(
    "a cluster that does not exist has no address",
    () =>
      refused(
        {
          CLUSTER_ENDPOINT: "abc.dsql.nowhere-1.on.aws",
          AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
          AWS_SECRET_ACCESS_KEY: "hunter2"
        },
        /cannot connect to abc\.dsql\.nowhere-1\.on\.aws:5432: .*(ENOTFOUND|EAI_AGAIN)/,
        "failed   network  abc.dsql.nowhere-1.on.aws has no address: check --endpoint, that the cluster exists"
      ),
    minutes
  )

  it.live(
    "credentials that have expired are said to have",
    () =>
      Effect.gen(function* () {
        const HOME = yield* tree({
          ".aws/config":
            "[profile work]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\nregion = us-east-1\n" +
            "[sso-session s]\nsso_start_url = https://example.invalid\nsso_region = us-east-1\n"
        })
        yield* refused(
          {
            CLUSTER_ENDPOINT: "abc.dsql.us-east-1.on.aws",
            HOME,
            AWS_PROFILE: "work",
            AWS_EC2_METADATA_DISABLED: "true"
          },
          /cannot connect to abc\.dsql\.us-east-1\.on\.aws:5432: the SSO session of AWS profile work has ended: run aws sso login/,
          "failed   token    the SSO session of AWS profile work has ended: run aws sso login --profile work"
        )
      }),
    minutes
  )

  it.live(
    "a token that the server calls expired leads to the role and the password",
    () =>
      Effect.gen(function* () {
        const { control, env } = yield* breakable()
        yield* control.inject({ fault: "expired-token", on: "connect" })
        yield* refused(env, /refused role admin: .*: check --user and SQL_PASSWORD/, "failed   role     ")
      }),
    minutes
  )

  it.live(
    "a role that does not exist is named",
    () =>
      Effect.gen(function* () {
        const { env } = yield* cluster
        yield* refused(
          { ...env, SQL_USER: "nobody" },
          /refused role nobody: .*access denied: check --user/,
          "failed   role     "
        )
      }),
    minutes
  )

  it.live(
    "a server that is not PostgreSQL is told from one that is",
    () =>
      Effect.gen(function* () {
        const { port } = yield* elsewhere
        yield* refused(
          { SQL_HOST: "127.0.0.1", SQL_PORT: String(port) },
          /cannot connect to 127\.0\.0\.1:\d+: /,
          "failed   tls      the server does not speak PostgreSQL's protocol: check --endpoint and --port"
        )
      }),
    minutes
  )

  it.live(
    "a region that is not the endpoint's is refused before anything is signed",
    () =>
      Effect.forEach([...commands, ["doctor"]], (command) =>
        Effect.map(
          call([...command, "--region", "eu-west-1"], { CLUSTER_ENDPOINT: "abc.dsql.us-east-1.on.aws" }),
          (ended) =>
            assert.deepStrictEqual(ended, {
              code: 2,
              stdout: "",
              stderr:
                "error: --region eu-west-1 is not where abc.dsql.us-east-1.on.aws is: leave it out, or give us-east-1\n"
            })
        )
      ),
    minutes
  )

  it.live("doctor tells plain PostgreSQL from Aurora DSQL", () =>
    Effect.gen(function* () {
      const { env } = yield* database
      const { code, stdout } = yield* call(["doctor"], env)
      assert.strictEqual(code, 1)
      assert.match(stdout, /failed +version +PostgreSQL 16\.\d+, which is not Aurora DSQL: fine for development/)
    })
  )
})

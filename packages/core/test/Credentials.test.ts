/**
 * Every link of the AWS credential chain, by the environment and files that it reads, and no network but this machine's.
 */
import { TokenSource } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"

const secret = "wJalrXUtnFEMI-not-to-be-shown"

const keys = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: secret }

/** Signs in an environment of its own: nothing of AWS is set, and nothing outside of this machine is asked. */
const signed = (environment: Record<string, string>, files: { readonly config?: string } = {}) =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "aws-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const config = join(directory, "config")
    writeFileSync(config, files.config ?? "")
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"))
    const before = { ...process.env }
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        process.env = {
          ...Object.fromEntries(own),
          HOME: directory,
          AWS_CONFIG_FILE: config,
          AWS_SHARED_CREDENTIALS_FILE: join(directory, "credentials"),
          AWS_EC2_METADATA_DISABLED: "true",
          ...environment
        }
      }),
      () =>
        Effect.sync(() => {
          process.env = before
        })
    )
    return yield* TokenSource.makeIam({ endpoint: "abc.dsql.us-east-1.on.aws", region: "us-east-1", user: "app" }).token
  }).pipe(Effect.scoped)

/** The step that is named, with a message of one line and without a secret. */
const step = (environment: Record<string, string>, files: { readonly config?: string } = {}) =>
  Effect.map(Effect.flip(signed(environment, files)), (failure) => {
    assert.strictEqual(failure.reason, "credentials")
    assert.notInclude(failure.message, "\n")
    assert.notInclude(inspect(failure, { depth: 10 }), secret)
    return [failure.step, failure.message] as const
  })

const closedPort = "http://127.0.0.1:1"

describe("the AWS credential chain", () => {
  it.live("signs with what is in the environment", () =>
    Effect.gen(function* () {
      assert.include(Redacted.value(yield* signed(keys)), "AKIDEXAMPLE")
    })
  )

  it.live("signs with what is in a profile", () =>
    Effect.gen(function* () {
      const config = `[profile mine]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = ${secret}\n`
      assert.include(Redacted.value(yield* signed({ AWS_PROFILE: "mine" }, { config })), "AKIDPROFILE")
    })
  )

  it.live("signs with what a process prints", () =>
    Effect.gen(function* () {
      const printed = JSON.stringify({ Version: 1, AccessKeyId: "AKIDPROCESS", SecretAccessKey: secret })
      const config = `[profile mine]\ncredential_process = echo '${printed}'\n`
      assert.include(Redacted.value(yield* signed({ AWS_PROFILE: "mine" }, { config })), "AKIDPROCESS")
    })
  )

  it.live("signs with what the container's endpoint answers", () =>
    Effect.gen(function* () {
      const answer = {
        AccessKeyId: "AKIDTASK",
        SecretAccessKey: secret,
        Token: "t",
        Expiration: "2999-01-01T00:00:00Z"
      }
      const server = createServer((_, response) => response.end(JSON.stringify(answer)))
      const port = yield* Effect.acquireRelease(
        Effect.callback<number>((resume) => {
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
          })
        }),
        () => Effect.sync(() => server.close())
      )
      const token = yield* signed({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/` })
      assert.include(Redacted.value(token), "AKIDTASK")
    })
  )

  it.live("goes on to what works when what comes first does not", () =>
    Effect.gen(function* () {
      const config = `[default]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = ${secret}\n`
      assert.include(Redacted.value(yield* signed({ AWS_ACCESS_KEY_ID: "half" }, { config })), "AKIDPROFILE")
    })
  )

  it.live("says that nothing is configured", () =>
    Effect.gen(function* () {
      const [named, message] = yield* step({})
      assert.strictEqual(named, "none")
      assert.include(message, "AWS_ACCESS_KEY_ID")
    })
  )

  it.live.each([
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
    ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"]
  ] as const)("says that the environment has %s alone", ([set, missing]) =>
    Effect.gen(function* () {
      const [named, message] = yield* step({ [set]: keys[set] })
      assert.strictEqual(named, "environment")
      assert.include(message, `set ${missing} too`)
    })
  )

  it.live("says that the credentials of the environment have ended", () =>
    Effect.gen(function* () {
      const [named] = yield* step({ ...keys, AWS_CREDENTIAL_EXPIRATION: "2020-01-01T00:00:00Z" })
      assert.strictEqual(named, "expired")
    })
  )

  it.live("says that a profile does not exist", () =>
    Effect.gen(function* () {
      const [named, message] = yield* step({ AWS_PROFILE: "absent", ...keys })
      assert.strictEqual(named, "profile")
      assert.include(message, "AWS profile absent")
    })
  )

  it.live("says that an SSO session has ended, also that of the default profile", () =>
    Effect.gen(function* () {
      const sso =
        "sso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 123456789012\nsso_role_name = app\n"
      const [named, message] = yield* step({ AWS_PROFILE: "mine" }, { config: `[profile mine]\n${sso}` })
      assert.strictEqual(named, "sso")
      assert.include(message, "aws sso login --profile mine")
      assert.strictEqual((yield* step({}, { config: `[default]\n${sso}` }))[0], "sso")
    })
  )

  it.live("says that a credential process failed, and not what it printed", () =>
    Effect.gen(function* () {
      for (const command of [`echo ${secret} >&2; exit 1`, `echo ${secret}`]) {
        const [named] = yield* step(
          { AWS_PROFILE: "mine" },
          { config: `[profile mine]\ncredential_process = sh -c '${command}'\n` }
        )
        assert.strictEqual(named, "process")
      }
    })
  )

  it.live("says that a web identity did not work", () =>
    Effect.gen(function* () {
      const [named] = yield* step({
        AWS_WEB_IDENTITY_TOKEN_FILE: "/nowhere/token",
        AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/app"
      })
      assert.strictEqual(named, "web_identity")
    })
  )

  it.live("says that the container's endpoint does not answer", () =>
    Effect.gen(function* () {
      const [named] = yield* step({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${closedPort}/` })
      assert.strictEqual(named, "container")
    })
  )

  it.live("says that the instance metadata service does not answer", () =>
    Effect.gen(function* () {
      const [named, message] = yield* step({
        AWS_EC2_METADATA_DISABLED: "false",
        AWS_EC2_METADATA_SERVICE_ENDPOINT: closedPort
      })
      assert.strictEqual(named, "instance")
      assert.include(message, "instance metadata service")
    })
  )
})

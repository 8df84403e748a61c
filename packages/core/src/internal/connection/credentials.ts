/**
 * The AWS credential chain, link by link in the order of the AWS SDK, so that a failure names the link that was
 * configured and did not work. The SDK's own chain only says that there is nothing at its end.
 *
 * No error keeps the SDK's: a credential process, for one, has its output in it.
 */
import type { DsqlSignerConfig } from "@aws-sdk/dsql-signer"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { AuthenticationFailed } from "../../DsqlError.ts"

type Step = NonNullable<AuthenticationFailed["step"]>

/** Credentials, and when they end. */
export type Identity = Exclude<NonNullable<DsqlSignerConfig["credentials"]>, (...args: never) => unknown>

interface Link {
  /** Whether anybody has asked for this link: one that nobody asked for is no failure. */
  readonly configured: boolean
  readonly provide: () => Promise<Identity>
  readonly explain: (error: unknown) => readonly [Step, string]
}

const failed = (step: Step, message: string) => new AuthenticationFailed({ reason: "credentials", step, message })

/** The identity that a caller gave, or that the environment has. */
export const resolve = (given: DsqlSignerConfig["credentials"]): Effect.Effect<Identity, AuthenticationFailed> =>
  given === undefined
    ? chain
    : Effect.tryPromise({
        try: async () => (typeof given === "function" ? given() : given),
        catch: () => failed("given", "the credentials option of this program gave no AWS credentials")
      })

const chain: Effect.Effect<Identity, AuthenticationFailed> = Effect.gen(function* () {
  let first: AuthenticationFailed | undefined
  for (const link of yield* links) {
    const result = yield* Effect.result(Effect.tryPromise({ try: link.provide, catch: (error) => error }))
    if (result._tag === "Success") return result.success
    const final = Predicate.hasProperty(result.failure, "tryNextLink") && result.failure.tryNextLink === false
    if (link.configured || final) first ??= failed(...link.explain(result.failure))
    if (final) break
  }
  return yield* (
    first ??
      failed(
        "none",
        "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached"
      )
  )
})

const links: Effect.Effect<ReadonlyArray<Link>> = Effect.promise(async () => {
  // Loaded when the first connection opens: programs that never do stay light.
  const { fromEnv, fromHttp, fromIni, fromInstanceMetadata, fromTokenFile } =
    await import("@aws-sdk/credential-providers")
  const { env } = process
  const isSet = (name: string) => env[name] !== undefined && env[name] !== ""
  const container = isSet("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") || isSet("AWS_CONTAINER_CREDENTIALS_FULL_URI")
  const disabled = isSet("AWS_EC2_METADATA_DISABLED") && env["AWS_EC2_METADATA_DISABLED"] !== "false"
  const all: ReadonlyArray<Link | false> = [
    !isSet("AWS_PROFILE") && {
      configured: isSet("AWS_ACCESS_KEY_ID") || isSet("AWS_SECRET_ACCESS_KEY"),
      provide: fromEnv(),
      explain: () => [
        "environment",
        `the AWS credentials of the environment are incomplete: set ${
          isSet("AWS_ACCESS_KEY_ID") ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID"
        } too`
      ]
    },
    { configured: isSet("AWS_PROFILE"), provide: fromIni(), explain: explainProfile(env["AWS_PROFILE"] ?? "default") },
    {
      configured: isSet("AWS_WEB_IDENTITY_TOKEN_FILE"),
      provide: fromTokenFile(),
      explain: () => [
        "web_identity",
        "the web identity gave no AWS credentials: check AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN and the role's trust policy"
      ]
    },
    container && {
      configured: true,
      provide: fromHttp(),
      explain: () => [
        "container",
        "the container's credential endpoint gave no AWS credentials: check AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI, and the task's role"
      ]
    },
    !container &&
      !disabled && {
        configured: true,
        provide: fromInstanceMetadata(),
        explain: () => [
          "instance",
          "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or attach a role to the instance: nothing is configured, and the instance metadata service does not answer"
        ]
      }
  ]
  return all.filter((link) => link !== false)
})

/** The SDK's profiles fail with the same class for every reason, and differ in their first words alone. */
const explainProfile =
  (profile: string): Link["explain"] =>
  (error) => {
    const said = error instanceof Error ? error.message : ""
    if (said.startsWith("Could not resolve credentials using profile")) {
      return ["profile", `AWS profile ${profile} does not exist or holds no credentials: check AWS_PROFILE and ~/.aws`]
    }
    if (/\bsso\b/i.test(said)) {
      return ["sso", `the SSO session of AWS profile ${profile} has ended: run aws sso login --profile ${profile}`]
    }
    if (said.startsWith("Command failed") || said.includes("credential_process")) {
      return ["process", `the credential_process of AWS profile ${profile} failed: run it by hand to see why`]
    }
    return [
      "profile",
      `AWS profile ${profile} gave no credentials: try aws sts get-caller-identity --profile ${profile}`
    ]
  }

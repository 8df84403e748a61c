import { Token } from "@effect-dsql/emulator"
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"

/** Made by @aws-sdk/dsql-signer 3.1142.0 at 2026-11-28T12:00:00Z, for 900 seconds, with the credentials below. */
const signed =
  "localhost/?Action=DbConnectAdmin&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261128%2Fus-east-1%2Fdsql%2Faws4_request&X-Amz-Date=20261128T120000Z&X-Amz-Expires=900&X-Amz-Signature=2deb66c521044d355b38cb88f0fff9d044e18913148a8c37a7852376f2422613&X-Amz-SignedHeaders=host"

const at = Date.UTC(2026, 10, 28, 12)
const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: Redacted.make("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}
const check = Token.check({ host: "localhost", credentials, now: () => at + 60_000 })

describe("a token", () => {
  it("of AWS's own signer is taken, for its host and its action", () => {
    assert.strictEqual(check(signed, "admin"), "ok")
    assert.strictEqual(check(signed, "app"), "denied")
    assert.strictEqual(Token.check({ host: "other" })(signed, "admin"), "denied")
  })

  it("is good until it expires", () => {
    const after = (millis: number) => Token.check({ credentials, now: () => at + millis })(signed, "admin")
    assert.deepStrictEqual([after(900_000), after(900_001)], ["ok", "expired"])
  })

  it("is refused where anything of it was changed, or where others signed it", () => {
    const changed = [
      signed.replace("localhost", "127.0.0.1"),
      signed.replace("us-east-1", "us-east-2"),
      signed.replace("X-Amz-Expires=900", "X-Amz-Expires=9000"),
      signed.replace(/Signature=.{4}/, "Signature=0000")
    ]
    for (const token of changed) {
      assert.strictEqual(Token.check({ credentials, now: () => at })(token, "admin"), "denied", token)
    }
    const others = { ...credentials, secretAccessKey: Redacted.make("other") }
    assert.strictEqual(Token.check({ credentials: others, now: () => at })(signed, "admin"), "denied")
  })

  it("has the form of one", () => {
    for (const token of [
      "",
      "password",
      "localhost/",
      signed.replace("dsql", "rds-db"),
      signed.replace("HMAC", "RSA")
    ]) {
      assert.strictEqual(Token.check({ now: () => at })(token, "admin"), "denied", token)
    }
  })
})

/**
 * Whether a password is a token with which Aurora DSQL would let somebody in: a
 * presigned request, valid for a while, for one cluster and one of two actions.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Redacted from "effect/Redacted"
import { createHash, createHmac, timingSafeEqual } from "node:crypto"

/**
 * What a token has to be. What is left out is not looked at.
 *
 * @since 0.1.0
 * @category models
 */
export interface Expected {
  /** The cluster's endpoint, without a port. */
  readonly host?: string | undefined
  /** The credentials with which tokens are signed. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: Redacted.Redacted } | undefined
  /** Milliseconds since 1970; the clock of the machine when left out. */
  readonly now?: (() => number) | undefined
}

/**
 * What the service says of a token.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = "ok" | "expired" | "denied"

const algorithm = "AWS4-HMAC-SHA256"

const hmac = (key: Buffer | string, text: string): Buffer => createHmac("sha256", key).update(text).digest()

const hash = (text: string): string => createHash("sha256").update(text).digest("hex")

/** `20261128T214500Z`, in milliseconds; undefined for anything else. */
const timeOf = (text: string): number | undefined => {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (parts === null) return undefined
  const [year = 0, month = 0, ...rest] = parts.slice(1).map(Number)
  return Date.UTC(year, month - 1, ...rest)
}

const urlOf = (token: string): URL | undefined =>
  URL.canParse(`https://${token}`) ? new URL(`https://${token}`) : undefined

const encoded = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)

// Signature Version 4, as a query: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
const signatureOf = (url: URL, scope: ReadonlyArray<string>, secret: string): Buffer => {
  const query = [...url.searchParams]
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .toSorted()
    .join("&")
  const request = `GET\n/\n${query}\nhost:${url.host}\n\nhost\n${hash("")}`
  const text = `${algorithm}\n${url.searchParams.get("X-Amz-Date") ?? ""}\n${scope.join("/")}\n${hash(request)}`
  return hmac(
    scope.reduce<Buffer | string>((key, part) => hmac(key, part), `AWS4${secret}`),
    text
  )
}

/**
 * Says of tokens what the service says, for `Emulator.Options.authorize`. `admin` comes with the action
 * `DbConnectAdmin`, every other role with `DbConnect`.
 *
 * @example
 * ```ts
 * import { Emulator, Token } from "@effect-dsql/emulator"
 *
 * const emulator = Emulator.make({ authorize: Token.check({ host: "localhost" }) })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const check =
  (expected: Expected = {}) =>
  (token: string, user: string): Verdict => {
    const url = urlOf(token)
    const value = (name: string) => url?.searchParams.get(name) ?? ""
    const [key, ...scope] = value("X-Amz-Credential").split("/")
    const signed = timeOf(value("X-Amz-Date"))
    const seconds = Number(value("X-Amz-Expires"))
    const isFormed =
      url?.pathname === "/" &&
      value("X-Amz-Algorithm") === algorithm &&
      scope.length === 4 &&
      value("X-Amz-Date").startsWith(scope[0] ?? "") &&
      scope[2] === "dsql" &&
      scope[3] === "aws4_request" &&
      value("X-Amz-SignedHeaders") === "host" &&
      /^[0-9a-f]{64}$/.test(value("X-Amz-Signature"))
    if (!isFormed || signed === undefined || !Number.isInteger(seconds) || seconds < 1) return "denied"
    if (value("Action") !== (user === "admin" ? "DbConnectAdmin" : "DbConnect")) return "denied"
    if (expected.host !== undefined && url?.hostname !== expected.host) return "denied"
    const { credentials } = expected
    if (credentials !== undefined && url !== undefined) {
      const signature = signatureOf(url, scope, Redacted.value(credentials.secretAccessKey))
      const isOwn = key === credentials.accessKeyId
      if (!isOwn || !timingSafeEqual(signature, Buffer.from(value("X-Amz-Signature"), "hex"))) return "denied"
    }
    return (expected.now ?? Date.now)() > signed + seconds * 1_000 ? "expired" : "ok"
  }

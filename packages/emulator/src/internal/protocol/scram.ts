/**
 * The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), as PostgreSQL asks for it.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto"

const hmac = (key: Buffer, value: string): Buffer => createHmac("sha256", key).update(value).digest()
const sha256 = (value: Buffer): Buffer => createHash("sha256").update(value).digest()

const keys = new Map<string, Buffer>()

/** Salting takes milliseconds by design; a server's sessions all share one password and one salt. */
const salted = (password: string, salt: string, iterations: number): Buffer => {
  const id = `${salt}:${iterations}:${password}`
  const known = keys.get(id)
  if (known !== undefined) return known
  const key = pbkdf2Sync(password, Buffer.from(salt, "base64"), iterations, 32, "sha256")
  if (keys.size > 100) keys.clear()
  keys.set(id, key)
  return key
}

const attributes = (message: string): ReadonlyMap<string, string> =>
  new Map(message.split(",").map((part) => [part.slice(0, 1), part.slice(2)]))

/** One exchange: `first` opens it, `answer` replies to the challenge, `verify` checks that the server knows the key. */
export const make = (password: string) => {
  const nonce = randomBytes(18).toString("base64")
  const bare = `n=*,r=${nonce}`
  let expected: Buffer | undefined
  return {
    mechanism: "SCRAM-SHA-256",
    first: `n,,${bare}`,
    answer: (challenge: string): string | undefined => {
      const { r, s, i } = Object.fromEntries(attributes(challenge))
      if (r === undefined || s === undefined || i === undefined || !r.startsWith(nonce)) return undefined
      const key = salted(password, s, Number(i))
      const client = hmac(key, "Client Key")
      const unproven = `c=biws,r=${r}`
      const message = `${bare},${challenge},${unproven}`
      const signature = hmac(sha256(client), message)
      expected = hmac(hmac(key, "Server Key"), message)
      return `${unproven},p=${Buffer.from(client.map((byte, at) => byte ^ (signature[at] ?? 0))).toString("base64")}`
    },
    verify: (final: string): boolean => {
      const signature = Buffer.from(attributes(final).get("v") ?? "", "base64")
      return expected !== undefined && signature.length === expected.length && timingSafeEqual(signature, expected)
    }
  }
}

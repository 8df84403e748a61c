/**
 * Who may speak to the console: a page in any browser of this machine can reach its port, so it asks for a token in the
 * address, for a Host that is this machine's, against names that were made to lead here, and, where a browser says which
 * page it speaks for, for its own.
 */
import { timingSafeEqual } from "node:crypto"

/** A request, as far as it is judged. */
export interface Visitor {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** The path below the token; or the status of the refusal: 403 for a stranger, 404 for who does not know the token. */
export const admit = (visitor: Visitor, port: number, token: string): string | 403 | 404 => {
  const { headers, method, url } = visitor
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`]
  if (!hosts.includes(headers["host"] ?? "")) return 403
  const { origin } = headers
  const isOwn = hosts.some((host) => origin === `http://${host}`)
  // A browser names the origin of whatever changes something.
  if (method === "GET" ? origin !== undefined && !isOwn : !isOwn) return 403
  const [, own = "", rest = ""] = /^\/([^/?]*)\/([^?]*)/.exec(url) ?? []
  return isSame(own, token) ? rest : 404
}

const isSame = (given: string, token: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/**
 * Where a database is, as its URL or its endpoint says.
 */
import type { Address, Encryption } from "../wire/transport.ts"
import { placeOf, type Place } from "./observed.ts"

/** Whether a text is a URL of a PostgreSQL server. */
export const isPostgresUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && ["postgres:", "postgresql:"].includes(url.protocol) && isDecodable(url.hostname)
}

const isDecodable = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** Where a host's socket is: one that begins with a slash is the folder of a Unix socket. */
export const socketOf = (host: string, port: number): Address =>
  host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }

/** Where a URL leads, as the driver reads it. */
export const addressOf = (text: string): Address => {
  const { host, port } = serverOf(new URL(text))
  return socketOf(host, port)
}

/** How a URL has the connection encrypted, as the driver reads it; undefined for not at all. */
export const encryptionOf = (text: string): Encryption | undefined => {
  switch (new URL(text).searchParams.getAll("sslmode").at(-1)) {
    case "prefer":
    case "allow":
      return { options: {}, isOptional: true }
    case "require":
    case "verify-ca":
    case "verify-full":
      return { options: {}, isOptional: false }
    default:
      return undefined
  }
}

/** What is shown of where a URL leads: its host, its database, and neither its user's password nor the user. */
export const placeOfUrl = (text: string): Place => {
  const url = new URL(text)
  const { host, port } = serverOf(url)
  return placeOf(host, port, url.pathname.slice(1) || "postgres")
}

/** A parameter says it after the address, and so for good. */
const serverOf = (url: URL) => {
  const host = url.searchParams.getAll("host").at(-1) ?? decodeURIComponent(url.hostname.replace(/^\[|\]$/g, ""))
  const port = url.searchParams.getAll("port").at(-1) ?? url.port
  return { host: host || "localhost", port: Number(port || 5432) }
}

/** The region of an endpoint: `<id>.dsql.<region>.on.aws`, and `<id>.dsql-<variant>.<region>.on.aws`. */
export const regionOf = (endpoint: string): string | undefined => {
  const labels = endpoint.split(".")
  const service = labels.findIndex((label) => label === "dsql" || label.startsWith("dsql-"))
  return service === -1 ? undefined : labels[service + 1]
}

/**
 * Where a database is, as its URL or its endpoint says.
 */
import { placeOf, type Place } from "./observed.ts"

/** Where a socket goes. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Whether a text is a URL of a PostgreSQL server. */
export const isPostgresUrl = (url: string): boolean =>
  URL.canParse(url) && ["postgres:", "postgresql:"].includes(new URL(url).protocol)

/** Where a URL leads; undefined where that takes more than a host, as for a Unix socket. */
export const addressOf = (text: string): Address | undefined => {
  const url = new URL(text)
  const host = url.hostname.replace(/^\[|\]$/g, "")
  if (host === "" || host.includes("%") || url.searchParams.has("host") || url.searchParams.has("port"))
    return undefined
  return { host, port: url.port === "" ? 5432 : Number(url.port) }
}

/** What is shown of where a URL leads: its host, its database, and neither its user's password nor the user. */
export const placeOfUrl = (text: string): Place => {
  const url = new URL(text)
  const { host, port } = addressOf(text) ?? { host: url.searchParams.get("host") ?? "localhost", port: 5432 }
  return placeOf(host, port, url.pathname.slice(1) || "postgres")
}

/** The region of an endpoint: `<id>.dsql.<region>.on.aws`, and `<id>.dsql-<variant>.<region>.on.aws`. */
export const regionOf = (endpoint: string): string | undefined => {
  const labels = endpoint.split(".")
  const service = labels.findIndex((label) => label === "dsql" || label.startsWith("dsql-"))
  return service === -1 ? undefined : labels[service + 1]
}

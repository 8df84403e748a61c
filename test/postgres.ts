/**
 * The PostgreSQL that all test files share, as an emulator takes it for the server beneath it.
 */
import type { Postgres } from "@effect-dsql/emulator"
import { Redacted } from "effect"
import { inject } from "vitest"

export const sharedPostgres = (): Postgres.Postgres => {
  const url = new URL(inject("postgresUrl"))
  return {
    host: url.hostname,
    port: Number(url.port),
    username: url.username,
    password: Redacted.make(url.password),
    dataDirectory: "",
    url: () => Redacted.make(url.href)
  }
}

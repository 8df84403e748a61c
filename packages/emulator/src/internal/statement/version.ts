/**
 * What the service says of itself where PostgreSQL says something else.
 */

/** What the recorded cluster reported (probes env_*, 2026-09-18). */
export const version = { server: "16.15", number: "160015", text: "PostgreSQL 16" } as const

/** Settings, by their names in small letters. `max_connections` was 20 on a cluster that takes 10,000 (2026-09-29). */
export const settings: Readonly<Record<string, string>> = {
  server_version: version.server,
  server_version_num: version.number,
  max_connections: "20"
}

/** Settings that PostgreSQL does not have. */
export const ownSettings: Readonly<Record<string, string>> = { disable_sync_create_index: "on" }

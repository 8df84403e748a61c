/**
 * The versions that the service reports.
 */

/** What the recorded cluster reported (probes env_*, 2026-09-18). */
export const version = { server: "16.15", number: "160015", text: "PostgreSQL 16" } as const

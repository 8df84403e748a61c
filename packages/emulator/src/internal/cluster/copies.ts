/**
 * What a copy of a database is born with. Many tests have an emulator each, and a copy of one template each: what the
 * first copy was asked is true of all others.
 *
 * That a database has not changed, PostgreSQL says by the transactions that it has seen there. It counts those of a
 * session when it ends at the latest, and nobody is in a database that is copied.
 */
import { Quote } from "@effect-dsql/dialect"
import type { References } from "../concurrency/state.ts"

/** What was found in the first copy, by the template's fingerprint; the emulators of a process share it. */
const found = new Map<string, Known>()

/** What is known of the copies of a template: `unprepared` are those in which something is to be done first. */
export type Known = References | "unprepared"

/** Templates that are remembered. */
const most = 100

/** What is known of the copies of a template, if one of them has been looked at. */
export const of = (fingerprint: string): Known | undefined => found.get(fingerprint)

/** Remembers how the first copy of a template was found. */
export const learn = (fingerprint: string, known: Known): void => {
  if (found.size >= most) found.clear()
  found.set(fingerprint, known)
}

/** Asks for what a database has in common with no other one, nor with itself once it has been changed. */
export const fingerprint = (database: string): string => `
SELECT concat_ws(' ', (SELECT system_identifier FROM pg_control_system()), oid, pg_stat_get_db_xact_commit(oid),
  pg_stat_get_db_xact_rollback(oid), pg_stat_get_db_stat_reset_time(oid))
FROM pg_database WHERE datname = ${Quote.literal(database)}`

/** Asks for a database if nobody has been there. */
export const untouched = (database: string): string => `
SELECT 1 FROM pg_database WHERE datname = ${Quote.literal(database)} AND pg_stat_get_db_numbackends(oid) = 0
  AND pg_stat_get_db_xact_commit(oid) + pg_stat_get_db_xact_rollback(oid) = 0`

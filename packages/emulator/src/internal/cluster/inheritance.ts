/**
 * What a copy of a database is born with. Many tests have an emulator each, and a copy of one template each: what the
 * first copy was asked is true of all others.
 *
 * That nobody has changed a database, PostgreSQL says by the transactions that it has counted there: those of a session
 * when it ends at the latest, and nobody is in a database that is copied.
 */
import { Quote } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import type { Database, References } from "../concurrency/state.ts"
import * as Keys from "../concurrency/keys.ts"
import type { Backend, BackendLost } from "../postgres/backend.ts"

/** The databases of one server that were copied, until somebody comes to them. */
export interface Inheritance {
  /** Makes a copy, and notes what it is a copy of. */
  readonly copy: (
    template: string,
    name: string,
    create: Effect.Effect<unknown, BackendLost>
  ) => Effect.Effect<void, BackendLost>
  /** What is known of a database to which somebody comes for the first time. */
  readonly of: (name: string) => Effect.Effect<Birth, BackendLost>
  /** Looks at a database in which nothing is to be done first, for all that are born as it was. */
  readonly learn: (birth: Birth, database: Database) => Effect.Effect<void, BackendLost>
  /** Forgets a database. */
  readonly forget: (name: string) => void
}

/** How a database was born: as a copy of a template that it is like in all, and with what is known of that one's copies. */
export interface Birth {
  readonly template: string | undefined
  readonly references: References | undefined
}

const unknown: Birth = { template: undefined, references: undefined }

/** What was found in the first copy of each template; the emulators of a process share it. */
const found = new Map<string, References>()

/** Templates that are remembered. */
const most = 100

/** Tells a database as it is from any other, and from itself once it has changed. A crash takes the counts, and begins anew. */
const fingerprint = (database: string): string => `
SELECT concat_ws(' ', pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time(), oid,
  pg_stat_get_db_xact_commit(oid), pg_stat_get_db_xact_rollback(oid), pg_stat_get_db_stat_reset_time(oid))
FROM pg_database WHERE datname = ${Quote.literal(database)}`

const oid = (database: string): string => `SELECT oid FROM pg_database WHERE datname = ${Quote.literal(database)}`

/** A database, if it is that one still and nobody has been there. */
const untouched = (database: string, oid: string): string => `
SELECT 1 FROM pg_database WHERE datname = ${Quote.literal(database)} AND oid = ${oid}
  AND pg_stat_get_db_numbackends(oid) = 0 AND pg_stat_get_db_stat_reset_time(oid) IS NULL
  AND pg_stat_get_db_xact_commit(oid) + pg_stat_get_db_xact_rollback(oid) = 0`

/** The database of whoever asks, if nobody else is there or has been. */
const isAlone = `
SELECT 1 FROM pg_database WHERE datname = current_database() AND pg_stat_get_db_sessions(oid) = 1
  AND pg_stat_get_db_numbackends(oid) = 1`

/** Makes an inheritance; `query` asks the server. */
export const make = (query: Backend["query"]): Inheritance => {
  const copies = new Map<string, { readonly oid: string; readonly template: string }>()
  return {
    copy: Effect.fnUntraced(function* (template, name, create) {
      const [before] = yield* query(fingerprint(template))
      yield* create
      const [after, own] = yield* query(`${fingerprint(template)}; ${oid(name)}`)
      // Somebody may have been there meanwhile.
      if (own !== undefined && String(after) === String(before))
        copies.set(name, { oid: String(own), template: String(after) })
    }),
    of: Effect.fnUntraced(function* (name) {
      const copy = copies.get(name)
      copies.delete(name)
      if (copy === undefined || (yield* query(untouched(name, copy.oid))).length === 0) return unknown
      return { template: copy.template, references: found.get(copy.template) }
    }),
    learn: Effect.fnUntraced(function* ({ template }, database) {
      if (template === undefined) return
      const references = yield* Keys.ask(database)
      yield* database.ask("SELECT pg_stat_force_next_flush()")
      if ((yield* database.ask(isAlone)).length === 0) return
      if (found.size >= most) found.clear()
      found.set(template, references)
    }),
    forget: (name) => void copies.delete(name)
  }
}

/**
 * Signals out of PostgreSQL, by locks that only tests know of: that a session has got to a point, and that it has ended.
 */
import { Effect } from "effect"
import { Client } from "pg"
import { inject } from "vitest"
import * as Shared from "./shared.ts"

/** The lock that every session shares with which a client has called `enter`. */
const everyone = 0

const functions = `
  CREATE OR REPLACE FUNCTION enter() RETURNS void LANGUAGE sql AS $$
    SELECT set_config('application_name', 'entered', false), pg_advisory_lock_shared(${everyone})
  $$;
  CREATE OR REPLACE FUNCTION hold(key int) RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(key)';
  CREATE OR REPLACE FUNCTION let_go(key int) RETURNS boolean LANGUAGE sql AS 'SELECT pg_advisory_unlock(key)';`

/**
 * A connection to the PostgreSQL beneath. A client says `SELECT enter()` when it comes, and may `hold` a lock and
 * `let_go` of it in the middle of a statement; with its session all its locks go.
 */
export const make = Effect.gen(function* () {
  const { database } = yield* Shared.Shared
  const client = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const url = new URL(inject("postgresUrl"))
      url.pathname = `/${database}`
      const client = new Client(url.href)
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end())
  )
  const query = (sql: string) => Effect.promise(() => client.query(sql))
  // Nobody hears of a session that never ends, but by this.
  yield* query(`SET lock_timeout = '20 s'; ${functions}`)
  /** Waits until nobody holds a lock. */
  const released = (key: number) => query(`SELECT pg_advisory_lock(${key}); SELECT pg_advisory_unlock(${key})`)
  return {
    query,
    released,
    /** Waits until every session has ended that was entered; gives how many others serve clients. */
    empty: Effect.map(
      Effect.andThen(
        released(everyone),
        query(`SELECT count(*)::int AS others FROM pg_stat_activity WHERE datname = current_database()
          AND backend_type = 'client backend' AND application_name NOT IN ('effect-dsql emulator', 'entered')
          AND pid <> pg_backend_pid()`)
      ),
      ({ rows: [{ others }] }) => Number(others)
    )
  }
})

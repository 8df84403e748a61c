/**
 * What time it is by the server's clock, as far as a client knows.
 */
import type { SqlClient } from "effect/sql/SqlClient"

interface Reading {
  /** Milliseconds since 1970, by the server. */
  readonly server: number
  /** The same moment, by this process. */
  readonly here: number
}

/** What each client was told last. */
const readings = new WeakMap<SqlClient, Reading>()

/** Goes on evenly when the wall clock is set: only the distance to the server's clock matters. */
const here = (): number => performance.timeOrigin + performance.now()

/** Milliseconds since 1970. Before the server has said anything, this machine's clock is taken for the server's. */
export const now = (client: SqlClient): number => {
  const reading = readings.get(client)
  return reading === undefined ? here() : reading.server + here() - reading.here
}

/** The server said what time it is. */
export const learn = (client: SqlClient, server: number): void => {
  readings.set(client, { server, here: here() })
}

/**
 * What time it is by the server's clock, as far as a client knows.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
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

/** Waits as long as a server does, whose clock goes on where a test's stands still. */
export const sleep = (millis: number): Effect.Effect<void> =>
  Effect.provideService(Effect.sleep(millis), Clock.Clock, Clock.Clock.defaultValue())

/** The server said what time it is. */
export const learn = (client: SqlClient, server: number): void => {
  readings.set(client, { server, here: here() })
}

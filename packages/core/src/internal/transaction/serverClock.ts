/**
 * What time it is by the server's clock, as far as a client knows.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"

/** By how many milliseconds the server's clock is ahead of this process's. */
interface Ahead {
  readonly least: number
  readonly most: number
}

/** What each client has been told. */
const known = new WeakMap<SqlClient, Ahead>()

/**
 * Milliseconds since 1970, by a clock that goes on evenly when the wall clock is set: only its distance to the server's
 * matters.
 */
export const here = (): number => performance.timeOrigin + performance.now()

/**
 * Milliseconds since 1970 by the server's clock, which may say less, but not more: however long an answer was under
 * way, what is valid from here on for some time is so by the server. Before the server has said anything, this
 * machine's clock is taken for the server's.
 */
export const now = (client: SqlClient): number => here() + (known.get(client)?.most ?? 0)

/** Waits as long as a server does, whose clock goes on where a test's stands still. */
export const sleep = (millis: number): Effect.Effect<void> =>
  Effect.provideService(Effect.sleep(millis), Clock.Clock, Clock.Clock.defaultValue())

/** The server said what time it is, in whole milliseconds, to who had asked at an instant of this process's clock. */
export const learn = (client: SqlClient, server: number, asked: number): void => {
  const told = { least: server - here(), most: server + 1 - asked }
  const before = known.get(client) ?? told
  const both = { least: Math.max(told.least, before.least), most: Math.min(told.most, before.most) }
  // Where what was known cannot be any more, one of the clocks was set.
  known.set(client, both.least > both.most ? told : both)
}

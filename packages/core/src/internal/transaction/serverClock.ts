/**
 * What time it is by the server's clock, as far as a client knows.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"

/** What a server said last: the newest word is the truest of a clock that drifts, stands still or is set. */
interface Reading {
  /** By how many milliseconds the server's clock is ahead of this process's, at most. */
  readonly ahead: number
  /** By how many fewer it may be. */
  readonly late: number
}

const readings = new WeakMap<SqlClient, Reading>()

/**
 * Milliseconds since 1970, by a clock that goes on evenly when the wall clock is set: only its distance to the server's
 * matters.
 */
export const here = (): number => performance.timeOrigin + performance.now()

/** An instant of the server's clock. */
export interface Instant {
  /** Milliseconds since 1970. */
  readonly at: number
  /** By how many milliseconds it may be too late; too early it is by what clocks have drifted since at most. */
  readonly late: number
}

/**
 * By when it is now by the server's clock: however long an answer was under way, what is valid from here on for some time
 * is so by the server. Before the server has said anything, this machine's clock is taken for the server's.
 */
export const now = (client: SqlClient): Instant => {
  const { ahead, late } = readings.get(client) ?? { ahead: 0, late: 0 }
  return { at: here() + ahead, late }
}

/** Waits as long as a server does, whose clock goes on where a test's stands still. */
export const sleep = (millis: number): Effect.Effect<void> =>
  Effect.provideService(Effect.sleep(millis), Clock.Clock, Clock.Clock.defaultValue())

/** The server said what time it is, in whole milliseconds, to who had asked at an instant of this process's clock. */
export const learn = (client: SqlClient, server: number, asked: number): void => {
  readings.set(client, { ahead: server + 1 - asked, late: here() + 1 - asked })
}

/**
 * Log lines that may come by the thousand on a bad day: the first twenty of a kind at once, then one a second, which
 * says how many were left out.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Monotonic from "../time/monotonic.ts"
import * as TokenBucket from "../time/tokenBucket.ts"

type Level = "Debug" | "Info" | "Warn"

interface Kind {
  readonly bucket: TokenBucket.TokenBucket
  suppressed: number
}

/** By clock, because a time of one clock says nothing about another. */
const kinds = new WeakMap<Clock.Clock, Map<string, Kind>>()

const kindOf = (clock: Clock.Clock, name: string): Kind => {
  const known = kinds.get(clock) ?? new Map<string, Kind>()
  kinds.set(clock, known)
  const kind = known.get(name) ?? { bucket: TokenBucket.make({ perSecond: 1, burst: 20 }), suppressed: 0 }
  known.set(name, kind)
  return kind
}

/** Logs a message with its fields, if its kind has not been logged too often just now. */
export const log = (
  level: Level,
  message: string,
  fields: Readonly<Record<string, unknown>>,
  kind = message
): Effect.Effect<void> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const found = kindOf(clock, kind)
    if (!found.bucket.takeNow(Monotonic.millisOf(clock))) {
      found.suppressed += 1
      return Effect.void
    }
    const line = found.suppressed === 0 ? fields : { ...fields, suppressed: found.suppressed }
    found.suppressed = 0
    return Effect.logWithLevel(level)(message, line)
  })

/**
 * The state of an adaptive limit, as Effect's stores keep it: nothing until a server says 429 with Retry-After; then it
 * waits, learns how much the server takes until it says so again, and keeps to that.
 *
 * Times are milliseconds since 1970.
 */
import type { AdaptiveConsumeResult, AdaptivePhase } from "effect/persistence/RateLimiter"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** What is known of a key. */
export const State = Schema.Struct({
  phase: Schema.Literals(["cooldown", "learning", "learned"]),
  epoch: Schema.Number,
  cooldownUntil: Schema.Number,
  learningStartedAt: Schema.Number,
  observedTokens: Schema.Number,
  learnedLimit: Schema.Number,
  learnedWindow: Schema.Number,
  /** From when on nothing is known any more. */
  idleAt: Schema.Number
})

export type State = typeof State.Type

/** How long a state is kept when it is over. */
const grace = 60_000

/** The longest time that a server is believed. */
const longest = 60 * 60 * 1_000

const believed = (millis: number): number => (Number.isNaN(millis) || millis <= 0 ? 1 : Math.min(millis, longest))

const result = (delay: number, epoch: number, phase: AdaptivePhase): AdaptiveConsumeResult => ({
  delay: delay <= 0 ? Duration.zero : Duration.millis(delay),
  epoch,
  phase
})

/** What is answered, and what the state becomes; undefined where it stays. */
export interface Consumed {
  readonly result: AdaptiveConsumeResult
  readonly next: State | undefined
}

export const consume = (
  state: State | undefined,
  { fallbackWindow, tokens }: { readonly tokens: number; readonly fallbackWindow: number },
  now: number
): Consumed => {
  if (state === undefined) return { result: result(0, 0, "inactive"), next: undefined }
  const { cooldownUntil, epoch, phase } = state
  switch (phase) {
    case "cooldown": {
      if (cooldownUntil > now) return { result: result(cooldownUntil - now, epoch, phase), next: undefined }
      const next: State = {
        ...state,
        phase: "learning",
        epoch: epoch + 1,
        learningStartedAt: now,
        observedTokens: tokens,
        idleAt: now + fallbackWindow + grace
      }
      return { result: result(0, next.epoch, "learning"), next }
    }
    case "learning":
      return {
        result: result(0, epoch, phase),
        next: { ...state, observedTokens: state.observedTokens + tokens }
      }
    case "learned": {
      const { learnedLimit, learnedWindow } = state
      const refillRate = learnedWindow / learnedLimit
      const isOver = cooldownUntil <= now
      const observedTokens = (isOver ? 0 : state.observedTokens) + tokens
      const until = (isOver ? now : cooldownUntil) + refillRate * tokens
      const elapsed = observedTokens * refillRate - (until - now)
      const delay = Math.floor((observedTokens - 1) / learnedLimit) * learnedWindow - elapsed
      return { result: result(delay, epoch, phase), next: { ...state, observedTokens, cooldownUntil: until } }
    }
  }
}

/** What the state becomes when a server says to come again later; undefined where it stays. */
export const feedback = (
  state: State | undefined,
  { epoch, retryAfter, tokens }: { readonly epoch: number; readonly tokens: number; readonly retryAfter: number },
  now: number
): State | undefined => {
  const wait = believed(retryAfter)
  const until = now + wait
  const cooldown = (epoch: number): State => ({
    phase: "cooldown",
    epoch,
    cooldownUntil: until,
    learningStartedAt: 0,
    observedTokens: 0,
    learnedLimit: 0,
    learnedWindow: 0,
    idleAt: until + grace
  })
  if (state === undefined) return epoch === 0 ? cooldown(0) : undefined
  if (state.epoch !== epoch) return undefined
  switch (state.phase) {
    case "cooldown":
      // Many are told to wait at once, and each of them until a little later.
      return until - state.cooldownUntil <= wait / 16
        ? undefined
        : { ...state, cooldownUntil: until, idleAt: until + grace }
    case "learning": {
      const accepted = state.observedTokens - tokens
      if (accepted <= 0) return cooldown(epoch)
      const learnedWindow = believed(now - state.learningStartedAt + wait)
      return {
        ...state,
        phase: "learned",
        epoch: epoch + 1,
        cooldownUntil: state.learningStartedAt + learnedWindow,
        observedTokens: accepted,
        learnedLimit: accepted,
        learnedWindow,
        idleAt: now + learnedWindow + grace
      }
    }
    case "learned":
      return cooldown(epoch)
  }
}

/**
 * A part of a window's tokens that this process has taken ahead, and gives out without asking.
 *
 * They are counted already, so never more are given out than the limit; and they are worth something only until the
 * window ends of which they are, by this process's monotonic clock from before it asked.
 */
export interface Slice {
  /** Requests that it is enough for still. */
  left: number
  /** Tokens taken and milliseconds left of the window, before the next one of these. */
  taken: number
  millis: number
  readonly askedAt: number
  /** When the window ends, if nobody makes it longer. */
  readonly endsAt: number
}

/** One part of so many of a limit may be a slice. */
const parts = 64

/** For how many requests to ask ahead, of a process that has served so many since it last asked. */
export const ahead = (served: number, limit: number | undefined, tokens: number): number =>
  limit === undefined || tokens <= 0 ? 0 : Math.min(Math.floor(limit / tokens / parts), 2 * served)

/** Gives out the next of a slice's tokens: the count with them, and the milliseconds that the window has then. */
export const next = (
  slice: Slice,
  { refillRate, tokens }: { readonly refillRate: number; readonly tokens: number },
  now: number
): readonly [count: number, ttl: number] | undefined => {
  if (slice.left === 0 || now >= slice.endsAt) return undefined
  slice.left--
  slice.taken += tokens
  slice.millis += tokens * refillRate
  return [slice.taken, Math.max(0, slice.millis - (now - slice.askedAt))]
}

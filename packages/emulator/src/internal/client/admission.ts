/**
 * How fast new connections may come: a bucket of tokens that refills with time.
 */

export interface Options {
  /** Connections per second in the long run; infinity admits everybody. */
  readonly rate: number
  /** Connections at once after a quiet time. */
  readonly burst: number
  /** Milliseconds. */
  readonly now: () => number
}

/** Makes a bucket that is full; its answer is whether one more connection may come now. Who is refused takes nothing. */
export const make = ({ burst, now, rate }: Options): (() => boolean) => {
  let tokens = burst
  let last = now()
  return () => {
    if (rate === Infinity) return true
    const time = now()
    tokens = Math.min(burst, tokens + ((time - last) / 1000) * rate)
    last = time
    if (tokens < 1) return false
    tokens--
    return true
  }
}

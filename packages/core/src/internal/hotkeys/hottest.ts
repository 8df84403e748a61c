/**
 * The keys that were waited for or conflicted on the most of late, as many as there is room for: who is new takes the
 * place of the coolest one, with its heat (the "space saving" of Metwally, Agrawal and El Abbadi, ICDT 2005), which halves
 * each minute. Nothing is done for a key that nobody meets on.
 */
import type { Key, Named } from "./key.ts"

/**
 * How hot a key is.
 *
 * @since 0.2.0
 * @category models
 */
export interface Hot {
  readonly key: Key
  /** Waits and conflicts of the last minutes; what is a minute old counts half. */
  readonly heat: number
  /** Transactions that waited for another one of this process, since the key is watched. */
  readonly waits: number
  /** Milliseconds that they waited, all together. */
  readonly waited: number
  /** Attempts that lost a conflict to another process, or to one that had not named the key. */
  readonly conflicts: number
}

interface Watched {
  readonly key: Key
  heat: number
  at: number
  waits: number
  waited: number
  conflicts: number
}

/** Milliseconds in which heat halves. */
const halfLife = 60_000

export interface Hottest {
  readonly waited: (one: Named, millis: number, now: number) => void
  readonly conflicted: (one: Named, now: number) => void
  /** The hottest first. */
  readonly list: (now: number) => ReadonlyArray<Hot>
}

export const make = (room: number): Hottest => {
  const watched = new Map<string, Watched>()
  const heatAt = ({ at, heat }: Watched, now: number) => heat * 2 ** ((at - now) / halfLife)
  const watch = ({ key, name }: Named, now: number): Watched => {
    const known = watched.get(name)
    if (known !== undefined) {
      known.heat = heatAt(known, now) + 1
      known.at = now
      return known
    }
    let heat = 0
    if (watched.size >= room) {
      const [[coolest, left] = []] = [...watched].toSorted(([, a], [, b]) => heatAt(a, now) - heatAt(b, now))
      if (coolest !== undefined && left !== undefined) {
        watched.delete(coolest)
        heat = heatAt(left, now)
      }
    }
    const one = { key, heat: heat + 1, at: now, waits: 0, waited: 0, conflicts: 0 }
    watched.set(name, one)
    return one
  }
  return {
    waited: (one, millis, now) => {
      const found = watch(one, now)
      found.waits += 1
      found.waited += millis
    },
    conflicted: (one, now) => {
      watch(one, now).conflicts += 1
    },
    list: (now) =>
      [...watched.values()]
        .map((one) => ({
          key: one.key,
          heat: heatAt(one, now),
          waits: one.waits,
          waited: one.waited,
          conflicts: one.conflicts
        }))
        .toSorted((a, b) => b.heat - a.heat)
  }
}

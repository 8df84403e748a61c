/**
 * Buckets: where a queue's jobs lie, so that workers who begin at different ones do not meet.
 */

/** How many there are in each queue. Jobs are stored by them: another number would not find what is there. */
export const count = 64

/** The bucket of a job, for good: FNV-1a over the UTF-16 code units of its id. */
export const of = (id: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193)
  // The low bits of FNV-1a are the weaker ones.
  return ((hash >>> 16) ^ hash) & (count - 1)
}

/** All buckets, from one on and around. */
export const from = (start: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, step) => (start + step) % count)

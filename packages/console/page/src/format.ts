/**
 * Numbers and names in words.
 */

/** A time that something took. */
export const millis = (value: number): string =>
  value >= 10_000
    ? `${(value / 1000).toFixed(1)} s`
    : value >= 100
      ? `${Math.round(value)} ms`
      : `${value.toFixed(1)} ms`

/** What something costs. */
export const dpu = (value: number): string =>
  `${value === 0 ? "0" : value < 1 ? value.toFixed(4) : value.toFixed(2)} DPU`

/** A label, also where a client gives none. */
export const nameOf = (label: string): string => (label === "" ? "(no name)" : label)

/** A statement on one line. */
export const lineOf = (sql: string): string => sql.replaceAll(/\s+/g, " ").trim()

/** So many of something. */
export const counted = (count: number, noun: string): string =>
  `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`

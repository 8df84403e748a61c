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

/** What cannot be seen, or turns the direction of what follows. */
const unseen = /[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu

/** A name that a client made, short enough to stand beside others. */
export const short = (text: string, longest = 48): string => {
  const line = text.slice(0, 4 * longest).replaceAll(unseen, "�")
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`
}

/** A label, also where a client gives none. */
export const nameOf = (label: string): string => (label === "" ? "(no name)" : short(label))

/** A statement on one line. */
export const lineOf = (sql: string): string => sql.replaceAll(/\s+/g, " ").trim()

/** So many of something. */
export const counted = (count: number, noun: string): string =>
  `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`

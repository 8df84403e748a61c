/**
 * The anomalies that a history can show, by their names in the literature, and which isolation forbids which.
 *
 * Adya, "Weak Consistency" (1999) names the phenomena; that snapshot isolation
 * allows a cycle exactly where two anti-dependencies follow each other is the
 * theorem of Fekete et al. (2005), as Cerone and Gotsman (2016) state it.
 */

/** What each anomaly means. */
export const meaning = {
  internal: "a transaction does not see its own earlier operation",
  duplicate: "one write is seen twice",
  phantom: "a read shows a value that nobody wrote",
  "incompatible-order": "two reads of one list do not extend each other",
  G1a: "a read of what was rolled back",
  G1b: "a read of a state in the middle of another transaction",
  G0: "a cycle of overwrites",
  G1c: "a cycle of overwrites and reads",
  "lost-update": "two transactions read one version and both replaced it",
  "G-single": "read skew: a cycle with one anti-dependency",
  "G-nonadjacent": "long fork: a cycle whose anti-dependencies are apart",
  "G2-item": "write skew: a cycle with two anti-dependencies in a row"
} as const

export type Name = keyof typeof meaning

export interface Anomaly {
  readonly name: Name
  /** The transactions that show it; of a cycle, in its order. */
  readonly transactions: ReadonlyArray<number>
  /** What connects them, for people. */
  readonly explanation: string
}

/** What snapshot isolation forbids: everything but write skew. */
export const violatesSnapshot = (anomaly: Anomaly): boolean => anomaly.name !== "G2-item"

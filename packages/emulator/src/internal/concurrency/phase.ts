/**
 * How a transaction stands, and every way in which that changes.
 *
 * It is *unbegun* until its first statement, because BEGIN rides with that one.
 * *Live*: PostgreSQL holds its writes and locks. *Parked*: somebody else wanted
 * a row of it, so it was rolled back to its base savepoint, which frees the rows
 * and keeps the snapshot; its journal brings it back. *Doomed*: somebody else
 * committed first; it goes on over private copies of its tables and can never
 * commit. *Failed*: it waits for its client to end it.
 */

/** How a transaction stands. A snapshot is the last commit that it can see. */
export type Phase =
  | { readonly _tag: "Unbegun" }
  | { readonly _tag: "Live"; readonly snapshot: number }
  | { readonly _tag: "Parked"; readonly snapshot: number }
  /** `copies` are the tables that it has private copies of; undefined until it has done again in them what it had done. */
  | { readonly _tag: "Doomed"; readonly snapshot: number; readonly copies: ReadonlySet<string> | undefined }
  | { readonly _tag: "Failed" }

/** What happens to a transaction. */
export type Event =
  | { readonly _tag: "Begun"; readonly snapshot: number }
  /** It was rolled back to its base savepoint. */
  | { readonly _tag: "RolledToBase" }
  /** What it had done was done again, or there was nothing to do. */
  | { readonly _tag: "Restored" }
  /** Somebody else committed first. */
  | { readonly _tag: "Beaten" }
  /** Private copies of these tables were made. */
  | { readonly _tag: "Copied"; readonly tables: ReadonlyArray<string> }
  | { readonly _tag: "Failed" }

export const unbegun: Phase = { _tag: "Unbegun" }

/** The phase after an event; the same one where the event means nothing to it. */
export const after = (phase: Phase, event: Event): Phase => {
  if (event._tag === "Failed") return { _tag: "Failed" }
  switch (phase._tag) {
    case "Unbegun":
      return event._tag === "Begun" ? { _tag: "Live", snapshot: event.snapshot } : phase
    case "Live":
      if (event._tag === "RolledToBase") return { _tag: "Parked", snapshot: phase.snapshot }
      return event._tag === "Beaten" ? doomed(phase.snapshot) : phase
    case "Parked":
      if (event._tag === "Restored") return { _tag: "Live", snapshot: phase.snapshot }
      return event._tag === "Beaten" ? doomed(phase.snapshot) : phase
    case "Doomed":
      // The savepoint is older than the copies.
      if (event._tag === "RolledToBase") return doomed(phase.snapshot)
      return event._tag === "Copied" ? { ...phase, copies: new Set([...(phase.copies ?? []), ...event.tables]) } : phase
    case "Failed":
      return phase
  }
}

const doomed = (snapshot: number): Phase => ({ _tag: "Doomed", snapshot, copies: undefined })

/** The last commit that a transaction can see, while it sees any. */
export const snapshotOf = (phase: Phase): number | undefined =>
  phase._tag === "Unbegun" || phase._tag === "Failed" ? undefined : phase.snapshot

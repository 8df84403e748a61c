/**
 * Where a database stands, by what is written down.
 */
import { latest, type Outline } from "../../Outline.ts"
import type { State } from "../../Status.ts"
import * as Version from "../../Version.ts"
import type { Recorded } from "../books/bookkeeping.ts"
import type { Books } from "../books/books.ts"

/** The version that is recorded, and what has run. */
export type Standing = Pick<Books, "journal" | "recorded">

/** Where a recorded version stands against a schema's latest. */
export const stateOf = (source: Outline, recorded: Recorded): Exclude<State, "not-set-up" | "half-set-up"> => {
  const expected = latest(source).version
  switch (Version.compare(recorded.version, expected)) {
    case -1:
      return "behind"
    case 0:
      return "current"
    case 1:
      return Version.isAfter(recorded.minCompatible, expected) ? "incompatible" : "ahead"
  }
}

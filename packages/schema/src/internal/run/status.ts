/**
 * Compares what is recorded with what a schema expects.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import type { InvalidBookkeeping } from "../../MigrationError.ts"
import { latest, type Outline } from "../../Outline.ts"
import type { State, Status } from "../../Status.ts"
import * as Version from "../../Version.ts"
import * as Bookkeeping from "../books/bookkeeping.ts"

/** Where a recorded version stands against a schema's latest. */
export const stateOf = (source: Outline, recorded: Bookkeeping.Recorded | undefined): State => {
  if (recorded === undefined) return "not-set-up"
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

/** Reads where a database stands. Writes nothing. */
export const read = (
  source: Outline,
  database: string
): Effect.Effect<Status, InvalidBookkeeping | TransactionError, DsqlClient> =>
  Effect.map(Bookkeeping.read(database), (recorded) => {
    const state = stateOf(source, recorded)
    return {
      schema: source.name,
      database,
      current: recorded?.version ?? null,
      expected: latest(source).version,
      minCompatible: recorded?.minCompatible ?? null,
      state,
      compatible: state === "current" || state === "ahead"
    }
  })

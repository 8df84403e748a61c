/**
 * Adopting what a ledger has that Effect's own migrator has run: it is taken for run, all of it or, after a process that
 * died of it, the rest of it.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import type { BaselineOptions } from "../../Migration.ts"
import type { MigrationError } from "../../MigrationError.ts"
import * as Books from "../books/books.ts"
import * as Baseline from "../run/baseline.ts"
import * as Ledger from "./ledger.ts"

/** Adopts a ledger, or refuses one that another migrator has gone on with since a version is recorded. */
export const adopt = (
  options: Omit<BaselineOptions<never>, "version" | "verify">,
  table: string
): Effect.Effect<void, MigrationError | TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    // The ledger first: what this package has run is in the journal before it is in the ledger.
    const ids = yield* Ledger.ids(table)
    const { journal, recorded } = yield* Books.read(table)
    const inLedger = options.source.versions.filter(({ version }) => ids.includes(Number(version)))
    if (recorded !== undefined) {
      const foreign = inLedger.findLast(({ version }) => !journal.some((row) => row.version === version))
      return foreign === undefined ? undefined : yield* Ledger.ranElsewhere(table, Number(foreign.version))
    }
    const last = inLedger.at(-1)
    if (last === undefined) return
    // A migration's row is never in the ledger before its statements have run, whoever ran them.
    // Those below that Effect's migrator was not told of in time, it has skipped for good.
    yield* Effect.catchTag(
      Baseline.run({ ...options, version: last.version, verify: Effect.void }),
      "VersionGap",
      // Somebody else has adopted it meanwhile, and gone on: a version is recorded now.
      () => adopt(options, table)
    )
  })

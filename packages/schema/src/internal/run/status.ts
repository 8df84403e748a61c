/**
 * Compares what is recorded with what a schema expects.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import type { Manifest } from "../../Manifest.ts"
import type { AnotherSchema, InvalidBookkeeping } from "../../MigrationError.ts"
import { latest, type Outline } from "../../Outline.ts"
import { isSource } from "../../SchemaSource.ts"
import type { Status } from "../../Status.ts"
import * as Version from "../../Version.ts"
import * as Books from "../books/books.ts"
import { label } from "../books/key.ts"
import * as Belonging from "./belonging.ts"
import { stateOf } from "./standing.ts"

/** Reads where a database stands. Writes nothing. */
export const read = (
  source: Outline,
  database: string
): Effect.Effect<Status, AnotherSchema | InvalidBookkeeping | TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const books = yield* Books.read(database)
    yield* Belonging.read(source, books, database)
    const { recorded } = books
    const begun = begunOf(source, books)
    const state = recorded === undefined ? (begun === null ? "not-set-up" : "half-set-up") : stateOf(source, recorded)
    return {
      schema: source.name,
      database,
      current: recorded?.version ?? null,
      expected: latest(source).version,
      minCompatible: recorded?.minCompatible ?? null,
      state,
      compatible: state === "current" || state === "ahead",
      begun
    }
  })

/** How far the run came that began last, where it has not ended. */
const begunOf = (source: Outline, { identity, journal, recorded }: Books.Books): Status["begun"] => {
  const goal = identity?.version ?? latest(source).version
  const isPending = ({ version }: Manifest) =>
    !Version.isAfter(version, goal) && (recorded === undefined || Version.isAfter(version, recorded.version))
  // Where nothing is recorded, all that ran is of the run that began.
  const rows =
    recorded === undefined
      ? journal
      : journal.filter((row) => source.versions.some((each) => isPending(each) && label(each) === row.version))
  if (rows.length === 0) return null
  return {
    version: goal,
    done: rows.filter(({ finished }) => finished !== null).length,
    statements: isSource(source)
      ? source.versions.filter(isPending).flatMap(({ statements }) => statements).length
      : null
  }
}

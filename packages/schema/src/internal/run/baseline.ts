/**
 * Adopting a database whose schema was made by the earlier tool or by hand.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Effect from "effect/Effect"
import { Event } from "../../Event.ts"
import type { BaselineOptions, Report } from "../../Migration.ts"
import { type MigrationError, VersionGap } from "../../MigrationError.ts"
import * as SchemaSource from "../../SchemaSource.ts"
import * as Version from "../../Version.ts"
import type { Recorded } from "../books/bookkeeping.ts"
import * as Books from "../books/books.ts"
import * as Journal from "../books/journal.ts"
import { keyed } from "../books/key.ts"
import * as Belonging from "./belonging.ts"
import * as Route from "./route.ts"
import { databaseOf, decided, type Run } from "./run.ts"

/** Writes down that every statement up to a version has run, and the version where none is recorded. */
export const run = <E>(options: BaselineOptions<E>): Effect.Effect<Report, MigrationError | E, DsqlClient> =>
  Effect.gen(function* () {
    const { source } = options
    const { to } = yield* Route.goal(source, options.version)
    const database = databaseOf(options)
    const before = yield* Books.read(database)
    const decide = (books: Books.Books) =>
      Effect.andThen(Belonging.read(source, books, database), agreed(source.name, books, to.version))
    yield* decide(before)
    yield* options.verify
    return yield* decided(options, before, undefined, decide, (_, run) => adopt(source, to, run))
  })

const adopt = Effect.fnUntraced(function* (
  source: SchemaSource.SchemaSource,
  to: Recorded,
  { books: { journal, recorded }, emit, identify, lease, record, report }: Run
) {
  yield* identify(to.version)
  const kept = Journal.make(lease, journal)
  for (const each of SchemaSource.upTo(source, to.version).flatMap(keyed)) {
    // What is written down already stays: if a file has changed since, that has to be seen.
    if (kept.find(each.key)?.finished != null) continue
    yield* kept.adopt(each)
    yield* emit(Event.Present({ location: each.statement.location, summary: each.statement.summary }))
  }
  if (recorded === undefined) yield* record({ ...to, description: "baseline", manifestMd5: "", from: "0" })
  return report(recorded?.version ?? null, to.version)
})

const agreed = (source: string, { recorded }: Books.Books, version: Version.Version) =>
  recorded === undefined || Version.equals(recorded.version, version)
    ? Effect.void
    : Effect.fail(
        new VersionGap({
          source,
          problem: `the database is recorded at ${recorded.version}, not at ${version}: adopt it at ${recorded.version}, or update it`
        })
      )

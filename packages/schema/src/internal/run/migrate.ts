/**
 * Setting a schema up and updating it.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Effect from "effect/Effect"
import { Event } from "../../Event.ts"
import type * as Migration from "../../Migration.ts"
import type { InvalidBookkeeping, MigrationError } from "../../MigrationError.ts"
import * as SchemaSource from "../../SchemaSource.ts"
import * as Version from "../../Version.ts"
import * as Bookkeeping from "../books/bookkeeping.ts"
import * as Books from "../books/books.ts"
import * as Journal from "../books/journal.ts"
import * as Tables from "../books/tables.ts"
import * as Belonging from "./belonging.ts"
import * as Elsewhere from "./elsewhere.ts"
import * as Owned from "./owned.ts"
import * as Route from "./route.ts"
import * as Run from "./run.ts"
import type { StepError } from "./step.ts"

/** Creates everything up to a version, and records it; where an earlier one is recorded, goes on from there. */
export const setup = (options: Migration.SetupOptions): Effect.Effect<Migration.Report, MigrationError, DsqlClient> =>
  Effect.gen(function* () {
    const { overwrite = false, source, versioning = true } = options
    const goal = yield* Route.goal(source, options.version)
    const database = Run.databaseOf(options)
    const before = yield* Books.read(database)
    if (!versioning) return yield* unrecorded(options, before, goal.to.version)
    const decide = (books: Books.Books) =>
      Effect.gen(function* () {
        yield* Belonging.read(source, books, database)
        yield* Elsewhere.read(source, books, database)
        return yield* Route.ofSetup(source, goal, overwrite ? { ...books, ...nothing } : books)
      })
    return yield* go(options, before, decide, overwrite)
  })

/** Runs the versions after the recorded one. */
export const update = (options: Migration.Options): Effect.Effect<Migration.Report, MigrationError, DsqlClient> =>
  Effect.gen(function* () {
    const { source } = options
    const database = Run.databaseOf(options)
    const goal = yield* Route.goal(source, options.version)
    const before = yield* Books.read(database)
    const decide = (books: Books.Books) =>
      Effect.andThen(Belonging.read(source, books, database), Route.ofUpdate(source, goal, books, database))
    return yield* go(options, before, decide, false)
  })

/** What is written down of a schema that nobody has set up. */
const nothing = { recorded: undefined, journal: [] } as const

/** Finds the way, and goes it where there is anything to do. */
const go = Effect.fnUntraced(function* <E>(
  options: Migration.Options,
  before: Books.Books,
  decide: (books: Books.Books) => Effect.Effect<Route.Route, E, DsqlClient>,
  overwrite: boolean
) {
  const route = yield* decide(before)
  const { from, versions } = route
  if (from !== undefined && versions.length === 0) return Run.unchanged(options, from.version)
  return yield* Run.decided(options, before, route, decide, (route, run) =>
    overwrite
      ? Effect.andThen(forget(options.source, run), follow(route, nothing.journal, run))
      : follow(route, run.books.journal, run)
  )
})

/** Goes a way, and records each version once its statements have run. */
const follow = Effect.fnUntraced(function* (
  { from, to, versions }: Route.Route,
  rows: ReadonlyArray<Journal.Row>,
  run: Run.Run
): Effect.fn.Return<Migration.Report, InvalidBookkeeping | StepError, DsqlClient> {
  const journal = Journal.make(run.lease, rows)
  if (versions.length > 0) {
    yield* run.identify(to.version)
    const statements = versions.flatMap(({ statements }) => statements).length
    yield* run.emit(Event.Begun({ version: to.version, statements }))
  }
  if (from === undefined) {
    yield* Effect.forEach(versions, (version) => run.apply(version, journal), { discard: true })
    // What the earlier tool writes for a schema that was set up at once, whatever its manifests say.
    yield* run.record({ ...to, description: "initial version", manifestMd5: "", from: "0" })
    return run.report(null, to.version)
  }
  let at = from.version
  for (const version of versions) {
    yield* run.apply(version, journal)
    if (!Version.isAfter(version.version, at)) continue
    yield* run.record({ ...version, manifestMd5: version.md5, from: at })
    at = version.version
  }
  return run.report(from.version, at)
})

/** Drops what a schema owns. What is written down goes first: a run that is killed from here on starts over. */
const forget = Effect.fnUntraced(function* (
  source: SchemaSource.SchemaSource,
  { books, emit, lease }: Pick<Run.Run, "books" | "emit" | "lease">
) {
  const found = yield* Owned.find(Owned.names(source, books))
  yield* Bookkeeping.forget(lease)
  yield* dropAll(found, lease.renew, emit)
})

/** Sets up without lease and journal. Where there are books, what they say of the schema is forgotten under the lease. */
const unrecorded = Effect.fnUntraced(function* (
  options: Migration.SetupOptions,
  before: Books.Books,
  version: Version.Version
): Effect.fn.Return<Migration.Report, MigrationError, DsqlClient> {
  const { overwrite = false, source } = options
  const run = Run.make(options, before.engine)
  if (overwrite) {
    yield* Belonging.read(source, before, Run.databaseOf(options))
    const found = yield* Owned.find(Owned.names(source, before))
    if (!before.missing.includes(Tables.lease))
      yield* Run.leased(options, before, ({ lease }) => Bookkeeping.forget(lease))
    yield* dropAll(found, Effect.void, run.emit)
  }
  yield* Effect.forEach(SchemaSource.upTo(source, version), (each) => run.apply(each, Journal.none), { discard: true })
  return run.report(null, null)
})

/** Drops tables, the newest first. */
const dropAll = (found: ReadonlyArray<Owned.Found>, renew: Parameters<typeof Owned.drop>[1], emit: Run.Run["emit"]) =>
  Effect.forEach(
    found.toReversed(),
    (each) => Effect.andThen(Owned.drop(each, renew), emit(Event.Dropped({ table: each.table }))),
    { discard: true }
  )

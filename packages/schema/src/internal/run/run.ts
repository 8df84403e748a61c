/**
 * A run under way: its lease, what is written down, what it does, and the counts that its report gives.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import type { Engine } from "../../Engine.ts"
import { Event } from "../../Event.ts"
import type * as Migration from "../../Migration.ts"
import type { InvalidBookkeeping, LeaseLost, MigrationError } from "../../MigrationError.ts"
import * as Outline from "../../Outline.ts"
import type { SchemaVersion } from "../../SchemaSource.ts"
import type * as Version from "../../Version.ts"
import * as Bookkeeping from "../books/bookkeeping.ts"
import * as Books from "../books/books.ts"
import * as Identity from "../books/identity.ts"
import * as Journal from "../books/journal.ts"
import { keyed } from "../books/key.ts"
import * as Lease from "../books/lease.ts"
import * as Differences from "../structure/differences.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Step from "./step.ts"

/** What a run under a lease can do. */
export interface Run {
  readonly lease: Lease.Lease
  /** As they were when the lease was taken; nobody else writes them from then on. */
  readonly books: Books.Books
  readonly emit: (event: Event) => Effect.Effect<void>
  /** Writes down which schema the database has, and the version that it is at or on its way to. */
  readonly identify: (version: Version.Version) => Effect.Effect<void, LeaseLost | TransactionError, DsqlClient>
  /** Runs the statements of a version that have not run by what the journal says. */
  readonly apply: (version: SchemaVersion, journal: Journal.Journal) => Effect.Effect<void, Step.StepError, DsqlClient>
  readonly record: (
    to: Bookkeeping.NewVersion
  ) => Effect.Effect<void, InvalidBookkeeping | LeaseLost | TransactionError, DsqlClient>
  readonly report: (from: Version.Version | null, to: Version.Version | null) => Migration.Report
}

/** The name that the version is recorded under: the caller's, or else the schema's. */
export const databaseOf = ({
  database,
  source
}: {
  readonly database?: string | undefined
  readonly source: Outline.Outline
}): string => database ?? Outline.recordedUnder(source.name)

/**
 * Decides by what is written down, and acts on the decision under the lease. It decides anew only where another
 * migrator has held the lease since the books were read.
 */
export const decided = <D, A, E, E2>(
  options: Migration.Options,
  before: Books.Books,
  decision: D,
  decide: (books: Books.Books) => Effect.Effect<D, E, DsqlClient>,
  act: (decision: D, run: Run) => Effect.Effect<A, E2, DsqlClient>
): Effect.Effect<A, E | E2 | MigrationError, DsqlClient> =>
  leased(options, before, (run) =>
    Effect.flatMap(run.books === before ? Effect.succeed(decision) : decide(run.books), (settled) => act(settled, run))
  )

/**
 * Creates what is missing of the books, takes the lease, and runs an effect with what is written down by then: with
 * the books as they were read before, where nobody can have written them since.
 */
export const leased = <A, E>(
  options: Migration.Options,
  before: Books.Books,
  use: (run: Run) => Effect.Effect<A, E, DsqlClient>
): Effect.Effect<A, E | MigrationError, DsqlClient> =>
  Effect.gen(function* () {
    const database = databaseOf(options)
    const { apply, emit, report } = make(options, before.engine)
    // Two that create them at once are settled by the catalogue, as every statement is.
    yield* Effect.forEach(
      before.missing,
      (table) =>
        Step.run(
          { key: { version: "", ordinal: 0 }, statement: table },
          { engine: before.engine, schema: { statements: [table], acceptedTypes: {} }, emit, journal: Journal.none }
        ),
      { discard: true }
    )
    return yield* Lease.hold(
      database,
      options.lease ?? {},
      ({ expires, owner }) => emit(Event.Held({ owner, expires })),
      (lease) =>
        Effect.gen(function* () {
          const books = Lease.follows(lease, before.lease) ? before : yield* reconnecting(Books.read(database))
          return yield* use({
            lease,
            books,
            emit,
            identify: (version) => Identity.record(lease, options.source, version),
            apply,
            record: (to) =>
              Effect.andThen(Bookkeeping.record(lease, to), emit(Event.Recorded({ version: to.version }))),
            report
          })
        })
    )
  })

/** The report of a run that had nothing to do. */
export const unchanged = (options: Migration.Options, at: Version.Version): Migration.Report =>
  reportOf(options, [], at, at)

/** A run that writes nothing down. */
export const make = (options: Migration.Options, engine: Engine): Pick<Run, "apply" | "emit" | "report"> => {
  const { onEvent = () => Effect.void, source } = options
  const schema = Differences.expected(source, options.version)
  const events: Array<Event> = []
  const emit = (event: Event) => {
    events.push(event)
    return onEvent(event)
  }
  return {
    emit,
    apply: (version, journal) =>
      Effect.forEach(keyed(version), (each) => Step.run(each, { engine, schema, emit, journal }), { discard: true }),
    report: (from, to) => reportOf(options, events, from, to)
  }
}

const reportOf = (
  options: Migration.Options,
  events: ReadonlyArray<Event>,
  from: Version.Version | null,
  to: Version.Version | null
): Migration.Report => ({
  schema: options.source.name,
  database: databaseOf(options),
  from,
  to,
  changed: events.some(({ _tag }) => _tag === "Applied" || _tag === "Dropped" || _tag === "Recorded"),
  applied: events.filter(Event.$is("Applied")).length,
  present: events.filter(Event.$is("Present")).length,
  dropped: events.filter(Event.$is("Dropped")).map(({ table }) => table)
})

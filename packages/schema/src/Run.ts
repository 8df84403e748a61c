/**
 * A run under way: its lease, its journal, what it does, and the counts that its report gives.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import * as Bookkeeping from "./Bookkeeping.ts"
import type * as Catalogue from "./Catalogue.ts"
import { Event } from "./Event.ts"
import { reconnecting } from "./internal/reconnecting.ts"
import * as Journal from "./Journal.ts"
import * as Lease from "./Lease.ts"
import type { MigrationError, Report, Settings } from "./Migration.ts"
import type { LeaseLost } from "./SchemaError.ts"
import { label, type SchemaVersion } from "./SchemaSource.ts"
import * as State from "./State.ts"
import * as Step from "./Step.ts"
import type * as Version from "./Version.ts"

/**
 * What a run under a lease can do.
 *
 * @since 0.1.0
 * @category models
 */
export interface Run {
  readonly lease: Lease.Lease
  /** As it was when the lease was taken, which nobody else changes from then on. */
  readonly state: State.State
  readonly emit: (event: Event) => Effect.Effect<void>
  /** Runs the statements of a version that have not run by what the journal says. */
  readonly apply: (version: SchemaVersion, journal: Journal.Journal) => Effect.Effect<void, Step.StepError, DsqlClient>
  readonly record: (change: Bookkeeping.Change) => Effect.Effect<void, LeaseLost | TransactionError, DsqlClient>
  readonly report: (from: Version.Version | null, to: Version.Version | null) => Report
}

/**
 * The name that the version is recorded under.
 *
 * @since 0.1.0
 * @category accessors
 */
export const databaseOf = ({ database = Bookkeeping.defaultDatabase }: Pick<Settings, "database">): string => database

/**
 * Creates what is missing of the books, takes the lease, and runs an effect with what is written down by then.
 *
 * @since 0.1.0
 * @category execution
 */
export const leased = <A, E>(
  settings: Settings,
  { engine, missing }: State.State,
  use: (run: Run) => Effect.Effect<A, E, DsqlClient>
): Effect.Effect<A, E | MigrationError, DsqlClient> =>
  Effect.gen(function* () {
    const database = databaseOf(settings)
    const { apply, emit, report } = make(settings, engine)
    // Two that create them at once are settled by the catalogue, as every statement is.
    yield* Effect.forEach(
      missing,
      (table) => Step.run({ version: "", ordinal: 0 }, table, { engine, emit, journal: Journal.none }),
      { discard: true }
    )
    return yield* Lease.hold(
      database,
      settings.lease ?? {},
      ({ expires, owner }) => emit(Event.Held({ owner, expires })),
      (lease) =>
        Effect.gen(function* () {
          const state = yield* reconnecting(State.read(database))
          return yield* use({
            lease,
            state,
            emit,
            apply,
            record: (change) =>
              Effect.andThen(Bookkeeping.record(lease, change), emit(Event.Recorded({ version: change.version }))),
            report
          })
        })
    )
  })

/**
 * The report of a run that had nothing to do.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unchanged = (settings: Settings, at: Version.Version): Report => reportOf(settings, [], at, at)

/**
 * A run that writes nothing down.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (settings: Settings, engine: Catalogue.Engine): Pick<Run, "apply" | "emit" | "report"> => {
  const { onEvent = () => Effect.void } = settings
  const events: Array<Event> = []
  const emit = (event: Event) => {
    events.push(event)
    return onEvent(event)
  }
  return {
    emit,
    apply: (version, journal) =>
      Effect.forEach(
        version.statements,
        (statement, i) => Step.run({ version: label(version), ordinal: i + 1 }, statement, { engine, emit, journal }),
        { discard: true }
      ),
    report: (from, to) => reportOf(settings, events, from, to)
  }
}

const reportOf = (
  settings: Settings,
  events: ReadonlyArray<Event>,
  from: Version.Version | null,
  to: Version.Version | null
): Report => ({
  schema: settings.source.name,
  database: databaseOf(settings),
  from,
  to,
  changed: events.some(({ _tag }) => _tag === "Applied" || _tag === "Dropped" || _tag === "Recorded"),
  applied: events.filter(Event.$is("Applied")).length,
  present: events.filter(Event.$is("Present")).length,
  dropped: events.filter(Event.$is("Dropped")).map(({ table }) => table)
})

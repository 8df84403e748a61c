/**
 * Adopting a database whose schema was made by the earlier tool or by hand.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Effect from "effect/Effect"
import { Event } from "./Event.ts"
import * as Journal from "./Journal.ts"
import type { MigrationError, Report, Settings } from "./Migration.ts"
import * as Route from "./Route.ts"
import { databaseOf, leased } from "./Run.ts"
import { VersionGap } from "./SchemaError.ts"
import * as SchemaSource from "./SchemaSource.ts"
import * as State from "./State.ts"
import * as Version from "./Version.ts"

/**
 * What is adopted, and how it is proven to be what it is said to be.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E> extends Settings {
  /**
   * Runs before anything is written, and fails where the database is not what the version says: `Verify` of this
   * package is made for it. `Effect.void` trusts the caller.
   */
  readonly verify: Effect.Effect<void, E, DsqlClient>
}

/**
 * Adopts a database: writes down that every statement up to a version has run, and the version where none is recorded.
 *
 * @since 0.1.0
 * @category execution
 */
export const run = <E>(options: Options<E>): Effect.Effect<Report, MigrationError | E, DsqlClient> =>
  Effect.gen(function* () {
    const { source } = options
    const target = yield* Route.goal(source, options.version)
    const before = yield* State.read(databaseOf(options))
    yield* agreed(source.name, before, target.version)
    yield* options.verify
    return yield* leased(options, before, (run) =>
      Effect.gen(function* () {
        const { emit, lease, state } = run
        yield* agreed(source.name, state, target.version)
        const journal = Journal.make(lease, state.journal)
        for (const version of SchemaSource.upTo(source, target.version)) {
          for (const [i, statement] of version.statements.entries()) {
            const key = { version: SchemaSource.label(version), ordinal: i + 1 }
            // What is written down already stays: if a file has changed since, that has to be seen.
            if (isFinished(journal.find(key))) continue
            yield* journal.adopt(key, statement)
            yield* emit(Event.Present({ location: statement.location, summary: statement.summary }))
          }
        }
        const { recorded } = state
        if (recorded === undefined) {
          yield* run.record({ ...target, description: "baseline", manifestMd5: "", from: "0" })
        }
        return run.report(recorded?.version ?? null, target.version)
      })
    )
  })

const agreed = (source: string, { recorded }: State.State, version: Version.Version) =>
  recorded === undefined || Version.equals(recorded.version, version)
    ? Effect.void
    : Effect.fail(
        new VersionGap({
          source,
          problem: `the database is recorded at ${recorded.version}, not at ${version}: adopt it at ${recorded.version}, or update it`
        })
      )

const isFinished = (row: Journal.Row | undefined): boolean => row !== undefined && row.finished !== null

/**
 * What a run would do, without doing it: read in one READ ONLY transaction,
 * which the database itself keeps from writing.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as Catalogue from "./Catalogue.ts"
import * as Evidence from "./Evidence.ts"
import { digest } from "./internal/digest.ts"
import * as Journal from "./Journal.ts"
import type { MigrationError, Settings } from "./Migration.ts"
import * as Route from "./Route.ts"
import { databaseOf } from "./Run.ts"
import type { ObjectDiffers } from "./SchemaError.ts"
import { label } from "./SchemaSource.ts"
import * as State from "./State.ts"
import { display, names } from "./Target.ts"
import type * as Version from "./Version.ts"

/**
 * What would become of a statement.
 *
 * - `run`: it runs.
 * - `present`: the catalogue shows that it has run; that is written down.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly version: Version.Version
  /** Which statement of the version, from 1. */
  readonly ordinal: number
  /** The file and line. */
  readonly location: string
  /** What it does, in a few words. */
  readonly summary: string
  /** The statement as it would be sent. */
  readonly sql: string
  readonly action: "run" | "present"
}

/**
 * What a run would do. It is also the JSON that the command line prints.
 *
 * @since 0.1.0
 * @category models
 */
export interface Plan {
  /** The name of the schema: a built-in one, or a path. */
  readonly schema: string
  /** The name that the version is recorded under. */
  readonly database: string
  /** The recorded version; null where none is, so that the plan is one of a setup. */
  readonly from: Version.Version | null
  /** The version after. */
  readonly to: Version.Version
  /** In the order in which they would run; what has run already is left out. */
  readonly steps: ReadonlyArray<Step>
  /** Whether the run would change anything, be it only what is recorded. */
  readonly changes: boolean
}

/**
 * Makes a plan: of an update, or of a setup where no version is recorded.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  settings: Pick<Settings, "source" | "version" | "database">
): Effect.Effect<Plan, MigrationError, DsqlClient> =>
  Transaction.run(
    Effect.gen(function* () {
      const { source, version } = settings
      const database = databaseOf(settings)
      const state = yield* State.select(database)
      const route = yield* state.recorded === undefined
        ? Route.ofSetup(source, version, state)
        : Route.ofUpdate(source, version, state, database)
      const steps = yield* stepsOf(route, state)
      return {
        schema: source.name,
        database,
        from: route.from?.version ?? null,
        to: route.versions.at(-1)?.version ?? route.from?.version ?? route.to.version,
        steps,
        changes: route.from === undefined || route.versions.length > 0
      }
    }),
    { operation: "PlanMigration", readOnly: true }
  )

const stepsOf = Effect.fnUntraced(function* (
  { versions }: Route.Route,
  { engine, journal }: State.State
): Effect.fn.Return<ReadonlyArray<Step>, ObjectDiffers | SqlError, Transaction.Transaction> {
  const snapshot = yield* Catalogue.lookup(
    versions.flatMap(({ statements }) => statements.flatMap(({ target }) => names(target)))
  )
  const now = journal.some((row) => Journal.isOpen(row) && row.catalogue !== null) ? yield* digest : null
  // The catalogue tells nothing of what a statement before will have changed by then.
  const touched = new Set<string>()
  const steps: Array<Step> = []
  for (const version of versions) {
    for (const [i, statement] of version.statements.entries()) {
      const ordinal = i + 1
      const row = journal.find((row) => row.version === label(version) && row.ordinal === ordinal)
      if (row !== undefined && row.finished !== null) continue
      const { location, postgres, summary, target, text } = statement
      const about = names(target).map(display)
      const isTouched = about.some((name) => touched.has(name))
      const differs = isTouched ? undefined : Evidence.difference(statement, snapshot)
      if (differs !== undefined) return yield* differs
      const shown =
        target._tag === "Other"
          ? row !== undefined && Journal.isOpen(row) && row.catalogue !== null && row.catalogue !== now
          : !isTouched && Evidence.shows(target, snapshot)
      if (!shown) for (const name of about) touched.add(name)
      const sql = engine === "dsql" ? text : postgres
      steps.push({ version: version.version, ordinal, location, summary, sql, action: shown ? "present" : "run" })
    }
  }
  return steps
})

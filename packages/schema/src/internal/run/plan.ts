/**
 * Finds out what a run would do, in one READ ONLY transaction, which the
 * database itself keeps from writing.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Options } from "../../Migration.ts"
import type { MigrationError, ObjectDiffers } from "../../MigrationError.ts"
import type { Plan, Step } from "../../Plan.ts"
import * as Books from "../books/books.ts"
import * as Journal from "../books/journal.ts"
import { keyed, rowOf } from "../books/key.ts"
import * as Catalogue from "../catalogue/catalogue.ts"
import { digest } from "../catalogue/digest.ts"
import * as Evidence from "../catalogue/evidence.ts"
import { display, names } from "../sql/target.ts"
import * as Belonging from "./belonging.ts"
import * as Route from "./route.ts"
import { databaseOf } from "./run.ts"

/** Makes a plan: of an update, or of a setup where no version is recorded. */
export const make = (
  options: Pick<Options, "source" | "version" | "database">
): Effect.Effect<Plan, MigrationError, DsqlClient> =>
  Effect.gen(function* () {
    const { source, version } = options
    const database = databaseOf(options)
    const goal = yield* Route.goal(source, version)
    const read = Effect.gen(function* () {
      const books = yield* Books.select(database)
      yield* Belonging.select(source, books, database)
      const route = yield* books.recorded === undefined
        ? Route.ofSetup(source, goal, books)
        : Route.ofUpdate(source, goal, books, database)
      return { route, steps: yield* stepsOf(route, books) }
    })
    const { route, steps } = yield* Transaction.run(read, { operation: "PlanMigration", readOnly: true })
    return {
      schema: source.name,
      database,
      from: route.from?.version ?? null,
      to: route.versions.at(-1)?.version ?? route.from?.version ?? route.to.version,
      changes: route.from === undefined || route.versions.length > 0,
      steps
    }
  })

const stepsOf = Effect.fnUntraced(function* (
  { versions }: Route.Route,
  { engine, journal }: Books.Books
): Effect.fn.Return<ReadonlyArray<Step>, ObjectDiffers | SqlError, Transaction.Transaction> {
  const snapshot = yield* Catalogue.lookup(
    versions.flatMap(({ statements }) => statements.flatMap(({ target }) => names(target)))
  )
  const now = journal.some((row) => Journal.isOpen(row) && row.catalogue !== null) ? yield* digest : null
  // The catalogue tells nothing of what a statement before will have changed by then.
  const touched = new Set<string>()
  const steps: Array<Step> = []
  for (const version of versions) {
    for (const { key, statement } of keyed(version)) {
      const row = rowOf(journal, key)
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
      const action = shown ? "present" : "run"
      steps.push({ version: version.version, ordinal: key.ordinal, location, summary, sql, action })
    }
  }
  return steps
})

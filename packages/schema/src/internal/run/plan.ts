/**
 * Finds out what a run would do, in one READ ONLY transaction, which the
 * database itself keeps from writing.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Options } from "../../Migration.ts"
import type { MigrationError } from "../../MigrationError.ts"
import type { Plan, Step } from "../../Plan.ts"
import type { SqlStatement } from "../../SqlStatement.ts"
import * as Books from "../books/books.ts"
import * as Journal from "../books/journal.ts"
import { keyed, rowOf } from "../books/key.ts"
import * as Catalogue from "../catalogue/catalogue.ts"
import * as Digest from "../catalogue/digest.ts"
import * as Evidence from "../catalogue/evidence.ts"
import { compared, display, names } from "../sql/target.ts"
import type { There } from "../structure/course.ts"
import * as Differences from "../structure/differences.ts"
import * as Belonging from "./belonging.ts"
import * as Elsewhere from "./elsewhere.ts"
import * as Present from "./present.ts"
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
      yield* Elsewhere.select(source, books, database)
      const route = yield* books.recorded === undefined
        ? Route.ofSetup(source, goal, books)
        : Route.ofUpdate(source, goal, books, database)
      return { route, ...(yield* look(route, books)) }
    })
    const { present, route, snapshot, steps, there } = yield* Transaction.run(read, {
      operation: "PlanMigration",
      readOnly: true
    })
    const schema = Differences.expected(source, version)
    yield* Effect.forEach(present, (statement) => Present.ensure(statement, schema, snapshot, there), { discard: true })
    return {
      schema: source.name,
      database,
      from: route.from?.version ?? null,
      to: route.versions.at(-1)?.version ?? route.from?.version ?? route.to.version,
      changes: route.from === undefined || route.versions.length > 0,
      steps
    }
  })

/** The steps of a route, and what is there of those that show by their names that they have run. */
const look = Effect.fnUntraced(function* (
  { versions }: Route.Route,
  { engine, journal }: Books.Books
): Effect.fn.Return<Looked, SqlError, Transaction.Transaction> {
  const snapshot = yield* Catalogue.lookup(
    versions.flatMap(({ statements }) => statements.flatMap(({ target }) => names(target)))
  )
  // The catalogue tells nothing of what a statement before will have changed by then.
  const touched = new Set<string>()
  const steps: Array<Step> = []
  const present: Array<SqlStatement> = []
  for (const version of versions) {
    for (const { key, statement } of keyed(version)) {
      const row = rowOf(journal, key)
      if (row !== undefined && row.finished !== null) continue
      const { async, location, postgres, shown, summary, target } = statement
      const isTouched = [...names(target), ...compared(target)].some((name) => touched.has(display(name)))
      const isShown = !isTouched && Evidence.shows(target, snapshot)
      if (isShown) present.push(statement)
      const hasRun = isShown || (row !== undefined && (yield* hasChanged(row, statement)))
      if (!hasRun) for (const name of names(target)) touched.add(display(name))
      const sql = async && engine === "postgres" ? postgres : shown
      const action = hasRun ? "present" : "run"
      steps.push({ version: version.version, ordinal: key.ordinal, location, summary, sql, action })
    }
  }
  const there = yield* Differences.thereOf(present.flatMap(({ target }) => compared(target)))
  return { steps, present, snapshot, there }
})

interface Looked {
  readonly steps: ReadonlyArray<Step>
  readonly present: ReadonlyArray<SqlStatement>
  readonly snapshot: Catalogue.Snapshot
  readonly there: There
}

/** Whether a statement has run that was begun, and whose end is not known, by what it brings about that has no name. */
const hasChanged = (row: Journal.Row, { target }: SqlStatement) =>
  Journal.isOpen(row) && target._tag === "Other" && target.objects.length > 0 && Digest.isOwn(row.catalogue)
    ? Effect.map(Digest.of(target.objects), (now) => now !== row.catalogue)
    : Effect.succeed(false)

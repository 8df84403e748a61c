/**
 * One statement of a schema, run once: it is looked for in the catalogue, run in
 * a transaction of its own where it is missing, and waited for where the service
 * does the work later. Nothing is decided by the text of an error.
 *
 * @since 0.1.0
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Catalogue from "./Catalogue.ts"
import { Event } from "./Event.ts"
import * as Job from "./Job.ts"
import { IndexInvalid, type JobFailed, ObjectDiffers, StatementRefused } from "./SchemaError.ts"
import type { SqlStatement } from "./SqlFile.ts"
import { display, type Name } from "./Target.ts"

/**
 * Why a step failed.
 *
 * @since 0.1.0
 * @category models
 */
export type StepError = ObjectDiffers | IndexInvalid | JobFailed | StatementRefused | TransactionError

/**
 * Makes sure that a statement has run. Running it again does nothing where the
 * catalogue shows that it has; what the catalogue cannot show runs again.
 *
 * @since 0.1.0
 * @category execution
 */
export const run = (
  statement: SqlStatement,
  engine: Catalogue.Engine,
  emit: (event: Event) => Effect.Effect<void>
): Effect.Effect<void, StepError, DsqlClient> =>
  Effect.gen(function* () {
    const { location, summary } = statement
    if (yield* isDone(statement)) {
      yield* settleIndex(statement, engine, undefined, emit)
      return yield* emit(Event.Present({ location, summary }))
    }
    const job = yield* execute(statement, engine).pipe(
      // Somebody else may have done the same, or this statement may have, with its answer lost.
      Effect.catch((cause) =>
        Effect.flatMap(
          Effect.orElseSucceed(isDone(statement), () => false),
          (done) => (done ? Effect.succeed(undefined) : Effect.fail(new StatementRefused({ location, summary, cause })))
        )
      )
    )
    if (job !== undefined && statement.target._tag !== "CreateIndex") {
      yield* emit(Event.Waiting({ location, summary, job }))
      yield* Job.succeed(job, location)
    }
    yield* settleIndex(statement, engine, job, emit)
    yield* emit(Event.Applied({ location, summary }))
  })

const execute = (statement: SqlStatement, engine: Catalogue.Engine) =>
  Effect.map(
    Transaction.autocommit(
      Effect.flatMap(
        Transaction.sql,
        (sql) => sql.unsafe(engine === "dsql" ? statement.text : statement.postgres).unprepared
      ),
      { operation: "MigrateSchema" }
    ),
    (rows) => (statement.async ? Job.idOf(rows) : undefined)
  )

/** Whether the catalogue shows that a statement has run. */
const isDone = Effect.fnUntraced(function* ({ location, target }: SqlStatement) {
  const differs = (kind: string, name: Name, problem: string) =>
    new ObjectDiffers({ object: `${kind} ${display(name)}`, location, problem })
  switch (target._tag) {
    case "CreateTable": {
      const found = yield* Catalogue.relation(target.name)
      if (found === undefined) return false
      if (found.kind !== "table") return yield* differs("a relation", target.name, `it is a ${found.kind}`)
      const missing = target.columns.filter((column) => !found.columns.includes(column))
      if (missing.length > 0) {
        return yield* differs("a table", target.name, `it lacks the columns ${missing.join(", ")}`)
      }
      return true
    }
    case "CreateIndex": {
      const found = yield* Catalogue.relation(target.name)
      if (found === undefined) return false
      if (found.index === undefined) return yield* differs("a relation", target.name, `it is a ${found.kind}`)
      if (found.index.table !== target.table.name) {
        return yield* differs("an index", target.name, `it is on table ${found.index.table}`)
      }
      if (found.index.unique !== target.unique) {
        return yield* differs("an index", target.name, `it is ${target.unique ? "not " : ""}unique`)
      }
      return true
    }
    case "CreateRelation": {
      const found = yield* Catalogue.relation(target.name)
      if (found === undefined) return false
      return found.kind === target.kind ? true : yield* differs("a relation", target.name, `it is a ${found.kind}`)
    }
    case "AddColumn": {
      const found = yield* Catalogue.relation(target.table)
      return found !== undefined && found.columns.includes(target.column)
    }
    case "DropColumn": {
      const found = yield* Catalogue.relation(target.table)
      return found !== undefined && !found.columns.includes(target.column)
    }
    case "RenameColumn": {
      const found = yield* Catalogue.relation(target.table)
      return found !== undefined && found.columns.includes(target.to) && !found.columns.includes(target.column)
    }
    case "Drop":
      return (yield* Catalogue.relation(target.name)) === undefined
    default:
      return false
  }
})

/** Waits until the index of a statement is built, and makes sure that it is valid. */
const settleIndex = Effect.fnUntraced(function* (
  { location, summary, target }: SqlStatement,
  engine: Catalogue.Engine,
  started: string | undefined,
  emit: (event: Event) => Effect.Effect<void>
) {
  if (target._tag !== "CreateIndex") return
  const before = yield* Catalogue.relation(target.name)
  if (before?.index?.valid === true) return
  // A run that was killed leaves its job behind; the index says which one that is.
  const job =
    started ?? (before === undefined || engine === "postgres" ? undefined : yield* Job.building(target.name, before))
  if (job !== undefined) {
    yield* emit(Event.Waiting({ location, summary, job }))
    yield* Job.wait(job)
  }
  const after = yield* Catalogue.relation(target.name)
  if (after?.index?.valid === true) return
  const details = job === undefined ? undefined : yield* Job.details(job)
  return yield* new IndexInvalid({ index: display(target.name), location, details, collisions: [] })
})

/**
 * A statement with all that the emulator reads from its text, once for each text that comes again.
 */
import { Statement } from "@effect-dsql/dialect"
import * as Effect from "effect/Effect"
import * as Plan from "./plan.ts"
import * as Tables from "./tables.ts"

/** A statement with its plan. */
export interface Prepared {
  /** As the client wrote it. */
  readonly text: string
  /** As it may be shown: without passwords. */
  readonly shown: string
  /** With `?` for its values; read when somebody asks for the first time. */
  readonly shape: () => string
  /** As PostgreSQL takes it. */
  readonly sql: string
  readonly plan: Plan.Plan
  readonly tables: ReadonlyArray<Tables.Table>
  /** Every name in it, whatever it is the name of. */
  readonly names: ReadonlySet<string>
  readonly writes: ReadonlyArray<Tables.Write>
}

/** Texts above this length are not remembered: bulk writes do not come again. */
const longest = 100_000

const of = (statement: Statement.Statement): Prepared => {
  const tables = Tables.named(statement)
  let shape: string | undefined
  return {
    text: statement.text,
    shown: Statement.redacted(statement),
    // Of a text that is not remembered it would cost as much as reading it again.
    shape: () =>
      (shape ??= statement.text.length < longest ? Statement.shape(statement) : Statement.redacted(statement)),
    sql: Statement.withoutWaiting(statement),
    plan: Plan.of(statement, tables),
    tables,
    names: Tables.names(statement),
    writes: Tables.written(statement)
  }
}

/** Prepares the statements of a text. */
export type Prepare = (sql: string) => Effect.Effect<ReadonlyArray<Prepared>, Statement.SyntaxError>

/** Remembers what was parsed lately; parsing costs more than running a short statement. */
export const make = (capacity = 2_000): Prepare => {
  const known = new Map<string, ReadonlyArray<Prepared>>()
  return (sql) => {
    const found = known.get(sql)
    if (found !== undefined) return Effect.succeed(found)
    return Effect.map(Statement.parse(sql), (statements) => {
      const prepared = statements.map(of)
      if (sql.length < longest) {
        if (known.size >= capacity) known.clear()
        known.set(sql, prepared)
      }
      return prepared
    })
  }
}

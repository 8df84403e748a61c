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

/** Characters of all texts that are remembered: with what was read from them fifteen to sixty megabytes. */
const room = 500_000

const known = new Map<string, ReadonlyArray<Prepared>>()
let taken = 0

/**
 * Prepares the statements of a text. Remembers what the emulators of this process have read lately, because reading
 * costs more than running a short statement, and says the same to each of them.
 */
export const prepare = (sql: string): Effect.Effect<ReadonlyArray<Prepared>, Statement.SyntaxError> =>
  Effect.suspend(() => {
    const found = known.get(sql)
    if (found !== undefined) return Effect.succeed(found)
    return Effect.map(Statement.parse(sql), (statements) => {
      const prepared = statements.map(of)
      if (sql.length < longest) remember(sql, prepared)
      return prepared
    })
  })

const remember = (sql: string, prepared: ReadonlyArray<Prepared>): void => {
  taken += sql.length
  if (taken > room) {
    known.clear()
    taken = sql.length
  }
  known.set(sql, prepared)
}

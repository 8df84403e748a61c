/**
 * A client of Effect SQL that sends nothing and writes down what it is asked to send.
 *
 * What a statement of a migration is answered is known without asking: no rows. Whatever would be answered with more, a
 * query, RETURNING, a count, is refused, and so is what belongs to one connection. So a migration does with this client
 * what it would do with a database, and all its statements are known before the first of them runs.
 */
import * as ParseTree from "@effect-dsql/dialect/ParseTree"
import * as Quote from "@effect-dsql/dialect/Quote"
import * as SqlText from "@effect-dsql/dialect/Statement"
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import { InvalidStatement } from "../../SourceError.ts"
import type { SqlStatement } from "../../SqlStatement.ts"
import * as SqlFile from "../sql/sqlFile.ts"
import { textOf } from "./constant.ts"

/** Runs a migration on the recorder, and gives its statements. */
export const record = <E>(
  migration: Effect.Effect<unknown, E, SqlClient.SqlClient>,
  name: string
): Effect.Effect<ReadonlyArray<SqlStatement>, E | InvalidStatement> =>
  Effect.gen(function* () {
    const statements: Array<SqlStatement> = []
    // Kept here, because a migration may make anything of the error of a statement.
    let refusal: InvalidStatement | undefined
    const refused = (error: InvalidStatement) => {
      refusal ??= error
      return new SqlError({ reason: new UnknownError({ cause: error, message: error.message, operation: "record" }) })
    }
    const refuse = (problem: string) =>
      Effect.suspend(() => Effect.fail(refused(new InvalidStatement({ path: name, line: 1, column: 1, problem }))))
    const add = (text: string) =>
      statementsOf(text, name).pipe(
        Effect.map((found) => {
          for (const statement of found) {
            statements.push({ ...statement, location: `${name}, statement ${statements.length + 1}` })
          }
          return []
        }),
        Effect.catch((problem) => refuse(`${shown(text)}: ${problem}`))
      )
    const asked = (text: string) => refuse(`${shown(text)}: ${asks}`)
    const connection: Connection = {
      execute: add,
      executeUnprepared: add,
      executeRaw: asked,
      executeValues: asked,
      executeValuesUnprepared: asked,
      executeStream: (text) => Stream.fromEffect(asked(text))
    }
    const client = yield* Effect.provide(
      SqlClient.make({
        driver: "pg",
        acquirer: Effect.succeed(connection),
        compiler: compiler((problem) => {
          throw refused(new InvalidStatement({ path: name, line: 1, column: 1, problem }))
        }),
        spanAttributes: []
      }),
      Reactivity.layer
    )
    const own = "each statement of a migration is a transaction of its own, on any connection"
    const sql: SqlClient.SqlClient = Object.assign(client, {
      reserve: refuse(`a migration cannot reserve a connection: ${own}`),
      withTransaction: () => refuse(`a migration cannot begin a transaction: ${own}`)
    })
    const exit = yield* Effect.exit(Effect.provideService(migration, SqlClient.SqlClient, sql))
    if (refusal !== undefined) return yield* refusal
    yield* exit
    return statements
  })

const asks =
  "a migration is known before it runs, so it can ask the database for nothing: let the statement do it, as " +
  "INSERT … SELECT and UPDATE … FROM do, or do it in the program with Transaction.run"

/** The statements of a text, or what is wrong with it. */
const statementsOf = Effect.fnUntraced(function* (
  text: string,
  name: string
): Effect.fn.Return<ReadonlyArray<SqlStatement>, string> {
  const parsed = yield* Effect.orElseSucceed(SqlText.parse(text), () => [])
  for (const { node } of parsed) {
    if (answersRows(node)) return yield* Effect.fail(asks)
    let hasParameter = false
    ParseTree.walk(node, { ParamRef: () => (hasParameter = true) })
    if (hasParameter) return yield* Effect.fail("it has a place for a parameter: write its value into the template")
  }
  return yield* Effect.mapError(SqlFile.parse(new TextEncoder().encode(text), name), ({ problem }) => problem)
})

/** Whether a statement is answered with rows, whatever it changes besides. */
const answersRows = (node: ParseTree.Node): boolean => {
  const { node: fields, tag } = ParseTree.tagged(node)
  return tag === "SelectStmt" || ("returningList" in fields && (fields.returningList ?? []).length > 0)
}

const shown = (text: string): string => {
  const line = text.trim().replaceAll(/\s+/g, " ")
  return line.length > 60 ? `${line.slice(0, 60)}…` : line
}

/** Writes values into the text. */
const compiler = (refuse: (problem: string) => never): Statement.Compiler => {
  const written = (value: unknown): string =>
    textOf(value) ??
    refuse(`a value of a migration cannot be written down: ${typeof value}; write its text into the statement`)
  return Statement.makeCompiler<Statement.Custom<"PgJson", unknown>>({
    dialect: "pg",
    placeholder: (_, value) => written(value),
    onIdentifier: Quote.identifier,
    onRecordUpdate: (placeholders, alias, columns, _, returning) => [
      `(values ${placeholders}) AS ${alias}${columns}${returning === undefined ? "" : ` RETURNING ${returning[0]}`}`,
      []
    ],
    onCustom: (custom) => [written(Statement.fragment([custom])), []]
  })
}

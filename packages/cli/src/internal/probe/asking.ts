/**
 * Asks a server: in a schema of its own, on two connections, for a bounded time. Whatever ends it, the schema goes.
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import { ConnectionLost, isDsqlError, StatementFailed } from "@effect-dsql/core/DsqlError"
import { ParseTree, Quote, Statement } from "@effect-dsql/dialect"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Connection } from "effect/sql/SqlConnection"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Answer, Expected, Probe, Step, Together } from "./probe.ts"
import { difference, wanted } from "./probe.ts"
import * as Transactions from "./transactions.ts"

/** A step whose answer is not the one that is relied on. */
export interface Different {
  readonly statement: string
  readonly expected: string
  readonly found: string
}

/** A question with what it was answered; without answers it was not asked, because the time was over. */
export interface Asked {
  readonly probe: Probe
  readonly answers: ReadonlyArray<ReadonlyArray<Answer>> | undefined
  readonly different: ReadonlyArray<Different>
}

/** How a server is asked. */
export interface Options {
  /** The schema that is made, and dropped again. */
  readonly schema: string
  /** After so long no further question is asked. */
  readonly time: Duration.Duration
  /** How long an answer may take before the other session goes on: on a server where sessions wait for each other. */
  readonly patience: Duration.Duration
}

/** Whether a server said it: an SQLSTATE has five characters and a digit, which the codes of broken sockets have not. */
const hasCode = (cause: unknown): cause is { readonly code: string; readonly message: string } =>
  typeof cause === "object" && cause !== null && "code" in cause && /^(?=.*\d)[0-9A-Z]{5}$/.test(String(cause.code))

/** Whether rows came that the driver cannot read: of a type of which it knows no form. */
const isUnread = (cause: unknown): cause is { readonly message: string } =>
  typeof cause === "object" && cause !== null && "_tag" in cause && cause._tag === "PgTypesCodecError"

const shown = (value: unknown): string | null => {
  if (value === null || value === undefined) return null
  if (typeof value === "boolean") return value ? "t" : "f"
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return `{${value.map((each) => shown(each) ?? "NULL").join(",")}}`
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`
  // PostgreSQL's "char" has a NUL for nothing, which its text form has not.
  return typeof value === "object" ? JSON.stringify(value) : String(value).replaceAll("\0", "")
}

interface Result {
  readonly command: string
  readonly rowCount: number | null
  readonly rows: ReadonlyArray<object>
  readonly fields: ReadonlyArray<{ readonly name: string }>
}

const counted: ReadonlySet<string> = new Set(["COPY", "DELETE", "FETCH", "MERGE", "SELECT", "UPDATE"])

/** The command tag; of one of several words the driver keeps the first, so that the others are those that are relied on. */
const tag = ({ command, rowCount }: Result, expected: Expected | undefined): string => {
  if (command === "INSERT") return `INSERT 0 ${rowCount}`
  if (counted.has(command)) return `${command} ${rowCount}`
  return expected !== undefined && "ok" in expected && expected.ok.startsWith(`${command} `) ? expected.ok : command
}

const ask = (connection: Connection, { expected, params = [], sql }: Step): Effect.Effect<Answer, SqlError> =>
  connection.executeRaw(sql, params).pipe(
    Effect.map((raw): Answer => {
      // The driver's own result, which its raw answers are.
      const result = raw as Result
      if (new Set(result.fields.map(({ name }) => name)).size < result.fields.length) {
        return { unread: "two columns have one name" }
      }
      const answered = result.fields.length === 0 ? null : result.rows.map((row) => Object.values(row).map(shown))
      return { ok: tag(result, expected), rows: answered }
    }),
    Effect.catch((error): Effect.Effect<Answer, SqlError> => {
      const { cause } = error.reason
      if (isUnread(cause)) return Effect.succeed({ unread: cause.message })
      return hasCode(cause) ? Effect.succeed({ sqlstate: cause.code, message: cause.message }) : Effect.fail(error)
    })
  )

const isStale = (error: SqlError): boolean => hasCode(error.reason.cause) && error.reason.cause.code === "40001"

const patiently = Schedule.max([Schedule.spaced("200 millis"), Schedule.recurs(50)])

/** What prepares and cleans up runs again where the session did not know the schema yet. */
const define = (connection: Connection, sql: string): Effect.Effect<void, SqlError> =>
  Effect.asVoid(Effect.retry(connection.executeUnprepared(sql, [], undefined), { while: isStale, schedule: patiently }))

const isSchemaConflict = (answer: Answer): boolean =>
  "sqlstate" in answer && answer.sqlstate === "40001" && answer.message.includes("(OC001)")

/** Enters the schema, and lets the session learn of it where others have changed it. */
const settled = Effect.fnUntraced(function* (connection: Connection, schema: string) {
  yield* define(connection, `SET search_path = ${schema}`)
  yield* define(
    connection,
    "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = current_schema()::regnamespace"
  )
})

/** What a statement sets for its session, and not for its transaction alone. */
const setBy = ({ node }: Statement.Statement): ReadonlyArray<string> => {
  const set = ParseTree.as(node, "VariableSetStmt")
  if (set === undefined || set.is_local === true) return []
  if (set.name === "SESSION CHARACTERISTICS") {
    return ParseTree.all(set.args, "DefElem").map(({ defname = "" }) => `default_${defname}`)
  }
  return set.kind === "VAR_SET_VALUE" && set.name !== undefined ? [set.name] : []
}

const parsed = (sql: string) => Effect.orElseSucceed(Statement.parse(sql), (): ReadonlyArray<Statement.Statement> => [])

/** Ends what a question left open, and takes back what it has set in its session. */
const reset = Effect.fnUntraced(function* (connection: Connection, steps: ReadonlyArray<Step>) {
  yield* Effect.exit(connection.executeUnprepared("ROLLBACK", [], undefined))
  for (const { sql } of steps) {
    for (const name of (yield* parsed(sql)).flatMap(setBy)) {
      yield* Effect.exit(connection.executeUnprepared(`RESET ${Quote.identifier(name)}`, [], undefined))
    }
  }
})

const lastPatience = Duration.seconds(30)

/** The id that was answered to the last statement that submitted a job. */
const job = (steps: ReadonlyArray<Step>, answers: ReadonlyArray<Answer>): string => {
  const answer = answers.findLast((_, i) => /\bASYNC\b/i.test(steps[i]?.sql ?? ""))
  return answer !== undefined && "ok" in answer ? (answer.rows?.[0]?.[0] ?? "") : ""
}

/** Asks one question. */
const askOne = Effect.fnUntraced(function* (
  connections: readonly [Connection, Connection],
  probe: Probe,
  patience: Duration.Duration
): Effect.fn.Return<ReadonlyArray<ReadonlyArray<Answer>>, SqlError, Scope.Scope> {
  const answers: [Array<Answer>, Array<Answer>] = [[], []]
  const pending: [Array<Fiber.Fiber<Answer, SqlError>>, Array<Fiber.Fiber<Answer, SqlError>>] = [[], []]
  const next: [number, number] = [0, 0]
  /** Takes what a session was answered, and leaves what is still waiting. */
  const take = Effect.fnUntraced(function* (session: 0 | 1, wait: Duration.Duration) {
    for (let fiber = pending[session][0]; fiber !== undefined; fiber = pending[session][0]) {
      const answer = yield* Effect.timeoutOption(Fiber.join(fiber), wait)
      if (Option.isNone(answer)) return
      pending[session].shift()
      answers[session].push(answer.value)
    }
  })
  for (const session of probe.order) {
    const steps = probe.sessions[session] ?? []
    const said = steps[next[session]++]
    if (said === undefined) continue
    const step = { ...said, sql: said.sql.replaceAll("{job}", () => job(steps, answers[session])) }
    // A session says one thing after the other.
    yield* take(session, lastPatience)
    const answer = ask(connections[session], step)
    const hasBegun =
      probe.sessions.length === 2 || steps.slice(0, next[session]).some(({ sql }) => /^(begin|start)\b/i.test(sql))
    // That others have changed the schema says nothing of the question: a statement by itself is asked again.
    const asked = hasBegun ? answer : Effect.repeat(answer, { while: isSchemaConflict, schedule: patiently })
    pending[session].push(yield* Effect.forkScoped(asked, { startImmediately: true }))
    yield* take(session, patience)
  }
  for (const session of [0, 1] as const) yield* take(session, lastPatience)
  return answers
})

/** Asks a question whose first steps are sent together, and the rest of it one by one. */
const askTogether = Effect.fnUntraced(function* (
  probe: Probe,
  together: Together,
  schema: string
): Effect.fn.Return<ReadonlyArray<ReadonlyArray<Answer>>, SqlError, DsqlClient> {
  const { sql } = yield* DsqlClient
  const steps = probe.sessions[0].map((step) => ({ ...step, sql: step.sql.replaceAll("{schema}", schema) }))
  const first = steps.slice(0, together.steps)
  const sent = Transactions.send(
    first.map(({ sql }) => sql),
    together.how
  ).pipe(
    Effect.map((all) => all.map((rows, at) => rowsOf(rows, first[at]?.expected))),
    Effect.catch((error) => Effect.map(refusal(error), (answer) => first.map(() => answer)))
  )
  const answers = [...(yield* sent)]
  for (const step of steps.slice(together.steps)) {
    answers.push(yield* Effect.map(sql.unsafe<object>(step.sql), (rows) => rowsOf(rows, step.expected)))
  }
  return [answers]
})

/** The rows of an answer whose command tag is not told. */
const rowsOf = (rows: ReadonlyArray<object>, expected: Expected | undefined): Answer => ({
  ok: expected !== undefined && "ok" in expected ? expected.ok : "",
  rows: rows.map((row) => Object.values(row).map(shown))
})

/** What the server refused all with. */
const refusal = (error: unknown): Effect.Effect<Answer, SqlError> => {
  const found = isDsqlError(error) ? error.cause : error
  if (!isSqlError(found)) return Effect.die(error)
  const { cause } = found.reason
  return hasCode(cause) ? Effect.succeed({ sqlstate: cause.code, message: cause.message }) : Effect.fail(found)
}

const compared = (probe: Probe, answers: ReadonlyArray<ReadonlyArray<Answer>>): ReadonlyArray<Different> =>
  probe.sessions.flatMap((steps, session) =>
    steps.flatMap(({ expected, sql }, i): ReadonlyArray<Different> => {
      if (expected === undefined) return []
      const answer = answers[session]?.[i]
      const found = answer === undefined ? "no answer" : difference(expected, answer)
      return found === undefined ? [] : [{ statement: sql, expected: wanted(expected), found }]
    })
  )

/** What was answered, and whether the schema is still there. */
export interface Answered {
  readonly asked: ReadonlyArray<Asked>
  readonly left: boolean
}

/** Asks all questions, one after the other; `begun` runs when the schema is there. */
export const askAll = (
  probes: ReadonlyArray<Probe>,
  { patience, schema, time }: Options,
  begun: Effect.Effect<void>
): Effect.Effect<Answered, ConnectionLost | StatementFailed, DsqlClient> =>
  Effect.gen(function* () {
    const { reserve } = yield* DsqlClient
    const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(time)
    let left = false
    const entered = Effect.tap(reserve, (connection) => settled(connection, schema))
    const using = <A>(use: (connection: Connection) => Effect.Effect<A, SqlError>) =>
      Effect.scoped(Effect.flatMap(reserve, use))
    const asked = yield* Effect.acquireUseRelease(
      using((connection) => define(connection, `CREATE SCHEMA ${schema}`)),
      () =>
        Effect.gen(function* () {
          yield* begun
          return yield* Effect.forEach(probes, (probe) =>
            Effect.gen(function* (): Effect.fn.Return<Asked, SqlError, DsqlClient | Scope.Scope> {
              if ((yield* Clock.currentTimeMillis) >= deadline) return { probe, answers: undefined, different: [] }
              if (probe.together !== undefined) {
                const answers = yield* askTogether(probe, probe.together, schema)
                return { probe, answers, different: compared(probe, answers) }
              }
              // Rows that the driver cannot read cost it the connection: there is another one for the next question.
              const connections = [yield* entered, yield* entered] as const
              const answers = yield* Effect.scoped(askOne(connections, probe, patience))
              for (const session of [0, 1] as const) yield* reset(connections[session], probe.sessions[session] ?? [])
              return { probe, answers, different: compared(probe, answers) }
            }).pipe(Effect.scoped)
          )
        }),
      () =>
        Effect.exit(using((connection) => define(connection, `DROP SCHEMA ${schema} CASCADE`))).pipe(
          Effect.map((exit) => {
            left = Exit.isFailure(exit)
          })
        )
    )
    return { asked, left }
  }).pipe(Effect.mapError(ended))

const ended = (error: SqlError): ConnectionLost | StatementFailed => {
  const { cause } = error.reason
  return hasCode(cause)
    ? new StatementFailed({
        sqlState: cause.code,
        message: `cannot prepare the questions: ${cause.message}: connect as a role that may create a schema`,
        cause: error
      })
    : // What no server answers is a connection that is not there any more.
      new ConnectionLost({ phase: "statement", message: error.message, cause: error })
}

/**
 * The statements that a transaction ends with, sent together with its COMMIT.
 *
 * An error is a statement's where the server said it of the statement: then COMMIT was answered with ROLLBACK, or never
 * reached. Where the connection ended instead, COMMIT may have been reached, whatever the statements failed with.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Connection, Row } from "effect/sql/SqlConnection"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { orUnknown, sqlStateOf } from "../errors/classify.ts"
import type { Pipeline } from "../wire/pipeline.ts"
import type { Compiled } from "./compiled.ts"

/**
 * The statements that a transaction ends with.
 *
 * @since 0.3.0
 * @category models
 */
export interface Last {
  /** Each sends itself when it is run. */
  readonly statements: ReadonlyArray<Effect.Effect<unknown, SqlError>>
  /** Is told what came of each, by its place. */
  readonly settle: (exits: ReadonlyArray<Exit.Exit<unknown, SqlError>>) => void
}

/**
 * The connection of a transaction that can be left its last statements, to send them together with COMMIT: what
 * `Transaction.finish` needs. Those of the layers are such; whoever makes a `DsqlClient` of other connections, as the
 * simulator does, makes them so.
 *
 * @since 0.3.0
 * @category models
 */
export interface Finishing extends Connection {
  readonly leave: (last: Last) => void
}

/** Whether a connection can be left its last statements. */
export const isFinishing = (connection: Connection | undefined): connection is Finishing =>
  connection !== undefined && "leave" in connection

/** Sends a COMMIT now, and tells what came of it. */
export type Commit = (told: (exit: Exit.Exit<void, SqlError>) => void) => void

/** Sends the statements, and `commit` behind them. `refusal` makes of what one failed with what the others are told. */
export const sendWithCommit = (
  pipeline: Pipeline,
  { settle, statements }: Last,
  commit: Commit,
  refusal: (cause: Cause.Cause<unknown>) => SqlError
): Effect.Effect<void, SqlError> =>
  Effect.suspend(() => {
    const committed = Deferred.makeUnsafe<void, SqlError>()
    let unsent: Exit.Failure<unknown, SqlError> | undefined
    pipeline.expect(statements.length, () => commit((exit) => Deferred.doneUnsafe(committed, exit)))
    const send = (statement: Effect.Effect<unknown, SqlError>) =>
      Effect.map(Effect.exit(statement), (exit) => {
        if (Exit.isFailure(exit) && pipeline.isExpecting) {
          unsent ??= exit
          pipeline.refuse(refusal(exit.cause))
        } else pipeline.arrived()
        return exit
      })
    return Effect.flatMap(Effect.forEach(statements, send, { concurrency: "unbounded" }), (exits) =>
      Effect.flatMap(Effect.exit(Deferred.await(committed)), (exit) => outcome(unsent, exits, exit, settle))
    )
  })

/** Sends a statement, and tells what comes of it. */
export type Send = (statement: Compiled, told: (exit: Exit.Exit<ReadonlyArray<Row>, SqlError>) => void) => void

/** The same of statements that are only to be sent, without a fiber for each. */
export const sendCompiled = (
  pipeline: Pipeline,
  settle: Last["settle"],
  statements: ReadonlyArray<Compiled>,
  send: Send,
  commit: Commit,
  refusal: (cause: Cause.Cause<unknown>) => SqlError
): Effect.Effect<void, SqlError> =>
  Effect.callback((resume) => {
    const exits: Array<Exit.Exit<unknown, SqlError>> = []
    let missing = statements.length
    let committed: Exit.Exit<void, SqlError> | undefined
    let unsent: Exit.Failure<unknown, SqlError> | undefined
    const unlessMissing = (): void => {
      if (missing === 0 && committed !== undefined) resume(outcome(unsent, exits, committed, settle))
    }
    pipeline.expect(missing, () =>
      commit((exit) => {
        committed = exit
        unlessMissing()
      })
    )
    for (const [at, statement] of statements.entries()) {
      send(statement, (exit) => {
        exits[at] = transformed(exit, statement)
        missing--
        if (Exit.isFailure(exit) && pipeline.isExpecting) {
          unsent ??= exit
          pipeline.refuse(refusal(exit.cause))
        }
        unlessMissing()
      })
    }
  })

/** A transform is the user's, and what it throws a defect. */
const transformed = (
  rows: Exit.Exit<ReadonlyArray<Row>, SqlError>,
  { transform }: Compiled
): Exit.Exit<unknown, SqlError> => {
  if (transform === undefined || Exit.isFailure(rows)) return rows
  try {
    return Exit.succeed(transform(rows.value))
  } catch (defect) {
    return Exit.die(defect)
  }
}

const outcome = (
  unsent: Exit.Failure<unknown, SqlError> | undefined,
  exits: ReadonlyArray<Exit.Exit<unknown, SqlError>>,
  committed: Exit.Exit<void, SqlError>,
  settle: Last["settle"]
): Effect.Effect<void, SqlError> => {
  const failed = unsent ?? exits.find(wasRefused)
  if (failed !== undefined) return Effect.failCause(failed.cause)
  settle(exits)
  return Exit.isSuccess(committed) ? committed : Effect.mapError(committed, orUnknown)
}

const wasRefused = (exit: Exit.Exit<unknown, SqlError>): exit is Exit.Failure<unknown, SqlError> =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some(
    (reason) =>
      reason._tag === "Fail" && isSqlError(reason.error) && sqlStateOf(reason.error.reason.cause) !== undefined
  )

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
import type { Connection } from "effect/sql/SqlConnection"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import { orUnknown, sqlStateOf } from "../errors/classify.ts"
import type { Pipeline } from "../wire/pipeline.ts"

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
  /**
   * The same statements as Effect SQL has them, where nothing is left to do but to send them: nobody watches them or
   * changes them on their way.
   */
  readonly plain?: ReadonlyArray<Statement<object>> | undefined
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

/** Sends statements, and tells of each that has ended; the effect gives what came of them all, by their places. */
export type Send = (ended: (exit: Ended) => void) => Effect.Effect<ReadonlyArray<Ended>>

/** What came of a statement. */
export type Ended = Exit.Exit<unknown, SqlError>

/** Statements that send themselves when they are run, each in a fiber of its own. */
export const inFibers =
  (statements: Last["statements"]): Send =>
  (ended) =>
    Effect.forEach(
      statements,
      (statement) => Effect.tap(Effect.exit(statement), (exit) => Effect.sync(() => ended(exit))),
      {
        concurrency: "unbounded"
      }
    )

/** Sends so many statements, and `commit` behind them. `refusal` makes of what one failed with what the others are told. */
export const sendWithCommit = (
  pipeline: Pipeline,
  { settle, statements }: Last,
  send: Send,
  commit: Commit,
  refusal: (cause: Cause.Cause<unknown>) => SqlError
): Effect.Effect<void, SqlError> =>
  Effect.suspend(() => {
    const committed = Deferred.makeUnsafe<void, SqlError>()
    let unsent: Exit.Failure<unknown, SqlError> | undefined
    pipeline.expect(statements.length, () => commit((exit) => Deferred.doneUnsafe(committed, exit)))
    const ended = (exit: Ended): void => {
      if (Exit.isFailure(exit) && pipeline.isExpecting) {
        unsent ??= exit
        pipeline.refuse(refusal(exit.cause))
      } else pipeline.arrived()
    }
    return Effect.flatMap(send(ended), (exits) =>
      Effect.flatMap(Effect.exit(Deferred.await(committed)), (exit) => {
        const failed = unsent ?? exits.find(wasRefused)
        if (failed !== undefined) return Effect.failCause(failed.cause)
        settle(exits)
        return Effect.mapError(exit, orUnknown)
      })
    )
  })

const wasRefused = (exit: Exit.Exit<unknown, SqlError>): exit is Exit.Failure<unknown, SqlError> =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some(
    (reason) =>
      reason._tag === "Fail" && isSqlError(reason.error) && sqlStateOf(reason.error.reason.cause) !== undefined
  )

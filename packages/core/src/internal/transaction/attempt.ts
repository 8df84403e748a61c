/**
 * One attempt of a transaction: on a connection of its own, to COMMIT or to the error that ended it.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { CommitOutcomeUnknown, ConnectionLost, type DeadlineExceeded } from "../../DsqlError.ts"
import { carry, classify, type Failure, orUnknown } from "../errors/classify.ts"
import { remembering } from "../errors/conflictSeen.ts"
import { withinDeadline } from "./deadline.ts"
import type { Client } from "./leased.ts"
import { Proving } from "./proving.ts"
import { limited, singleStatement } from "./singleStatement.ts"
import { always, Validity } from "./validity.ts"
import { beginReadOnly, outermost } from "./withTransaction.ts"

/** Runs an effect once. */
export type Attempt = <A, E, R>(
  client: Client,
  effect: Effect.Effect<A, E, R>
) => Effect.Effect<A, E | SqlError | DeadlineExceeded, R>

/** What one attempt of a body can end with. */
export type AttemptFailure<E> = Exclude<E, SqlError> | Failure

/** Runs the body once, and classifies what the driver says. A conflict that the body made something else of stays one. */
export const attemptOnce = <A, E, R>(
  operation: string,
  client: Client,
  body: Effect.Effect<A, E, R>,
  attempt: Attempt
): Effect.Effect<A, AttemptFailure<E>, R> =>
  Effect.mapError(remembering(attempt(client, body)), (error) =>
    // The guard takes SqlError out of the union; the compiler cannot see that through the type parameter.
    isSqlError(error) ? classify(error, operation) : (error as Exclude<E, SqlError>)
  )

/** From BEGIN to COMMIT. */
export const inTransaction: Attempt = ({ sql }, effect) => outermost(sql, sql.withTransaction(withinDeadline(effect)))

/** In a transaction that cannot write, so that a COMMIT without an answer leaves nothing open. */
export const inReadOnlyTransaction: Attempt = (client, effect) =>
  Effect.mapError(
    Effect.provideService(inTransaction(client, effect), SqlClient.BeginTransaction, beginReadOnly),
    (error) => {
      const cause = isSqlError(error) ? error.reason.cause : undefined
      return cause instanceof CommitOutcomeUnknown
        ? carry(new ConnectionLost({ phase: "statement", message: cause.message, cause: cause.cause }), "commit")
        : error
    }
  )

/** As one statement that commits by itself, or as a transaction where it takes several. */
export const inStatement: Attempt = (client, effect) =>
  singleStatement(
    client,
    effect,
    Effect.withFiber((fiber) => {
      const validity = fiber.getRef(Validity)
      if (validity !== undefined) validity.until = always
      return inTransaction(client, effect)
    }),
    orUnknown
  )

/** As one statement that a test has shown to read and nothing else, or shows. */
export const inProvenStatement: Attempt = (client, effect) =>
  Effect.withFiber((fiber) =>
    fiber.getRef(Proving)
      ? inReadOnlyStatement(client, effect)
      : singleStatement(client, effect, inReadOnlyTransaction(client, effect), identity)
  )

/** As one statement that a server runs where it cannot write. */
export const inReadOnlyStatement: Attempt = (client, effect) => inReadOnlyTransaction(client, limited(effect))

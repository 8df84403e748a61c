/**
 * One statement that commits by itself.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { CurrentTransformer, type Transformer } from "effect/sql/Statement"
import type { DsqlClient } from "../DsqlClient.ts"
import type { DeadlineExceeded } from "../DsqlError.ts"
import { carry, classify, type Phase } from "./classify.ts"
import { Deadline, withinDeadline } from "./deadline.ts"

/** Whether the program is a single statement, which cannot hold a transaction. */
export const Single = Context.Reference<boolean>("@effect-dsql/core/internal/singleStatement/Single", {
  defaultValue: () => false
})

/** Runs an effect whose only statement is judged by `phase` when its answer is lost. */
export const singleStatement = <A, E, R>(
  client: DsqlClient["Service"],
  effect: Effect.Effect<A, E, R>,
  phase: Phase
): Effect.Effect<A, E | SqlError | DeadlineExceeded, R> =>
  Effect.mapError(
    Effect.withFiber((fiber) => {
      const single = Effect.suspend(() =>
        Effect.provideContext(
          effect,
          Context.make(CurrentTransformer, once(fiber.getRef(CurrentTransformer))).pipe(Context.add(Single, true))
        )
      )
      // Only the wait for a connection may be cut short, and to tell it from the statement takes a lease of one's own.
      return fiber.getRef(Deadline) === undefined ? single : leased(client, single)
    }),
    (error) => (isSqlError(error) ? marked(error, phase) : error)
  )

const leased = <A, E, R>(client: DsqlClient["Service"], effect: Effect.Effect<A, E, R>) =>
  Effect.uninterruptibleMask((restore) => {
    const scope = Scope.makeUnsafe()
    return Effect.flatMap(restore(withinDeadline(Scope.provide(client.reserve, scope))), (connection) =>
      restore(Effect.provideService(effect, client.sql.transactionService, [connection, 0]))
    ).pipe(Effect.onExit((exit) => Scope.close(scope, exit)))
  })

/** Lets one statement through, as `inner` would have it. */
const once = (inner: Transformer | undefined): Transformer => {
  let used = false
  return (statement, sql, fiber, span) => {
    if (used) return Effect.die(new Error("Transaction.autocommit runs one statement; use Transaction.run for several"))
    used = true
    return inner === undefined ? Effect.succeed(statement) : inner(statement, sql, fiber, span)
  }
}

const marked = (error: SqlError, phase: Phase): SqlError => {
  const classified = classify(error, phase)
  return classified._tag === "CommitOutcomeUnknown" ? carry(classified, "query") : error
}

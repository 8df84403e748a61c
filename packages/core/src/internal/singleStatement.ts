/**
 * One statement that commits by itself, on a connection of its own.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { DsqlClient } from "../DsqlClient.ts"
import type { DeadlineExceeded } from "../DsqlError.ts"
import { carry, classify, type Phase } from "./classify.ts"
import { withinDeadline } from "./connecting.ts"

/** Runs an effect whose only statement is judged by `phase` when its answer is lost. */
export const singleStatement = <A, E, R>(
  client: DsqlClient["Service"],
  effect: Effect.Effect<A, E, R>,
  phase: Phase
): Effect.Effect<A, E | SqlError | DeadlineExceeded, R> =>
  Effect.uninterruptibleMask((restore) => {
    const scope = Scope.makeUnsafe()
    return Effect.flatMap(restore(withinDeadline(Scope.provide(client.reserve, scope))), (connection) =>
      restore(Effect.provideService(effect, client.sql.transactionService, [single(connection, phase), 0]))
    ).pipe(Effect.onExit((exit) => Scope.close(scope, exit)))
  })

const single = (connection: Connection, phase: Phase): Connection => {
  let used = false
  const once = <A>(statement: () => Effect.Effect<A, SqlError>) =>
    Effect.suspend(() => {
      if (used)
        return Effect.die(new Error("Transaction.autocommit runs one statement; use Transaction.run for several"))
      used = true
      return Effect.mapError(statement(), (error) => marked(error, phase))
    })
  return {
    execute: (sql, params, transform) => once(() => connection.execute(sql, params, transform)),
    executeRaw: (sql, params) => once(() => connection.executeRaw(sql, params)),
    executeValues: (sql, params) => once(() => connection.executeValues(sql, params)),
    executeValuesUnprepared: (sql, params) => once(() => connection.executeValuesUnprepared(sql, params)),
    executeUnprepared: (sql, params, transform) => once(() => connection.executeUnprepared(sql, params, transform)),
    executeStream: (sql, params, transform) =>
      Stream.unwrap(once(() => Effect.succeed(connection.executeStream(sql, params, transform)))).pipe(
        Stream.mapError((error) => marked(error, phase))
      )
  }
}

const marked = (error: SqlError, phase: Phase): SqlError => {
  const classified = classify(error, phase)
  return classified._tag === "CommitOutcomeUnknown" ? carry(classified, "query") : error
}

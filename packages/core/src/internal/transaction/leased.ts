/**
 * A connection of one's own, for statements that are no transaction together.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"

/** Where statements run, and where a connection for one alone is had. */
export interface Client {
  readonly sql: SqlClient
  readonly reserve: Effect.Effect<Connection, SqlError, Scope.Scope>
}

/** Waits for a connection, as `waiting` has it, and runs an effect whose statements are sent on that. */
export const leased = <A, E, R, E2>(
  { reserve, sql }: Client,
  effect: Effect.Effect<A, E, R>,
  waiting: (reserved: Effect.Effect<Connection, SqlError>) => Effect.Effect<Connection, E2>
): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) => {
    const scope = Scope.makeUnsafe()
    return Effect.flatMap(restore(waiting(Scope.provide(reserve, scope))), (connection) =>
      restore(Effect.provideService(effect, sql.transactionService, [connection, 0]))
    ).pipe(Effect.onExit((exit) => Scope.close(scope, exit)))
  })

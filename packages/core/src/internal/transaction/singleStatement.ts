/**
 * One statement that commits by itself.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { CurrentTransformer, type Statement, type Transformer } from "effect/sql/Statement"
import type { DeadlineExceeded } from "../../DsqlError.ts"
import { Deadline, withinDeadline } from "./deadline.ts"
import { isVoid, Validity } from "./validity.ts"

/** Whether the program is a single statement, which cannot hold a transaction. */
export const Single = Context.Reference<boolean>("@effect-dsql/core/internal/transaction/Single", {
  defaultValue: () => false
})

/** A defect that says, before anything was sent, that one statement alone does not do. */
export class NeedsTransaction {
  readonly message = "this takes a transaction: a single statement does not do"
  /** The text that was to be sent, if there is one. */
  readonly text: string | undefined

  constructor(text?: string) {
    this.text = text
  }
}

/** Runs statements of a transaction: where there is room for one alone, says so instead. */
export const inSeveral = <A, E, R>(statements: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => (fiber.getRef(Single) ? Effect.die(new NeedsTransaction()) : statements))

/** Where statements run, and where a connection for one alone is had. */
export interface Client {
  readonly sql: SqlClient
  readonly reserve: Effect.Effect<Connection, SqlError, Scope.Scope>
}

/** Any statement may be sent. */
export const anything = (): Effect.Effect<void> => Effect.void

/** Runs an effect of one statement. `admit` may refuse the statement with a defect before it is sent. */
export const singleStatement = <A, E, R>(
  client: Client,
  effect: Effect.Effect<A, E, R>,
  admit: (statement: Statement<unknown>) => Effect.Effect<void>
): Effect.Effect<A, E | SqlError | DeadlineExceeded, R> =>
  Effect.withFiber((fiber) => {
    const validity = fiber.getRef(Validity)
    const single = Effect.suspend(() => {
      // The instant of whatever was sent before is over, or was waited for.
      if (validity !== undefined) validity.until = undefined
      return Effect.provideContext(
        effect,
        Context.make(CurrentTransformer, once(admit, fiber.getRef(CurrentTransformer))).pipe(Context.add(Single, true))
      )
    })
    // Only the wait for a connection may be cut short or count for nothing, and to tell it takes a lease of one's own.
    if (fiber.getRef(Deadline) === undefined && validity === undefined) return single
    return leased(client, validity === undefined ? single : inTime(single, 3))
  })

/** A statement that came too late did nothing, so it is sent again: the clock is known better now. */
const inTime = <A, E, R>(single: Effect.Effect<A, E, R>, tries: number): Effect.Effect<A, E, R> =>
  Effect.catch(single, (error) =>
    tries > 1 && isSqlError(error) && isVoid(error) ? inTime(single, tries - 1) : Effect.fail(error)
  )

const leased = <A, E, R>(client: Client, effect: Effect.Effect<A, E, R>) =>
  Effect.uninterruptibleMask((restore) => {
    const scope = Scope.makeUnsafe()
    return Effect.flatMap(restore(withinDeadline(Scope.provide(client.reserve, scope))), (connection) =>
      restore(Effect.provideService(effect, client.sql.transactionService, [connection, 0]))
    ).pipe(Effect.onExit((exit) => Scope.close(scope, exit)))
  })

/** Lets one statement through, as `inner` would have it. */
const once = (
  admit: (statement: Statement<unknown>) => Effect.Effect<void>,
  inner: Transformer | undefined
): Transformer => {
  let used = false
  return (statement, sql, fiber, span) => {
    if (used) return Effect.die(new Error("Transaction.autocommit runs one statement; use Transaction.run for several"))
    used = true
    const transformed = inner === undefined ? Effect.succeed(statement) : inner(statement, sql, fiber, span)
    return Effect.tap(transformed, admit)
  }
}

/**
 * A session for statements that belong together. It goes back without a transaction: one that may be open is rolled back.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { Single } from "../transaction/single.ts"
import { begun, isBegin, Session } from "./session.ts"

export class PinnedSession extends Session {
  /** Whether a transaction may be open. */
  private isOpen = false

  protected override send<A>(sql: string, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return Effect.suspend(() => {
      // Whatever it is answered with. Who chains transactions is answered alike, so the text says that it does not.
      if (end.test(sql)) this.isOpen = false
      return statement
    })
  }

  protected override answered(command: string): Effect.Effect<void, SqlError> {
    if (!isBegin(command)) return Effect.void
    return Effect.withFiber((fiber) => {
      this.isOpen = true
      return fiber.getRef(Single) === undefined ? Effect.void : Effect.fail(begun)
    })
  }

  /** Leaves no transaction open. */
  readonly close: Effect.Effect<void> = Effect.suspend(() =>
    this.isOpen
      ? Effect.catch(Effect.asVoid(this.executeRaw("ROLLBACK", [])), () =>
          Effect.sync(() => this.end("in_transaction"))
        )
      : Effect.void
  )
}

/** A text that ends a transaction and begins none. */
const end = /^(?:commit|rollback)$/i

/** Pins a session until the scope closes. */
export const pin = <S extends PinnedSession>(
  { connection, end, observer }: Session,
  make: new (...parts: ConstructorParameters<typeof Session>) => S
): Effect.Effect<S, never, Scope.Scope> =>
  Effect.flatMap(connection.pin, (pinned) => {
    const session = new make(pinned, end, observer)
    return Effect.as(
      Effect.addFinalizer(() => session.close),
      session
    )
  })

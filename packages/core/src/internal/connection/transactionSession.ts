/**
 * A session while it holds a transaction that somebody else begins and ends. A body that ends it itself would write the
 * rest of its statements one by one: they are refused, and so is the COMMIT at the end.
 *
 * The driver names the command that it was answered with, except for positional rows and streams: of those the text is
 * refused that begins like the end of a transaction.
 */
import type { Result } from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { UnsupportedFeature } from "../../DsqlError.ts"
import { carry } from "../errors/classify.ts"
import { type Params, Session, type Transform } from "./session.ts"

/** A session of one's own for one transaction. */
export const forTransaction = (session: Session): Effect.Effect<Session, never, Scope.Scope> =>
  Effect.map(session.connection.pin, (pinned) => new TransactionSession(pinned, session.end))

class TransactionSession extends Session {
  /** How the transaction ended. */
  private ended: "COMMIT" | "ROLLBACK" | undefined

  protected override ask(sql: string, params: Params, prepare: boolean): Effect.Effect<Result, SqlError> {
    // A rollback after the end changes nothing, and is how a transaction that failed is given up.
    const answer =
      sql === "ROLLBACK" ? super.ask(sql, params, prepare) : this.open(() => super.ask(sql, params, prepare))
    return Effect.tap(answer, ({ command }) =>
      Effect.sync(() => {
        if (command === "COMMIT" || command === "ROLLBACK") this.ended ??= command
      })
    )
  }

  override executeValues(sql: string, params: Params) {
    return this.unnamed(sql, () => super.executeValues(sql, params))
  }

  override executeValuesUnprepared(sql: string, params: Params) {
    return this.unnamed(sql, () => super.executeValuesUnprepared(sql, params))
  }

  override executeStream(sql: string, params: Params, transform: Transform) {
    return Stream.unwrap(this.unnamed(sql, () => Effect.succeed(super.executeStream(sql, params, transform))))
  }

  /** Sends what is answered without the name of a command. */
  private unnamed<A>(sql: string, send: () => Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return this.open(() => (endOfTransaction.test(sql) ? Effect.fail(notSent) : send()))
  }

  private open<A>(send: () => Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    return Effect.suspend(() => (this.ended === undefined ? send() : Effect.fail(endedBy(this.ended))))
  }
}

/** Comments may stand before it. A SELECT that ends with END does not begin with it. */
const endOfTransaction = /^(?:[\s;]|--[^\n]*\n|\/\*(?:[^*]|\*(?!\/))*\*\/)*(?:commit|end|rollback|abort)\b/i

const notSent = carry(
  new UnsupportedFeature({
    message:
      "the end of the transaction was not sent: it begins and ends by itself, so send neither COMMIT nor ROLLBACK"
  }),
  "query"
)

const endedBy = (command: "COMMIT" | "ROLLBACK") =>
  carry(
    new UnsupportedFeature({
      message:
        `the transaction was ended inside it, with ${command}: what it had written by then is ` +
        `${command === "COMMIT" ? "committed" : "not committed"}. It begins and ends by itself: send neither`
    }),
    "query"
  )

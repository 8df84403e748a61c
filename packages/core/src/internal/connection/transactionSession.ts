/**
 * A session while it holds a transaction that somebody else begins and ends. A body that ends it itself would write the
 * rest of its statements one by one: they are refused, and so is the COMMIT at the end.
 */
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { UnsupportedFeature } from "../../DsqlError.ts"
import { carry } from "../errors/classify.ts"
import { PinnedSession } from "./pinned.ts"

export class TransactionSession extends PinnedSession {
  /** How the transaction ended. */
  private ended: "COMMIT" | "ROLLBACK" | undefined

  protected override send<A>(sql: string, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    const sent = super.send(sql, statement)
    // A rollback after the end changes nothing, and is how a transaction that failed is given up.
    return Effect.suspend(() =>
      this.ended === undefined || sql === "ROLLBACK" ? sent : Effect.fail(endedBy(this.ended))
    )
  }

  protected override answered(command: string): Effect.Effect<void, SqlError> {
    if (command !== "COMMIT" && command !== "ROLLBACK") return super.answered(command)
    return Effect.sync(() => {
      this.ended ??= command
    })
  }
}

const endedBy = (command: "COMMIT" | "ROLLBACK") =>
  carry(
    new UnsupportedFeature({
      message:
        `the transaction was ended inside it, with ${command}: what it had written by then is ` +
        `${command === "COMMIT" ? "committed" : "not committed"}. It begins and ends by itself: send neither`
    }),
    "query"
  )

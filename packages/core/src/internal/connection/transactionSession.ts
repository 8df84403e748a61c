/**
 * A session while it holds a transaction that somebody else begins and ends. A body that ends it itself would write the
 * rest of its statements one by one: they are refused, and so is the COMMIT at the end. So it is where a part of the
 * body failed that had been promised to take effect as a whole or not at all.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { RollbackOnly, UnsupportedFeature } from "../../DsqlError.ts"
import { carry } from "../errors/classify.ts"
import { PinnedSession } from "./pinned.ts"

export class TransactionSession extends PinnedSession {
  /** How the transaction ended. */
  private ended: "COMMIT" | "ROLLBACK" | undefined

  /** Why it can only be rolled back, where a part of it failed. */
  private failed: SqlError | undefined

  /** Leaves the transaction to roll back, because a part of it failed. */
  readonly fail = (cause: Cause.Cause<unknown>): void => {
    this.failed ??= rolledBackFor(cause)
  }

  protected override send<A>(sql: string, statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> {
    const sent = super.send(sql, statement)
    // A rollback after the end changes nothing, and is how a transaction that failed is given up.
    return Effect.suspend(() => {
      if (sql === "ROLLBACK") return sent
      if (this.failed !== undefined) return Effect.fail(this.failed)
      return this.ended === undefined ? sent : Effect.fail(endedBy(this.ended))
    })
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

const rolledBackFor = (cause: Cause.Cause<unknown>) =>
  carry(
    new RollbackOnly({
      message: "a part of the transaction that had joined it failed, so all of it is rolled back: nothing is committed",
      cause: Cause.squash(cause)
    }),
    "query"
  )

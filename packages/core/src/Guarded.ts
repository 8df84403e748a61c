/**
 * Writes that happen only while their guards hold.
 *
 * All guards are judged in one snapshot; if every one holds, their rows are
 * locked in it, and the writes happen; and the answer says which one did not,
 * with the row that it found. So a write of many rows below several fences is
 * one round trip, and all of it commits or none.
 *
 * It is sent in one of two forms. As one `statement`, a WITH in which the locks
 * gate the writes, it commits by itself. As a `transaction`, all guards are
 * judged, then each is locked by a statement of its own, then each write follows:
 * more round trips, and nothing that a cluster might not take. Which form it is,
 * is a setting of the client; what is written, told and refused is the same, and
 * what could not be is refused before it is sent.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type * as Expression from "./Expression.ts"
import { reference } from "./internal/guarded/reference.ts"
import type { Statement, Told } from "./internal/guarded/statement.ts"
import * as Writing from "./internal/guarded/writing.ts"
import type { Transaction } from "./Transaction.ts"

export type { Statement, Told }

/**
 * Sends a statement and gives what it tells. If it fails, nothing was written.
 *
 * It may be all of a `Transaction.autocommit`, or stand among other statements of a `Transaction.run`.
 *
 * @example
 * ```ts
 * import { Expression, Guard, Guarded, Transaction, Write } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const id = Expression.value("uuid", "0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d11")
 * const account = Guard.make({
 *   name: "account",
 *   row: Guard.row("accounts", { id }, ["cents"], "exclusive"),
 *   columns: ["cents"],
 *   holds: (row) => Guard.exists(row, Expression.sql`cents >= ${Expression.value("bigint", 500n)}`),
 *   refuse: () => Effect.fail("there is not enough on the account" as const)
 * })
 * const withdraw = Guarded.write({
 *   guards: [account],
 *   writes: [
 *     Write.update({
 *       table: "accounts",
 *       set: { cents: Expression.sql`accounts.cents - 500` },
 *       where: Expression.key("accounts", { id })
 *     })
 *   ],
 *   tells: { before: Guard.column(account, "cents", "bigint") }
 * })
 * const program = Transaction.autocommit(withdraw, { operation: "Withdraw" })
 * ```
 *
 * @since 0.1.0
 * @category execution
 */
export const write = <E = never>(statement: Statement<E>): Effect.Effect<Told, E | SqlError, Transaction> =>
  Writing.write(() => statement)

/**
 * What is told under a name, for what the statement writes.
 *
 * @since 0.1.0
 * @category accessors
 */
export const told = (name: string, type: Expression.Type): Expression.Expression =>
  reference({ of: "tell", name, type })

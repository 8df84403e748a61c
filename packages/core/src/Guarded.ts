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
import * as Effect from "effect/Effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { SerializationConflict } from "./DsqlError.ts"
import type * as Expression from "./Expression.ts"
import { type Guard, type Row, SharedLock } from "./Guard.ts"
import * as Sending from "./internal/guarded/sending.ts"
import { reference } from "./internal/guarded/reference.ts"
import { carry } from "./internal/errors/classify.ts"
import { see } from "./internal/errors/conflictSeen.ts"
import { ofRow } from "./internal/hotkeys/key.ts"
import * as Turn from "./internal/hotkeys/turn.ts"
import { Transaction } from "./Transaction.ts"
import type { Write } from "./Write.ts"

/**
 * What is written while which guards hold; `E` is what the guards refuse with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Statement<out E = never> {
  /** In the order in which they are locked, and refuse. */
  readonly guards: ReadonlyArray<Guard<E>>
  /** What each reads is from before all of them. */
  readonly writes: ReadonlyArray<Write>
  /**
   * Says that no write reads or changes a row that another one changes. A statement that does not say so is refused, as
   * a defect, if two of its writes are of one table, or one names the table of an earlier one. Default: false.
   */
  readonly independent?: boolean | undefined
  /** What the answer tells beside: single values of the snapshot from before the writes, by name. */
  readonly tells?: Readonly<Record<string, Expression.Expression>> | undefined
  /** Unique constraints under which a guard saw the key free: who has taken it since is a conflict, not a violation. */
  readonly free?: ReadonlyArray<string> | undefined
}

/**
 * What a statement told, by name, as the driver decodes it.
 *
 * @since 0.1.0
 * @category models
 */
export type Told = Readonly<Record<string, unknown>>

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
  Effect.flatMap(Transaction, ({ guarded, sql }) =>
    Effect.withFiber<Told, E | SqlError>((fiber) => {
      const shared = fiber.getRef(SharedLock)
      const { guards, independent = false, tells = {}, writes } = statement
      const parts = { guards, independent, tells, writes }
      const clause: Sending.Clause = (lock) => (lock === "shared" ? shared : "FOR UPDATE")
      const turn = fiber.getRef(Turn.Current)
      if (turn !== undefined && !goesOn(turn, guards, clause)) return Turn.over
      const sent = guarded === "statement" ? Sending.atOnce(sql, parts, clause) : Sending.inTurn(sql, parts, clause)
      const free = statement.free ?? []
      return free.length === 0
        ? sent
        : Effect.catch(sent, (error) => (isSqlError(error) && isTaken(error, free) ? taken(error) : Effect.fail(error)))
    })
  )

/**
 * What is told under a name, for what the statement writes.
 *
 * @since 0.1.0
 * @category accessors
 */
export const told = (name: string, type: Expression.Type): Expression.Expression =>
  reference({ of: "tell", name, type })

/** Names the keys of the rows that the guards take for themselves: whether nobody else of the client has any of them. */
const goesOn = (turn: Turn.Turn, guards: ReadonlyArray<Guard<unknown>>, clause: Sending.Clause): boolean =>
  guards.every(({ beside, row }) => isFree(turn, row, clause) && (beside === undefined || isFree(turn, beside, clause)))

const isFree = (turn: Turn.Turn, { key, lock }: Row, clause: Sending.Clause): boolean => {
  if (key?.values === undefined || lock === undefined || clause(lock) !== "FOR UPDATE") return true
  const named = ofRow(key.table, key.columns, key.values)
  return named === undefined || turn.goesOnWith(named)
}

const isTaken = ({ reason }: SqlError, free: ReadonlyArray<string>): boolean =>
  reason._tag === "UniqueViolation" && free.includes(reason.constraint)

/** A key that a guard saw free is taken only by somebody who committed since: a conflict, whatever the server calls it. */
const taken = (cause: SqlError): Effect.Effect<never, SqlError> => {
  const conflict = new SerializationConflict({ code: "unmarked", message: "another write took the key first", cause })
  const error = carry(conflict, "query")
  return Effect.withFiber((fiber) => {
    see(error, fiber)
    return Effect.fail(error)
  })
}

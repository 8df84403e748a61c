/**
 * Sends a guarded statement as the transaction that it runs in wants it.
 */
import * as Effect from "effect/Effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { SerializationConflict } from "../../DsqlError.ts"
import { type Guard, type Row, SharedLock } from "../../Guard.ts"
import { Transaction } from "../../Transaction.ts"
import { carry } from "../errors/classify.ts"
import { see } from "../errors/conflictSeen.ts"
import { ofRow } from "../hotkeys/key.ts"
import * as Turn from "../hotkeys/turn.ts"
import { Validity } from "../transaction/validity.ts"
import * as Sending from "./sending.ts"
import type { Written } from "./shape.ts"
import type { Statement, Told } from "./statement.ts"

/**
 * Sends a statement and gives what it tells. Where it is alone, and it is `known` how it is written down, telling nothing,
 * it is made only to say why it was refused. What is wrong with it is a defect of the effect.
 */
export const write = <E>(
  statement: () => Statement<E>,
  known: () => Written | undefined = () => undefined
): Effect.Effect<Told, E | SqlError, Transaction> =>
  Effect.flatMap(Transaction, ({ guarded, sql }) =>
    Effect.withFiber<Told, E | SqlError>((fiber) => {
      const turn = fiber.getRef(Turn.Current)
      const isAlone = guarded === "statement" && turn === undefined && fiber.getRef(Validity) === undefined
      const written = isAlone ? known() : undefined
      if (written !== undefined) return Sending.known(sql, written, () => partsOf(statement()))
      const shared = fiber.getRef(SharedLock)
      const made = statement()
      const parts = partsOf(made)
      const clause: Sending.Clause = (lock) => (lock === "shared" ? shared : "FOR UPDATE")
      if (turn !== undefined && !goesOn(turn, made.guards, clause)) return Turn.over
      const sent = guarded === "statement" ? Sending.atOnce(sql, parts, clause) : Sending.inTurn(sql, parts, clause)
      const free = made.free ?? []
      return free.length === 0
        ? sent
        : Effect.catch(sent, (error) => (isSqlError(error) && isTaken(error, free) ? taken(error) : Effect.fail(error)))
    })
  )

const partsOf = <E>({ guards, independent = false, tells = {}, writes }: Statement<E>): Sending.Parts<E> => ({
  guards,
  independent,
  tells,
  writes
})

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

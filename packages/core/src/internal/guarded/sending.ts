/**
 * Sends a guarded statement in one of its two forms, and reads the answer.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import * as Expression from "../../Expression.ts"
import type { Guard } from "../../Guard.ts"
import * as Validity from "../transaction/validity.ts"
import { inSeveral } from "../transaction/singleStatement.ts"
import { type Flat, textOf } from "./flat.ts"
import type { Source } from "./reference.ts"
import { type Written, written } from "./shape.ts"
import * as Text from "./text.ts"

export type { Clause } from "./text.ts"

type Parts<E> = Omit<Text.Parts, "guards"> & { readonly guards: ReadonlyArray<Guard<E>> }

type Told = Readonly<Record<string, unknown>>

/** As one statement. */
export const atOnce = <E>(sql: SqlClient, parts: Parts<E>, clause: Text.Clause): Effect.Effect<Told, E | SqlError> =>
  Effect.flatMap(Validity.guard(sql), (time) => {
    const guards: ReadonlyArray<Guard<E | SqlError>> = time === undefined ? parts.guards : [time, ...parts.guards]
    const whole = { guards, tells: parts.tells, writes: parts.writes }
    if (isBare(whole)) return eachInTurn(sql, whole, clause)
    return Effect.flatMap(
      send(
        sql,
        written(whole, clause, () => Text.statement(whole, clause))
      ),
      ([row = []]) => {
        const answer = read(whole, row)
        return answer.refused === undefined
          ? Effect.succeed({ ...answer.told, ...counts(whole.writes, row) })
          : answer.refused
      }
    )
  })

/** As statements of the transaction that is open; what is bare needs none, unless a lost answer is to be settled. */
export const inTurn = <E>(sql: SqlClient, parts: Parts<E>, clause: Text.Clause): Effect.Effect<Told, E | SqlError> =>
  Effect.withFiber((fiber) => {
    const statements = eachInTurn(sql, parts, clause)
    return isBare(parts) && fiber.getRef(Validity.Validity) === undefined ? statements : inSeveral(statements)
  })

const eachInTurn = <E>(sql: SqlClient, parts: Parts<E>, clause: Text.Clause): Effect.Effect<Told, E | SqlError> =>
  Effect.gen(function* () {
    for (const lock of Text.locks(parts.guards, clause)) yield* send(sql, lock)
    const [row = []] = isJudged(parts) ? yield* send(sql, Text.judgement(parts)) : []
    const answer = read(parts, row)
    if (answer.refused !== undefined) return yield* answer.refused
    const told: Record<string, unknown> = { ...answer.told }
    for (const write of parts.writes) {
      const rows = yield* send(sql, Text.alone(write, answer.known))
      if (write.counted !== undefined) told[write.counted] = BigInt(rows.length)
    }
    return told
  })

const isJudged = ({ guards, tells }: Parts<unknown>): boolean => guards.length > 0 || Object.keys(tells).length > 0

/** Whether nothing is asked and there is one write, which is a statement as it stands. */
const isBare = (parts: Parts<unknown>): boolean => !isJudged(parts) && parts.writes.length === 1

/** How many rows were written, by name: the last columns of the answer. */
const counts = (writes: Text.Parts["writes"], row: Row): Told => {
  const names = writes.flatMap(({ counted }) => counted ?? [])
  return Object.fromEntries(names.map((name, index) => [name, row[row.length - names.length + index]]))
}

type Row = ReadonlyArray<unknown>

/** The columns stand as `Text` writes them: what holds, how many rows, what is told, and the guards' columns. */
const read = <E>({ guards, tells }: Parts<E>, row: Row) => {
  const names = Object.keys(tells)
  const told = Object.fromEntries(names.map((name, index) => [name, row[2 * guards.length + index]]))
  let place = 2 * guards.length + names.length
  const found = guards.map((guard, index) => {
    const columns = guard.columns.map((column): [string, unknown] => [column, row[place++]])
    // A count is a BIGINT, which the driver gives as a bigint.
    const rows = Number(row[guards.length + index] ?? 0)
    return { guard, holds: row[index] === true, rows, columns: Object.fromEntries(columns) }
  })
  const failed = found.find(({ holds }) => !holds)
  const known = (source: Source): Expression.Expression => {
    switch (source.of) {
      case "guard":
        throw new Error(`a write reads the rows of guard ${source.name}: it may read single columns of it`)
      case "tell":
        return typed(source.type, told[source.name])
      case "column":
        return typed(source.type, found.find(({ guard }) => guard.name === source.name)?.columns[source.column])
    }
  }
  return {
    told,
    known,
    refused: failed?.guard.refuse(failed.rows === 0 ? undefined : failed.columns, failed.rows)
  }
}

const typed = (type: Expression.Type, value: unknown): Expression.Expression =>
  // The server gave the value in a column of this type, so it is what a parameter of the type takes.
  Expression.value(type, (value ?? null) as Expression.Values[typeof type] | null)

/** Sends what was written down, and gives the rows' values in the order of their columns. */
export const send = (sql: SqlClient, what: Flat | Written): Effect.Effect<ReadonlyArray<Row>, SqlError> =>
  statement(sql, what).values

const statement = (sql: SqlClient, what: Flat | Written): Statement<unknown> => {
  if ("text" in what) return sql.unsafe(what.text, what.values)
  return what.hasFragments
    ? sql(Object.assign([...what.strings], { raw: what.strings }), ...what.values)
    : sql.unsafe(textOf(what), what.values)
}

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
import { inSeveral } from "../transaction/single.ts"
import { check } from "./alike.ts"
import { type Flat, textOf } from "./flat.ts"
import { type Source, spoken } from "./reference.ts"
import { type Written, written } from "./shape.ts"
import * as Text from "./text.ts"

export type { Clause } from "./text.ts"

export type Parts<E> = Omit<Text.Parts, "guards"> & {
  readonly guards: ReadonlyArray<Guard<E>>
  /** Whether whoever sends the writes knows that they may come in any order. */
  readonly independent: boolean
}

type Told = Readonly<Record<string, unknown>>

/** As one statement. */
export const atOnce = <E>(sql: SqlClient, parts: Parts<E>, clause: Text.Clause): Effect.Effect<Told, E | SqlError> =>
  Effect.flatMap(Validity.guard(sql), (time) => {
    const guards: ReadonlyArray<Guard<E | SqlError>> = time === undefined ? parts.guards : [time, ...parts.guards]
    const whole = { ...parts, guards }
    if (isBare(whole)) return judgedFirst(sql, whole, clause)
    const flat = () => {
      check(whole)
      return Text.statement(whole, clause)
    }
    return Effect.flatMap(send(sql, written(whole, clause, flat)), ([row = []]) => answered(whole, row))
  })

/** One statement of a guard and a write, and nothing that is told, whose text is known. */
export const known = <E>(sql: SqlClient, what: Written, parts: () => Parts<E>): Effect.Effect<Told, E | SqlError> =>
  // Whether all is held stands behind what holds and how many rows there are.
  Effect.flatMap(send(sql, what), ([row = []]) => (row[2] === true ? tellingNothing : answered(parts(), row)))

const tellingNothing = Effect.succeed<Told>({})

const answered = <E>(parts: Parts<E>, row: Row): Effect.Effect<Told, E> => {
  const { refused, told } = read(parts, row)
  return refused === undefined ? Effect.succeed({ ...told, ...counts(parts.writes, row) }) : refused
}

/** As statements of the transaction that is open; what is bare needs none, unless a lost answer is to be settled. */
export const inTurn = <E>(sql: SqlClient, parts: Parts<E>, clause: Text.Clause): Effect.Effect<Told, E | SqlError> =>
  Effect.withFiber((fiber) => {
    const statements = judgedFirst(sql, parts, clause)
    return isBare(parts) && fiber.getRef(Validity.Validity) === undefined ? statements : inSeveral(statements)
  })

/** What is judged is answered before anything is written. */
const judgedFirst = <E>(sql: SqlClient, parts: Parts<E>, clause: Text.Clause): Effect.Effect<Told, E | SqlError> =>
  Effect.gen(function* () {
    check(parts)
    const { guards, writes } = parts
    const carried = new Map(
      writes.flatMap(Text.referencesOf).map((source): [string, Source] => [spoken(guards, source), source])
    )
    const [row = []] = isJudged(parts) ? yield* send(sql, Text.judgement(parts, [...carried.values()])) : []
    const { refused, rest, told } = read(parts, row)
    if (refused !== undefined) return yield* refused
    const places = [...carried.keys()]
    const known = (source: Source) => asText(source, rest[places.indexOf(spoken(guards, source))])
    const locks = Text.locks(parts, clause)
    // None waits for another: all that they depend on has been judged.
    const sent = yield* Effect.forEach(
      [...locks, ...writes.map((write) => Text.alone(write, known))],
      (what) => send(sql, what),
      { concurrency: "unbounded" }
    )
    const counts: Record<string, bigint> = {}
    for (const [index, { counted }] of writes.entries()) {
      if (counted !== undefined) counts[counted] = BigInt(sent[locks.length + index]?.length ?? 0)
    }
    return { ...told, ...counts }
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

/** The columns stand as `Text` writes them; the `rest` is what is carried to writes. */
const read = <E>({ guards, tells }: Parts<E>, row: Row) => {
  const told: Record<string, unknown> = {}
  // Behind what holds, how many rows there are and what is told stands whether all is held, which the guards say one by one.
  let place = 2 * guards.length
  for (const name of Object.keys(tells)) told[name] = row[place++]
  place++
  let refused: Effect.Effect<never, E> | undefined
  for (const [index, guard] of guards.entries()) {
    // A count is a BIGINT, which the driver gives as a bigint.
    const rows = Number(row[guards.length + index] ?? 0)
    if (refused === undefined && (row[index] !== true || (rows > 1 && Text.isOne(guard)))) {
      refused = refusal(guard, rows, row.slice(place, place + guard.columns.length))
    }
    place += guard.columns.length
  }
  return { told, rest: row.slice(place), refused }
}

const refusal = <E>(guard: Guard<E>, rows: number, values: Row): Effect.Effect<never, E> => {
  if (rows > 1 && Text.isOne(guard)) return Effect.die(new Error(several(guard, rows)))
  if (rows === 0) return guard.refuse(undefined, rows)
  return guard.refuse(Object.fromEntries(guard.columns.map((column, index) => [column, values[index]])), rows)
}

const several = ({ row: { key } }: Guard<unknown>, rows: number): string =>
  `${key?.table ?? ""}(${key?.columns.join(", ") ?? ""}): this key names ${rows} rows, and a guard is one: name its ` +
  "primary key"

/** What the server wrote down as text, of the type that is asked for: nothing is lost on its way through here. */
const asText = (source: Source, text: unknown): Expression.Expression => {
  if (source.of === "guard") throw new Error("the rows of a guard are no value")
  const parameter = Expression.value("text", typeof text === "string" ? text : null)
  return Expression.sql`${parameter}::${Expression.literal(source.type)}`
}

/** Sends what was written down, and gives the rows' values in the order of their columns. */
export const send = (sql: SqlClient, what: Flat | Written): Effect.Effect<ReadonlyArray<Row>, SqlError> =>
  statement(sql, what).values

const statement = (sql: SqlClient, what: Flat | Written): Statement<unknown> => {
  if ("text" in what) return sql.unsafe(what.text, what.values)
  return what.hasFragments
    ? sql(Object.assign([...what.strings], { raw: what.strings }), ...what.values)
    : sql.unsafe(textOf(what), what.values)
}

/**
 * Writes a guarded statement down: as one statement, or as the statements of one transaction.
 *
 *     WITH "_shard" AS MATERIALIZED (SELECT "range_id" FROM "shards" WHERE … FOR KEY SHARE),
 *     "_judged" AS MATERIALIZED (SELECT EXISTS (SELECT 1 FROM "_shard" WHERE range_id = $2), (SELECT count(*) …), …),
 *     "_held" AS MATERIALIZED (SELECT 1 FROM "_judged" WHERE holds_0),
 *     "_write_0" AS (INSERT INTO "transfer_tasks" (…) SELECT … FROM "_held", unnest(…) …)
 *     SELECT "_judged".*, "_shard"."range_id" FROM "_judged" LEFT JOIN "_shard" ON NOT EXISTS (SELECT 1 FROM "_held")
 *
 * PostgreSQL evaluates a CTE that reads only if somebody reads it, and only as far: hence each guard's rows are counted.
 * Every part of the statement sees the snapshot from before it, and may change a row that no other part changes.
 */
import * as Expression from "../../Expression.ts"
import type { Guard, Lock } from "../../Guard.ts"
import type { Write } from "../../Write.ts"
import { Reference, type Source } from "./reference.ts"

/** What is written down. */
export interface Parts {
  readonly guards: ReadonlyArray<Guard<unknown>>
  /** In the order in which they are answered. */
  readonly tells: Readonly<Record<string, Expression.Expression>>
  readonly writes: ReadonlyArray<Write>
}

/** What a locking clause is called. */
export type Clause = (lock: Lock) => "FOR KEY SHARE" | "FOR UPDATE"

const { literal, name, sql } = Expression

const nothing = literal("")

/** The whole, as one statement that commits by itself. */
export const statement = ({ guards, tells, writes }: Parts, clause: Clause): Expression.Expression => {
  const cte = names({ guards, tells, writes })
  const gate = name(cte("held"))
  const held = Expression.all(guards.map((_, index) => literal(`holds_${index}`)))
  const parts = [
    ...guards.flatMap((guard) => reading(guard, cte, clause)),
    sql`${name(cte("judged"))} AS MATERIALIZED (${judged({ guards, tells, writes }, cte)})`,
    sql`${gate} AS MATERIALIZED (SELECT 1 FROM ${name(cte("judged"))} WHERE ${held})`,
    ...writes.map((write, index) => sql`${name(cte(`write_${index}`))} AS (${written(write, gate)})`)
  ]
  const whole = sql`WITH ${Expression.join(parts, ",\n")}\n${answer(guards, cte, sql`NOT EXISTS (SELECT 1 FROM ${gate})`)}`
  return resolve(whole, inside(tells, cte))
}

/** The guards' rows, each locked by a statement of its own. */
export const locks = (guards: ReadonlyArray<Guard<unknown>>, clause: Clause): ReadonlyArray<Expression.Expression> =>
  guards.flatMap(({ beside, row }) =>
    [row, beside].flatMap((row) => (row?.lock === undefined ? [] : [locking(row.select, row.lock, clause)]))
  )

/** What holds and what is told, judged in a transaction that holds the locks; it answers as the whole statement does. */
export const judgement = (parts: Parts): Expression.Expression => {
  const cte = names(parts)
  const reads = [
    ...parts.guards.flatMap((guard) => reading(guard, cte, undefined)),
    sql`${name(cte("judged"))} AS MATERIALIZED (${judged(parts, cte)})`
  ]
  const whole = sql`WITH ${Expression.join(reads, ",\n")}\n${answer(parts.guards, cte, literal("TRUE"))}`
  return resolve(whole, inside(parts.tells, cte))
}

/** A write by itself, with what was judged before as parameters. */
export const alone = (write: Write, known: (source: Source) => Expression.Expression): Expression.Expression =>
  resolve(written(write, undefined), known)

type Names = (part: string) => string

/** Names for the parts of a statement, none of which stands anywhere in it already. */
const names = ({ guards, tells, writes }: Parts): Names => {
  const text = [
    ...guards.flatMap(({ beside, holds, row, view = [] }) => [row.select, beside?.select ?? nothing, holds, ...view]),
    ...Object.values(tells),
    ...writes.flatMap(({ from = nothing, head, tail = nothing, where = nothing }) => [head, from, where, tail])
  ]
    .flatMap(({ strings }) => strings)
    .join(" ")
  let prefix = "_"
  const parts = ["judged", "held", "write_", ...guards.map(({ name }) => name)]
  while (parts.some((part) => text.includes(prefix + part))) prefix += "_"
  return (part) => prefix + part
}

const locking = (select: Expression.Expression, lock: Lock | undefined, clause: Clause | undefined) =>
  lock === undefined || clause === undefined ? select : sql`${select} ${literal(clause(lock))}`

/** The CTEs of a guard, the last of which has its name. Without `clause` nothing is locked. */
const reading = (
  guard: Guard<unknown>,
  cte: Names,
  clause: Clause | undefined
): ReadonlyArray<Expression.Expression> => {
  const { beside, columns, row, view } = guard
  const own = name(cte(guard.name))
  const found = locking(row.select, row.lock, clause)
  if (view === undefined) return [sql`${own} AS MATERIALIZED (${found})`]
  const first = name(cte(`${guard.name}_found`))
  const second = name(cte(`${guard.name}_beside`))
  const named = view.map((value, index) => sql`${value} AS ${name(columns[index] ?? "")}`)
  const read = sql`SELECT ${Expression.join(named, ", ")} FROM ${first} AS found`
  if (beside === undefined) {
    return [sql`${first} AS MATERIALIZED (${found})`, sql`${own} AS MATERIALIZED (${read})`]
  }
  return [
    sql`${first} AS MATERIALIZED (${found})`,
    sql`${second} AS MATERIALIZED (${locking(beside.select, beside.lock, clause)})`,
    sql`${own} AS MATERIALIZED (${read} LEFT JOIN ${second} AS beside ON TRUE)`
  ]
}

const judged = ({ guards, tells }: Parts, cte: Names): Expression.Expression => {
  const columns = [
    ...guards.map(({ holds }, index) => sql`(${holds}) AS ${literal(`holds_${index}`)}`),
    ...guards.map(
      (guard, index) => sql`(SELECT count(*) FROM ${name(cte(guard.name))}) AS ${literal(`rows_${index}`)}`
    ),
    ...Object.values(tells).map((tell, index) => sql`${tell} AS ${literal(`told_${index}`)}`)
  ]
  return sql`SELECT ${Expression.join(columns, ", ")}`
}

/** What holds, how many rows each guard has, what is told, and each guard's columns where they are wanted. */
const answer = (guards: ReadonlyArray<Guard<unknown>>, cte: Names, wanted: Expression.Expression) => {
  const judged = name(cte("judged"))
  const columns = guards.flatMap((guard) =>
    guard.columns.map((column) => sql`${name(cte(guard.name))}.${name(column)}`)
  )
  const joins = guards.map((guard) => sql` LEFT JOIN ${name(cte(guard.name))} ON ${wanted}`)
  const all = Expression.join([sql`${judged}.*`, ...columns], ", ")
  return sql`SELECT ${all} FROM ${judged}${Expression.join(joins, "")} LIMIT 1`
}

const written = ({ from, head, reads, tail, where }: Write, gate: Expression.Expression | undefined) => {
  const sources = [gate, from].filter((source) => source !== undefined)
  const read = sources.length === 0 ? nothing : sql` ${literal(reads)} ${Expression.join(sources, ", ")}`
  const condition = where === undefined ? nothing : sql` WHERE ${where}`
  return sql`${head}${read}${condition}${tail === undefined ? nothing : sql` ${tail}`}`
}

/** References as they stand inside of one statement. */
const inside =
  (tells: Parts["tells"], cte: Names) =>
  (source: Source): Expression.Expression => {
    switch (source.of) {
      case "guard":
        return name(cte(source.name))
      case "column":
        return sql`(SELECT ${name(source.column)} FROM ${name(cte(source.name))})::${literal(source.type)}`
      case "tell": {
        const place = literal(`told_${Object.keys(tells).indexOf(source.name)}`)
        return sql`(SELECT ${place} FROM ${name(cte("judged"))})::${literal(source.type)}`
      }
    }
  }

/** Puts in the place of each reference what it refers to. */
const resolve = (
  expression: Expression.Expression,
  to: (source: Source) => Expression.Expression
): Expression.Expression => {
  if (!expression.values.some((value) => value instanceof Reference)) return expression
  return Expression.join(
    expression.strings.flatMap((text, index) => {
      if (index === expression.values.length) return [literal(text)]
      const value = expression.values[index]
      return [literal(text), value instanceof Reference ? to(value.source) : sql`${value}`]
    }),
    ""
  )
}

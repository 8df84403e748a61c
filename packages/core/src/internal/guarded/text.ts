/**
 * Writes a guarded statement down: as one statement, or as the statements of one transaction.
 *
 *     WITH "_guarded_shard" AS MATERIALIZED (SELECT "range_id" FROM "shards" WHERE … FOR KEY SHARE),
 *     "_guarded__judged" AS MATERIALIZED (SELECT EXISTS (SELECT 1 FROM "_guarded_shard" WHERE range_id = $2), (SELECT count(*) …), …),
 *     "_guarded__held" AS MATERIALIZED (SELECT 1 FROM "_guarded__judged" WHERE holds_0),
 *     "_guarded__write_0" AS (INSERT INTO "transfer_tasks" (…) SELECT … FROM "_guarded__held", unnest(…) …)
 *     SELECT "_guarded__judged".*, "_guarded_shard"."range_id" FROM "_guarded__judged" LEFT JOIN "_guarded_shard" ON NOT EXISTS (SELECT 1 FROM "_guarded__held")
 *
 * PostgreSQL evaluates a CTE that reads only if somebody reads it, and only as far: hence each guard's rows are counted.
 * Every part of the statement sees the snapshot from before it, and may change a row that no other part changes.
 */
import * as Expression from "../../Expression.ts"
import type { Guard, Lock } from "../../Guard.ts"
import type { Write } from "../../Write.ts"
import { type Flat, flatten } from "./flat.ts"
import type { Source } from "./reference.ts"
import { reserved } from "./reserved.ts"

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
export const statement = ({ guards, tells, writes }: Parts, clause: Clause): Flat => {
  const gate = own("held")
  const held = Expression.all(guards.map((_, index) => literal(`holds_${index}`)))
  const parts = [
    ...guards.flatMap((guard) => reading(guard, clause)),
    sql`${own("judged")} AS MATERIALIZED (${judged({ guards, tells, writes })})`,
    sql`${gate} AS MATERIALIZED (SELECT 1 FROM ${own("judged")} WHERE ${held})`,
    ...writes.map((write, index) => sql`${own(`write_${index}`)} AS (${written(write, gate)})`)
  ]
  const counts = writes.flatMap(({ counted }, index) =>
    counted === undefined ? [] : [sql`(SELECT count(*) FROM ${own(`write_${index}`)})`]
  )
  const asked = answer(guards, sql`NOT EXISTS (SELECT 1 FROM ${gate})`, counts)
  const whole = sql`WITH ${Expression.join(parts, ",\n")}\n${asked}`
  return flatten(whole, inside(tells))
}

/** The guards' rows, each locked by a statement of its own. */
export const locks = (guards: ReadonlyArray<Guard<unknown>>, clause: Clause): ReadonlyArray<Flat> =>
  guards.flatMap(({ beside, row }) =>
    [row, beside].flatMap((row) => (row?.lock === undefined ? [] : [plain(locking(row.select, row.lock, clause))]))
  )

/** An expression that refers to nothing. */
export const plain = (expression: Expression.Expression): Flat =>
  flatten(expression, ({ name }) => {
    throw new Error(`${name} is referred to where it is not known`)
  })

/** What holds and what is told, judged in a transaction that holds the locks; it answers as the whole statement does. */
export const judgement = (parts: Parts): Flat => {
  const reads = [
    ...parts.guards.flatMap((guard) => reading(guard, undefined)),
    sql`${own("judged")} AS MATERIALIZED (${judged(parts)})`
  ]
  const whole = sql`WITH ${Expression.join(reads, ",\n")}\n${answer(parts.guards, literal("TRUE"), [])}`
  return flatten(whole, inside(parts.tells))
}

/** A write by itself, with what was judged before as parameters. */
export const alone = (write: Write, known: (source: Source) => Expression.Expression): Flat =>
  flatten(written(write, undefined), known)

/** The name of a part of the statement that is no guard. */
const own = (part: string): Expression.Expression => cte(`_${part}`)

/** The name of a guard in the statement. */
const cte = (part: string): Expression.Expression => literal(`"${reserved}${part.replaceAll('"', "")}"`)

const locking = (select: Expression.Expression, lock: Lock | undefined, clause: Clause | undefined) =>
  lock === undefined || clause === undefined ? select : sql`${select} ${literal(clause(lock))}`

/** The CTEs of a guard, the last of which has its name. Without `clause` nothing is locked. */
const reading = (guard: Guard<unknown>, clause: Clause | undefined): ReadonlyArray<Expression.Expression> => {
  const { beside, columns, row, view } = guard
  const rows = cte(guard.name)
  const found = locking(row.select, row.lock, clause)
  if (view === undefined) return [sql`${rows} AS MATERIALIZED (${found})`]
  const first = cte(`${guard.name}_found`)
  const second = cte(`${guard.name}_beside`)
  const named = view.map((value, index) => sql`${value} AS ${name(columns[index] ?? "")}`)
  const read = sql`SELECT ${Expression.join(named, ", ")} FROM ${first} AS found`
  if (beside === undefined) {
    return [sql`${first} AS MATERIALIZED (${found})`, sql`${rows} AS MATERIALIZED (${read})`]
  }
  return [
    sql`${first} AS MATERIALIZED (${found})`,
    sql`${second} AS MATERIALIZED (${locking(beside.select, beside.lock, clause)})`,
    sql`${rows} AS MATERIALIZED (${read} LEFT JOIN ${second} AS beside ON TRUE)`
  ]
}

const judged = ({ guards, tells }: Parts): Expression.Expression => {
  const columns = [
    ...guards.map(({ holds }, index) => sql`(${holds}) AS ${literal(`holds_${index}`)}`),
    ...guards.map((guard, index) => sql`(SELECT count(*) FROM ${cte(guard.name)}) AS ${literal(`rows_${index}`)}`),
    ...Object.values(tells).map((tell, index) => sql`${tell} AS ${literal(`told_${index}`)}`)
  ]
  return sql`SELECT ${columns.length === 0 ? literal("TRUE") : Expression.join(columns, ", ")}`
}

/** What holds, how many rows each guard has, what is told, each guard's columns where they are wanted, and counts. */
const answer = (
  guards: ReadonlyArray<Guard<unknown>>,
  wanted: Expression.Expression,
  counts: ReadonlyArray<Expression.Expression>
) => {
  const judged = own("judged")
  const columns = guards.flatMap((guard) => guard.columns.map((column) => sql`${cte(guard.name)}.${name(column)}`))
  const joins = guards.map((guard) => sql` LEFT JOIN ${cte(guard.name)} ON ${wanted}`)
  const all = Expression.join([sql`${judged}.*`, ...columns, ...counts], ", ")
  return sql`SELECT ${all} FROM ${judged}${Expression.join(joins, "")} LIMIT 1`
}

const written = ({ counted, from, head, reads, tail, where }: Write, gate: Expression.Expression | undefined) => {
  const sources = [gate, from].filter((source) => source !== undefined)
  const read = sources.length === 0 ? nothing : sql` ${literal(reads)} ${Expression.join(sources, ", ")}`
  const condition = where === undefined ? nothing : sql` WHERE ${where}`
  const returning = counted === undefined ? nothing : literal(" RETURNING 1")
  return sql`${head}${read}${condition}${tail === undefined ? nothing : sql` ${tail}`}${returning}`
}

/** References as they stand inside of one statement. */
const inside =
  (tells: Parts["tells"]) =>
  (source: Source): Expression.Expression => {
    switch (source.of) {
      case "guard":
        return cte(source.name)
      case "column":
        return sql`(SELECT ${name(source.column)} FROM ${cte(source.name)})::${literal(source.type)}`
      case "tell": {
        const place = literal(`told_${Object.keys(tells).indexOf(source.name)}`)
        return sql`(SELECT ${place} FROM ${own("judged")})::${literal(source.type)}`
      }
    }
  }

/**
 * Writes a guarded statement down: as one statement, or as the statements of one transaction.
 *
 *     WITH "_guarded_0_shard" AS MATERIALIZED (SELECT "range_id" FROM "shards" WHERE …),
 *     "_guarded_judged" AS MATERIALIZED (SELECT EXISTS (SELECT 1 FROM "_guarded_0_shard" WHERE range_id = $2) AS holds_0, (SELECT count(*) …) AS rows_0, …),
 *     "_guarded_0_shard_lock" AS MATERIALIZED (SELECT "range_id" FROM "shards" WHERE … FOR KEY SHARE),
 *     "_guarded_held" AS MATERIALIZED (SELECT 1 FROM "_guarded_judged" WHERE CASE WHEN holds_0 AND … THEN (SELECT count(*) FROM "_guarded_0_shard_lock") >= 0 END),
 *     "_guarded_write_0" AS (INSERT INTO "transfer_tasks" (…) SELECT … FROM "_guarded_held", unnest(…) …)
 *     SELECT "_guarded_judged".*, EXISTS (SELECT 1 FROM "_guarded_held"), "_guarded_0_shard"."range_id" FROM "_guarded_judged" LEFT JOIN "_guarded_0_shard" ON NOT EXISTS (SELECT 1 FROM "_guarded_held")
 *
 * PostgreSQL evaluates a CTE that reads only if somebody reads it, and only as far: so nothing is locked unless all
 * guards hold, and then all of it is, because the locks' rows are counted. Every part of the statement sees the snapshot
 * from before it, and may change a row that no other part changes.
 */
import * as Expression from "../../Expression.ts"
import type { Guard, Lock, Row } from "../../Guard.ts"
import type { Write } from "../../Write.ts"
import { type Flat, flatten } from "./flat.ts"
import { found, type Source } from "./reference.ts"
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

const { column, literal, sql } = Expression

const nothing = literal("")

/** The whole, as one statement that commits by itself. */
export const statement = (parts: Parts, clause: Clause): Flat => {
  const { guards, writes } = parts
  const locked = guards.flatMap((guard, place) => locking(guard, place, clause))
  const ctes = [
    ...guards.flatMap(reading),
    judging(parts),
    ...locked.map(({ lock, select }) => sql`${lock} AS MATERIALIZED (${select})`),
    sql`${gate} AS MATERIALIZED (SELECT 1 FROM ${judged} WHERE ${passed(guards, locked)})`,
    ...writes.map((write, index) => sql`${own(`write_${index}`)} AS (${written(write, gate)})`)
  ]
  const counts = writes.flatMap(({ counted }, index) =>
    counted === undefined ? [] : [sql`(SELECT count(*) FROM ${own(`write_${index}`)})`]
  )
  const isHeld = sql`EXISTS (SELECT 1 FROM ${gate})`
  const whole = sql`WITH ${Expression.join(ctes, ",\n")}\n${answer(guards, isHeld, sql`NOT ${isHeld}`, counts)}`
  return flatten(whole, inside(parts))
}

/**
 * What holds and what is told, judged in a transaction; it answers as the whole statement does, and gives beside what is
 * `carried` to its writes.
 */
export const judgement = (parts: Parts, carried: ReadonlyArray<Source>): Flat => {
  const { guards } = parts
  const isHeld = sql`(SELECT ${holding(guards)} FROM ${judged})`
  const values = carried.map((source) => sql`CASE WHEN ${isHeld} THEN (${inside(parts)(source)})::text END`)
  const ctes = Expression.join([...guards.flatMap(reading), judging(parts)], ",\n")
  return flatten(sql`WITH ${ctes}\n${answer(guards, isHeld, literal("TRUE"), values)}`, inside(parts))
}

/** The guards' rows, each locked by a statement of its own. */
export const locks = ({ guards }: Parts, clause: Clause): ReadonlyArray<Flat> =>
  guards.flatMap((guard, place) => locking(guard, place, clause).map(({ select }) => plain(select)))

/** What a write refers to. */
export const referencesOf = (write: Write): ReadonlyArray<Source> => {
  const sources: Array<Source> = []
  alone(write, (source) => {
    sources.push(source)
    return nothing
  })
  return sources
}

/** A write by itself, with what was judged before as parameters. */
export const alone = (write: Write, known: (source: Source) => Expression.Expression): Flat =>
  flatten(written(write, undefined), known)

/** An expression that refers to nothing. */
export const plain = (expression: Expression.Expression): Flat =>
  flatten(expression, ({ of }) => {
    throw new Error(`a ${of} is referred to where there is none`)
  })

/** The name of a part of the statement. */
const own = (part: string): Expression.Expression => literal(`"${reserved}${part}"`)

/** The name of a guard's rows, or of another part of it: told by its place, and readable by what the guard is called. */
const ofGuard = (guard: Guard<unknown>, place: number, part = ""): Expression.Expression =>
  own(`${place}_${(guard.id.description ?? "").replaceAll(/\W/g, "").slice(0, 30)}${part}`)

const judged = own("judged")

const gate = own("held")

interface Locking {
  /** The name of the locked rows. */
  readonly lock: Expression.Expression
  readonly select: Expression.Expression
}

/** The rows of a guard that it locks, as they are locked. */
const locking = (guard: Guard<unknown>, place: number, clause: Clause): ReadonlyArray<Locking> => {
  const locked = (row: Row | undefined, part: string): ReadonlyArray<Locking> =>
    row?.lock === undefined
      ? []
      : [{ lock: ofGuard(guard, place, part), select: sql`${row.select} ${literal(clause(row.lock))}` }]
  return [...locked(guard.row, "_lock"), ...locked(guard.beside, "_beside_lock")]
}

/** The CTEs of a guard as it is found, the last of which has its name. */
const reading = (guard: Guard<unknown>, place: number): ReadonlyArray<Expression.Expression> => {
  const { beside, columns, row, view } = guard
  const rows = ofGuard(guard, place)
  if (view === undefined) return [sql`${rows} AS MATERIALIZED (${row.select})`]
  const first = ofGuard(guard, place, "_found")
  const second = ofGuard(guard, place, "_beside")
  const named = view.map((value, index) => sql`${value} AS ${column(columns[index] ?? "")}`)
  const read = sql`SELECT ${Expression.join(named, ", ")} FROM ${first} AS found`
  const found = sql`${first} AS MATERIALIZED (${row.select})`
  if (beside === undefined) return [found, sql`${rows} AS MATERIALIZED (${read})`]
  return [
    found,
    sql`${second} AS MATERIALIZED (${beside.select})`,
    sql`${rows} AS MATERIALIZED (${read} LEFT JOIN ${second} AS beside ON TRUE)`
  ]
}

const judging = ({ guards, tells }: Parts): Expression.Expression => {
  const columns = [
    ...guards.map(({ holds }, place) => sql`(${holds}) AS ${literal(`holds_${place}`)}`),
    ...guards.map(
      (guard, place) => sql`(SELECT count(*) FROM ${ofGuard(guard, place)}) AS ${literal(`rows_${place}`)}`
    ),
    ...Object.values(tells).map((tell, index) => sql`${tell} AS ${literal(`told_${index}`)}`)
  ]
  return sql`${judged} AS MATERIALIZED (SELECT ${columns.length === 0 ? literal("TRUE") : Expression.join(columns, ", ")})`
}

/** Whether a guard's key has to name one row. */
export const isOne = ({ beside, row }: Guard<unknown>): boolean =>
  row.key !== undefined && (beside === undefined || beside.key !== undefined)

/** The condition that all guards hold, of what was judged. */
const holding = (guards: ReadonlyArray<Guard<unknown>>): Expression.Expression =>
  Expression.all(
    guards.map((guard, place) => literal(isOne(guard) ? `holds_${place} AND rows_${place} <= 1` : `holds_${place}`))
  )

/** The same, which then locks. */
const passed = (guards: ReadonlyArray<Guard<unknown>>, locked: ReadonlyArray<Locking>): Expression.Expression => {
  if (locked.length === 0) return holding(guards)
  const counted = Expression.all(locked.map(({ lock }) => sql`(SELECT count(*) FROM ${lock}) >= 0`))
  return sql`CASE WHEN ${holding(guards)} THEN ${counted} END`
}

/** What holds, how many rows each guard has, what is told, whether all is held, and each guard's columns where they are wanted. */
const answer = (
  guards: ReadonlyArray<Guard<unknown>>,
  isHeld: Expression.Expression,
  wanted: Expression.Expression,
  more: ReadonlyArray<Expression.Expression>
) => {
  const columns = guards.flatMap((guard, place) =>
    guard.columns.map((each) => sql`${ofGuard(guard, place)}.${column(each)}`)
  )
  const joins = guards.map((guard, place) => sql` LEFT JOIN ${ofGuard(guard, place)} ON ${wanted}`)
  const all = Expression.join([sql`${judged}.*`, isHeld, ...columns, ...more], ", ")
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
  ({ guards, tells }: Parts) =>
  (source: Source): Expression.Expression => {
    const rows = (id: symbol) => {
      const { guard, place } = found(guards, id)
      return ofGuard(guard, place)
    }
    switch (source.of) {
      case "guard":
        return rows(source.guard)
      case "column":
        // One row is read where there are several: then the guard is refused.
        return sql`(SELECT ${column(source.column)} FROM ${rows(source.guard)} LIMIT 1)::${literal(source.type)}`
      case "tell": {
        const place = Object.keys(tells).indexOf(source.name)
        if (place === -1) throw new Error(`nothing is told under the name ${source.name}`)
        return sql`(SELECT ${literal(`told_${place}`)} FROM ${judged})::${literal(source.type)}`
      }
    }
  }

/**
 * Tokens of a window or a bucket, counted in one row for each key: all who ask for the same at once are answered by one
 * statement, which counts for as many of them as there are tokens for.
 *
 * What is refused is not written, so a limit that is reached costs no conflicts.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import type { Transaction } from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"

const { literal, sql, value } = Expression

/** What is asked for, by so many at once. */
export interface Asked {
  readonly key: string
  readonly tokens: number
  /** Milliseconds. */
  readonly refillRate: number
  /** Requests that are waiting. */
  readonly requests: number
}

/** What a window said: tokens taken and milliseconds left before this, and how many requests it was enough for. */
export interface Window {
  readonly taken: number
  readonly left: number
  readonly granted: number
}

/** What a bucket said: tokens in it before this, milliseconds since it was given one, and for how many it was enough. */
export interface Bucket {
  readonly tokens: number
  readonly elapsed: number
  readonly granted: number
}

const number = (value_: number) => value("double precision", value_)

const clock = literal("(SELECT EXTRACT(EPOCH FROM now())::double precision * 1000 AS now) AS clock")

/** A row of a key and an algorithm, beside the time. */
const stored = (key: string, algorithm: string) =>
  sql`${clock} LEFT JOIN effect_rate_limiter AS stored
    ON stored.id = ${value("text", key)} AND stored.algorithm = '${literal(algorithm)}'`

/** For how many requests so many tokens are enough; nobody waits for none. */
const enoughFor = (available: Expression.Expression, { requests, tokens }: Asked) =>
  tokens > 0
    ? sql`LEAST(${number(requests)}, GREATEST(0, FLOOR((${available}) / ${number(tokens)})))`
    : number(requests)

const columns = ["now", "tokens", "at", "granted"] as const

/** Reads what a SELECT of `columns` makes of the row, writes what it becomes, and tells what it was. */
const count = (
  asked: Asked,
  algorithm: string,
  select: Expression.Expression,
  next: (
    column: (name: (typeof columns)[number]) => Expression.Expression
  ) => Record<"tokens" | "at" | "idle_at", Expression.Expression>
): Effect.Effect<Readonly<Record<(typeof columns)[number], number>>, SqlError, Transaction> => {
  const guard = Guard.make({
    name: "tokens",
    row: { select, lock: undefined },
    columns,
    refuse: () => Effect.die(new Error("a SELECT without FROM gives one row"))
  })
  const column = (name: (typeof columns)[number]) => Guard.column(guard, name, "double precision")
  const key = { id: value("text", asked.key), algorithm: literal(`'${algorithm}'`) }
  const become = next(column)
  const statement = {
    guards: [guard],
    writes: [
      Write.insert({
        into: "effect_rate_limiter",
        columns: { ...key, ...become },
        where: sql`${column("granted")} > 0`,
        onConflict: Write.replacing(Object.keys(key), Object.keys(become))
      })
    ],
    tells: { now: column("now"), tokens: column("tokens"), at: column("at"), granted: column("granted") }
  }
  // Each of them is a double precision, which the driver gives as a number.
  return Effect.map(Guarded.write(statement), (told) => told as Readonly<Record<(typeof columns)[number], number>>)
}

/**
 * Takes tokens of a window, which ends `refillRate` later for each of them; without a limit there are always enough.
 * Beside those who wait it takes for up to `ahead` more, an eighth of what is left then at most.
 */
export const window = (asked: Asked & { readonly limit: number | undefined; readonly ahead: number }) => {
  const { ahead, limit, requests } = asked
  const enough = limit === undefined ? number(requests) : enoughFor(sql`${number(limit)} - found.tokens`, asked)
  const more =
    limit === undefined || ahead === 0 || asked.tokens <= 0
      ? literal("0")
      : sql`GREATEST(0, LEAST(${number(ahead)},
          FLOOR(((${number(limit)} - found.tokens) / ${number(asked.tokens)} - ${number(requests)}) / 8)))`
  const select = sql`
    SELECT found.now, found.tokens, found.at, ${enough} + ${more} AS granted FROM (
      SELECT clock.now,
        CASE WHEN stored.at > clock.now THEN stored.tokens ELSE 0 END AS tokens,
        CASE WHEN stored.at > clock.now THEN stored.at ELSE clock.now END AS at
      FROM ${stored(asked.key, "fixed-window")}) AS found`
  const told = count(asked, "fixed-window", select, (column) => {
    const taken = sql`${column("granted")} * ${number(asked.tokens)}`
    const end = sql`${column("at")} + ${taken} * ${number(asked.refillRate)}`
    return { tokens: sql`${column("tokens")} + ${taken}`, at: end, idle_at: end }
  })
  return Effect.map(told, ({ at, granted, now, tokens }): Window => ({ taken: tokens, left: at - now, granted }))
}

/** Takes tokens of a bucket, which gains one each `refillRate` up to its limit; with `overflow` it may owe some. */
export const bucket = (asked: Asked & { readonly limit: number; readonly overflow: boolean }) => {
  const { limit, overflow, refillRate, requests } = asked
  const gained = sql`GREATEST(0, FLOOR((clock.now - COALESCE(stored.at, clock.now)) / ${number(refillRate)}))`
  const filled = sql`
    SELECT clock.now, stored.at + ${gained} * ${number(refillRate)} AS at,
      CASE WHEN ${gained} > 0 THEN LEAST(${number(limit)}, stored.tokens + ${gained})
        ELSE COALESCE(stored.tokens, ${number(limit)}) END AS tokens
    FROM ${stored(asked.key, "token-bucket")}`
  const select = sql`
    SELECT found.now, found.tokens,
      CASE WHEN found.at IS NULL OR found.tokens >= ${number(limit)} THEN found.now ELSE found.at END AS at,
      ${overflow ? number(requests) : enoughFor(sql`found.tokens`, asked)} AS granted
    FROM (${filled}) AS found`
  const told = count(asked, "token-bucket", select, (column) => {
    const left = sql`${column("tokens")} - ${column("granted")} * ${number(asked.tokens)}`
    const full = sql`${column("at")} + CEIL(${number(limit)} - (${left})) * ${number(refillRate)}`
    return { tokens: left, at: column("at"), idle_at: full }
  })
  return Effect.map(told, ({ at, granted, now, tokens }): Bucket => ({
    tokens,
    elapsed: Math.max(0, now - at),
    granted
  }))
}

/**
 * Fences: a write that proves, in its WHERE clause, that its owner still owns.
 *
 * A guard is a row with a token. Whoever takes over moves the token with
 * `compareAndSet`; whoever writes below the guard holds it with `shared` in the
 * same transaction. Reading the token would not be enough: under snapshot
 * isolation the stale owner's write and the new owner's bump touch different
 * rows and both commit (write skew). So `shared` takes the guard row FOR KEY
 * SHARE and `compareAndSet` takes it FOR UPDATE. Of the two the later committer
 * conflicts, starts over, and sees the token of the other. Several `shared`
 * holders do not conflict with each other.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Statement } from "effect/sql/Statement"
import { ConditionFailed, type Token } from "./DsqlError.ts"
import { sql, type Transaction } from "./Transaction.ts"

/**
 * A row that guards others, or itself, by a token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Guard {
  readonly table: string
  /** The primary key, column by column. */
  readonly key: Readonly<Record<string, string | number | bigint | Uint8Array>>
  /** The column that holds the token. */
  readonly token: string
}

/**
 * Which lock `shared` takes. `FOR UPDATE` is for clusters from before
 * 2026-08-25, which have no FOR KEY SHARE: there the writers of one guard
 * conflict with each other as well.
 *
 * @since 0.1.0
 * @category settings
 */
export const SharedLock = Context.Reference<"FOR KEY SHARE" | "FOR UPDATE">("@effect-dsql/core/Fence/SharedLock", {
  defaultValue: () => "FOR KEY SHARE"
})

/**
 * Holds the guard for a write below it: fails unless the token is the expected one, and keeps it so until COMMIT.
 *
 * @example
 * ```ts
 * import { Fence, Transaction } from "@effect-dsql/core"
 * import { Effect } from "effect"
 *
 * const shard = { table: "shards", key: { shard_id: 7 }, token: "range_id" }
 * const write = Effect.gen(function*() {
 *   const sql = yield* Transaction.sql
 *   yield* Fence.shared(shard, 5n)
 *   yield* sql`INSERT INTO transfer_tasks (shard_id, task_id) VALUES (7, 1)`
 * })
 * const program = Transaction.run(write, { operation: "AddTask" })
 * ```
 *
 * @since 0.1.0
 * @category fences
 */
export const shared = (guard: Guard, expected: Token): Effect.Effect<void, ConditionFailed | SqlError, Transaction> =>
  Effect.gen(function* () {
    const client = yield* sql
    const lock = yield* SharedLock
    const rows = yield* select(client, guard, lock)
    yield* check(
      guard,
      expected,
      Option.map(Arr.head(rows), (row) => row.token)
    )
  })

/**
 * Takes the guard for oneself: everybody who holds it, shared or not, conflicts. None where the row is missing.
 *
 * @since 0.1.0
 * @category fences
 */
export const exclusive = (guard: Guard): Effect.Effect<Option.Option<Token>, SqlError, Transaction> =>
  Effect.gen(function* () {
    const rows = yield* select(yield* sql, guard, "FOR UPDATE")
    return Option.map(Arr.head(rows), (row) => row.token)
  })

/**
 * Sets columns of the guard, its token among them, if the token is still the expected one. One statement, so it
 * may run in `Transaction.autocommit`.
 *
 * @example
 * ```ts
 * import { Fence, Transaction } from "@effect-dsql/core"
 *
 * const shard = { table: "shards", key: { shard_id: 7 }, token: "range_id" }
 * const takeOver = Transaction.autocommit(Fence.compareAndSet(shard, 5n, { range_id: 6n }), { operation: "TakeShard" })
 * ```
 *
 * @since 0.1.0
 * @category fences
 */
export const compareAndSet = (
  guard: Guard,
  expected: Token,
  set: Readonly<Record<string, unknown>>
): Effect.Effect<void, ConditionFailed | SqlError, Transaction> =>
  Effect.gen(function* () {
    const client = yield* sql
    const keys = Object.values(guard.key)
    // The lock stands in a CTE that UPDATE reads: PostgreSQL skips a CTE that nobody reads.
    const rows = yield* fixed<Written>(
      client,
      ["set", guard.table, guard.token, ...Object.keys(guard.key), "|", ...Object.keys(set)],
      [...keys, ...Object.values(set), ...keys, expected],
      () => client`
        WITH guard AS (${locked(client, guard, "FOR UPDATE")}),
        written AS (
          UPDATE ${client(guard.table)} SET ${client.update(set)}
          FROM guard
          WHERE ${matches(client, guard)} AND guard.token = ${expected}
          RETURNING 1
        )
        SELECT (SELECT token FROM guard) AS token, EXISTS (SELECT 1 FROM written) AS written`
    )
    yield* checkWritten(guard, expected, rows)
  })

/**
 * Deletes the guard if its token is still the expected one. One statement.
 *
 * @since 0.1.0
 * @category fences
 */
export const compareAndDelete = (
  guard: Guard,
  expected: Token
): Effect.Effect<void, ConditionFailed | SqlError, Transaction> =>
  Effect.gen(function* () {
    const client = yield* sql
    const rows = yield* client<Written>`
      WITH guard AS (${locked(client, guard, "FOR UPDATE")}),
      written AS (
        DELETE FROM ${client(guard.table)} USING guard
        WHERE ${matches(client, guard)} AND guard.token = ${expected}
        RETURNING 1
      )
      SELECT (SELECT token FROM guard) AS token, EXISTS (SELECT 1 FROM written) AS written`
    yield* checkWritten(guard, expected, rows)
  })

/** What a conditional write answers: whether it wrote, and the token that it found. */
interface Written {
  readonly written: boolean
  readonly token: Token | null
}

const checkWritten = (guard: Guard, expected: Token, rows: ReadonlyArray<Written>) => {
  const row = rows[0]
  return row?.written === true ? Effect.void : fail(guard, expected, row?.token ?? undefined)
}

const check = (guard: Guard, expected: Token, actual: Option.Option<Token>) =>
  Option.isSome(actual) && actual.value === expected
    ? Effect.void
    : fail(guard, expected, Option.getOrUndefined(actual))

const fail = (guard: Guard, expected: Token, actual: Token | undefined) =>
  Effect.fail(new ConditionFailed({ what: describe(guard), expected, actual }))

const describe = (guard: Guard): string => {
  const key = Object.entries(guard.key).map(([column, value]) => `${column} = ${String(value)}`)
  return `${guard.table}(${key.join(", ")}).${guard.token}`
}

const select = (client: SqlClient, guard: Guard, lock: "FOR KEY SHARE" | "FOR UPDATE") =>
  fixed<{ readonly token: Token }>(
    client,
    [lock, guard.table, guard.token, ...Object.keys(guard.key)],
    Object.values(guard.key),
    () => locked(client, guard, lock)
  )

/** The text of each shape of statement, for each client. A program has as many shapes as it has guards. */
const texts = new WeakMap<SqlClient, Map<string, string>>()

/** Builds a statement's text once for its shape, because building costs more than the rest of a fence. */
const fixed = <A extends object>(
  client: SqlClient,
  shape: ReadonlyArray<string>,
  parameters: ReadonlyArray<unknown>,
  build: () => Statement<unknown>
): Statement<A> => {
  const known = texts.get(client) ?? new Map<string, string>()
  texts.set(client, known)
  const name = shape.join("\0")
  const text = known.get(name) ?? build().compile()[0]
  known.set(name, text)
  return client.unsafe<A>(text, parameters)
}

const locked = (client: SqlClient, guard: Guard, lock: "FOR KEY SHARE" | "FOR UPDATE") =>
  client`SELECT ${client(guard.token)} AS token FROM ${client(guard.table)}
    WHERE ${matches(client, guard)} ${client.literal(lock)}`

const matches = (client: SqlClient, guard: Guard) =>
  client.and(
    Object.entries(guard.key).map(([column, value]) => client`${client(guard.table)}.${client(column)} = ${value}`)
  )

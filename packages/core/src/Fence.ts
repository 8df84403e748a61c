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
 * @stability stable
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { ConditionFailed, type Token } from "./DsqlError.ts"
import * as Expression from "./Expression.ts"
import * as Guards from "./Guard.ts"
import type * as Guarded from "./Guarded.ts"
import * as Form from "./internal/guarded/form.ts"
import { send } from "./internal/guarded/sending.ts"
import { plain } from "./internal/guarded/text.ts"
import { Tree } from "./internal/guarded/tree.ts"
import * as Writing from "./internal/guarded/writing.ts"
import * as Turn from "./internal/hotkeys/turn.ts"
import { sql, type Transaction } from "./Transaction.ts"
import * as Write from "./Write.ts"

export { SharedLock } from "./Guard.ts"

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
    const clause = yield* Guards.SharedLock
    if (clause === "FOR UPDATE") yield* Turn.name(guard)
    const holds = Expression.sql`${Expression.column(guard.token)} = ${expected}`
    const row = yield* locked(client, guard, [holds], clause)
    if (row?.[2] !== true) return yield* refuse(guard, expected, row)
  })

/**
 * Takes the guard for oneself: everybody who holds it, shared or not, conflicts. None where the row is missing, null
 * where its token is.
 *
 * @since 0.1.0
 * @category fences
 */
export const exclusive = (guard: Guard): Effect.Effect<Option.Option<Token | null>, SqlError, Transaction> =>
  Effect.gen(function* () {
    yield* Turn.name(guard)
    const row = yield* locked(yield* sql, guard, [], "FOR UPDATE")
    return Option.map(Option.fromUndefinedOr(row), tokenOf)
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
export const compareAndSet = <Columns extends Readonly<Record<string, unknown>>>(
  guard: Guard,
  expected: Token,
  set: Columns & Write.SomeColumns<Columns>
): Effect.Effect<void, ConditionFailed | SqlError, Transaction> => moved(guard, expected, set)

/**
 * Deletes the guard if its token is still the expected one. One statement.
 *
 * @since 0.1.0
 * @category fences
 */
export const compareAndDelete = (
  guard: Guard,
  expected: Token
): Effect.Effect<void, ConditionFailed | SqlError, Transaction> => moved(guard, expected, undefined)

/**
 * The guard of a statement that moves the token: the row is there once, has the token, and is nobody else's until COMMIT.
 *
 * @since 0.1.0
 * @category guards
 */
export const holding = (guard: Guard, expected: Token): Guards.Guard<ConditionFailed> =>
  Guards.make({
    name: "fence",
    row: Guards.row(guard.table, bound(guard.key), read(guard), "exclusive"),
    columns: ["token", "text"],
    holds: (row) => Guards.exists(row, Expression.sql`token = ${expected}`),
    refuse: (found) => refuse(guard, expected, found && [found["token"], found["text"]])
  })

type Values = Readonly<Record<string, unknown>>

/** Sets columns of the guard, or deletes it where there are none. What is wrong with them is a defect of the effect. */
const moved = (
  guard: Guard,
  expected: Token,
  set: Values | undefined
): Effect.Effect<void, ConditionFailed | SqlError, Transaction> =>
  Effect.asVoid(
    Writing.write(
      () => moving(guard, expected, set),
      () => {
        const given = [...Object.values(guard.key), expected, ...(set === undefined ? [] : Object.values(set))]
        return given.every(Form.isPlain) ? Form.filled(formOf(guard, set), given) : undefined
      }
    )
  )

const moving = (guard: Guard, expected: Token, set: Values | undefined): Guarded.Statement<ConditionFailed> => {
  const { table } = guard
  const where = keyOf(guard)
  return {
    guards: [holding(guard, expected)],
    writes: [set === undefined ? Write.remove({ table, where }) : Write.update({ table, set: bound(set), where })]
  }
}

const forms = new Tree<Form.Form>()

/** The form of the statement that moves a guard of such columns. */
const formOf = ({ key, table, token }: Guard, set: Values | undefined): Form.Form => {
  const columns = Object.keys(key)
  const others = set === undefined ? undefined : Object.keys(set)
  let here = forms.begin()
  for (const what of [table, token, columns.length]) here = forms.after(here, what)
  for (const column of columns) here = forms.after(here, column)
  here = forms.after(here, others?.length)
  if (others !== undefined) for (const column of others) here = forms.after(here, column)
  return (here.kept ??= Form.of(
    moving(
      { table, key: numbered(columns, 0), token },
      BigInt(columns.length),
      others && numbered(others, columns.length + 1)
    )
  ))
}

/** The places of columns among the values that are given. */
const numbered = (columns: ReadonlyArray<string>, first: number): Readonly<Record<string, bigint>> =>
  Object.fromEntries(columns.map((column, index) => [column, BigInt(first + index)]))

/** The token, and how the server writes it: a timestamp has more digits than a Date. */
const read = ({ token }: Guard) => {
  const column = Expression.column(token)
  return { token: column, text: Expression.sql`${column}::text` }
}

const bound = (values: Readonly<Record<string, unknown>>): Readonly<Record<string, Expression.Expression>> =>
  Object.fromEntries(Object.entries(values).map(([column, value]) => [column, Expression.sql`${value}`]))

const keyOf = ({ key, table }: Guard): Expression.Expression => Expression.key(table, bound(key))

type Row = ReadonlyArray<unknown>

const locked = (client: SqlClient, guard: Guard, columns: ReadonlyArray<Expression.Expression>, clause: string) =>
  Effect.flatMap(
    send(
      client,
      plain(
        Expression.sql`SELECT ${Expression.join([...Object.values(read(guard)), ...columns], ", ")}
          FROM ${Expression.name(guard.table)} WHERE ${keyOf(guard)} ${Expression.literal(clause)}`
      )
    ),
    (rows) => Effect.as(single(guard, rows.length), rows[0])
  )

/** A guard is one row: a key that names several would be guarded by any of them. */
const single = (guard: Guard, rows: number): Effect.Effect<void> =>
  rows > 1
    ? Effect.die(new Error(`${describe(guard)}: this key names ${rows} rows, and a guard is one: name its primary key`))
    : Effect.void

/** A number or a text; of any other type what the server writes, which it takes again for the token. */
const tokenOf = ([token, text]: Row): Token | null => {
  if (typeof token === "bigint" || typeof token === "number" || typeof token === "string") return token
  return typeof text === "string" ? text : null
}

const refuse = (guard: Guard, expected: Token, row: Row | undefined) =>
  Effect.fail(
    new ConditionFailed({ what: describe(guard), expected, actual: row === undefined ? undefined : tokenOf(row) })
  )

const describe = (guard: Guard): string => {
  const key = Object.entries(guard.key).map(([column, value]) => `${column} = ${String(value)}`)
  return `${guard.table}(${key.join(", ")}).${guard.token}`
}

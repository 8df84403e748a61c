/**
 * What every contender of a process does: it increments a row, in a transaction of its own or in one with others.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as GroupCommit from "@effect-dsql/core/GroupCommit"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Named } from "../Policies.ts"

/** Increments a row: whether that was committed. */
export type Increment = (row: number) => Effect.Effect<boolean>

const keyOf = (row: number) => ({ table: "hot", key: { id: row } })

/** What a process increments by, under a policy. Attempts are counted. */
export const make = (
  { form, group, policy, queue = false }: Named,
  attempts: { count: number }
): Effect.Effect<Increment, never, DsqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<DsqlClient>()
    const grouped = yield* GroupCommit.make({
      operation: "Simulated",
      policy,
      most: group ?? 1,
      key: keyOf,
      commit: (rows) => Effect.as(inTurn(attempts, rows[0], rows.length), rows)
    })
    const alone = (row: number) => {
      const options = { operation: "Simulated", policy, keys: queue ? [keyOf(row)] : [] }
      switch (form) {
        case "finish":
          return Transaction.finish(withLast(attempts, row), options)
        case "batch":
          return Transaction.batch((sql) => {
            attempts.count += 1
            return [read(sql, row), write(sql, row, 1)]
          }, options)
        default:
          return Transaction.run(inTurn(attempts, row, 1), options)
      }
    }
    const increment = (row: number) =>
      group === undefined ? Effect.asVoid(Effect.provideContext(alone(row), context)) : Effect.asVoid(grouped(row))
    return (row) => Effect.match(increment(row), { onSuccess: () => true, onFailure: () => false })
  })

const read = (sql: SqlClient, row: number) => sql`SELECT value FROM hot WHERE id = ${row}`

const write = (sql: SqlClient, row: number, count: number) =>
  sql`UPDATE hot SET value = value + ${count} WHERE id = ${row}`

/** Reads, and then writes. */
const inTurn = (attempts: { count: number }, row: number, count: number) =>
  Effect.gen(function* () {
    attempts.count += 1
    const sql = yield* Transaction.sql
    yield* read(sql, row)
    yield* write(sql, row, count)
  })

/** Reads, and leaves what it writes for the end. */
const withLast = (attempts: { count: number }, row: number) =>
  Effect.gen(function* () {
    attempts.count += 1
    const sql = yield* Transaction.sql
    yield* read(sql, row)
    return [write(sql, row, 1)] as const
  })

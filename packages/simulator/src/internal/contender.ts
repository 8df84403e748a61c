/**
 * What every contender of a process does: it increments a row, in a transaction of its own or in one with others.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as GroupCommit from "@effect-dsql/core/GroupCommit"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Named } from "../Policies.ts"

/** Increments a row: whether that was committed. */
export type Increment = (row: number) => Effect.Effect<boolean>

const keyOf = (row: number) => ({ table: "hot", key: { id: row } })

/** What a process increments by, under a policy. Attempts are counted. */
export const make = (
  { group, policy, queue = false }: Named,
  attempts: { count: number }
): Effect.Effect<Increment, never, DsqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    const add = (row: number, count: number) =>
      Effect.gen(function* () {
        attempts.count += 1
        const sql = yield* Transaction.sql
        yield* sql`SELECT value FROM hot WHERE id = ${row}`
        yield* sql`UPDATE hot SET value = value + ${count} WHERE id = ${row}`
      })
    const context = yield* Effect.context<DsqlClient>()
    const grouped = yield* GroupCommit.make({
      operation: "Simulated",
      policy,
      most: group ?? 1,
      key: keyOf,
      commit: (rows) => Effect.as(add(rows[0], rows.length), rows)
    })
    const increment = (row: number) =>
      group === undefined
        ? Effect.provideContext(
            Transaction.run(add(row, 1), { operation: "Simulated", policy, keys: queue ? [keyOf(row)] : [] }),
            context
          )
        : grouped(row)
    return (row) => Effect.match(increment(row), { onSuccess: () => true, onFailure: () => false })
  })

/**
 * A cluster that exists in virtual time only: versions of rows, snapshots, and conflicts found at COMMIT.
 *
 * It stands where the driver stands, below `Transaction.run`: what is simulated
 * is time and the service, not the toolkit.
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as HotKeys from "@effect-dsql/core/HotKeys"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { SerializationError, SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { Named } from "../Policies.ts"

/** Half of a round trip, 10 % more or less, in milliseconds. */
const halfWay = (roundTrip: number) =>
  Effect.flatMap(Random.next, (random) => Effect.sleep((roundTrip / 2) * (0.9 + 0.2 * random)))

const conflict = new SqlError({
  reason: new SerializationError({
    cause: { code: "40001", message: "change conflicts with another transaction (OC000)" },
    message: "change conflicts with another transaction (OC000)",
    operation: "commit"
  })
})

/** A cluster whose every statement takes a round trip. The last parameter of an UPDATE is the row. */
export const make = Effect.fnUntraced(function* (roundTrip: number) {
  const commits = new Map<unknown, number>()
  let time = 0
  const connection = (): Connection => {
    let snapshot = 0
    let written = new Set<unknown>()
    const arrive = (statement: string, parameters: ReadonlyArray<unknown>): boolean => {
      switch (statement.split(" ", 1)[0]) {
        case "BEGIN":
          snapshot = time
          written = new Set()
          return true
        case "UPDATE":
          written.add(parameters.at(-1))
          return true
        case "COMMIT": {
          if ([...written].some((row) => (commits.get(row) ?? 0) > snapshot)) return false
          time += 1
          for (const row of written) commits.set(row, time)
          return true
        }
        default:
          return true
      }
    }
    const run = Effect.fnUntraced(function* (statement: string, parameters: ReadonlyArray<unknown> = []) {
      yield* halfWay(roundTrip)
      const accepted = arrive(statement, parameters)
      yield* halfWay(roundTrip)
      return accepted ? [] : yield* conflict
    })
    return {
      execute: run,
      executeRaw: run,
      executeStream: (statement, parameters) => Stream.fromIterableEffect(run(statement, parameters)),
      executeUnprepared: run,
      executeValues: run,
      executeValuesUnprepared: run
    }
  }
  const acquirer = Effect.sync(connection)
  const sql = yield* Effect.provide(
    SqlClient.make({ acquirer, compiler: PgClient.makeCompiler(), driver: "simulated", spanAttributes: [] }),
    Reactivity.layer
  )
  // Transactions use what every SQL client has; PgClient's own (COPY, LISTEN, cursors) no simulated program calls.
  const client = sql as PgClient.PgClient
  return {
    /** The client of a process. */
    client: ({ quota }: Pick<Named, "quota">) =>
      Layer.sync(DsqlClient, () =>
        DsqlClient.of({
          sql: client,
          transforming: client,
          reserve: acquirer,
          guarded: "statement",
          // Every contender has a connection of its own: what is compared is what happens to transactions.
          pool: Effect.succeed({ max: 0, open: 0, idle: 0, inUse: 0, waiting: 0 }),
          hotKeys: HotKeys.make({ retryQuota: quota })
        })
      )
  }
})

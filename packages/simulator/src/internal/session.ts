/**
 * A connection to a cluster that exists in virtual time only, and what travels on it. The last parameter of an UPDATE is
 * the row.
 */
import type { Finishing, Last } from "@effect-dsql/core/DsqlClient"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { conflict, type Rows, type Transaction } from "./rows.ts"

/** What takes time, in milliseconds, each 10 % more or less. */
export interface Times {
  /** There and back. */
  readonly roundTrip: number
  /** What a COMMIT that writes takes at the cluster, until it is decided. */
  readonly commit: number
}

const sleep = (millis: number) => Effect.flatMap(Random.next, (random) => Effect.sleep(millis * (0.9 + 0.2 * random)))

/** Whether a transaction has committed, once that is decided. */
const decided = (transaction: Transaction, { commit }: Times): Effect.Effect<boolean> =>
  Effect.andThen(transaction.hasWritten() ? sleep(commit) : Effect.void, Effect.sync(transaction.commit))

/**
 * A session of the toolkit's: BEGIN rides with the first statement, and COMMIT with those that the transaction was left
 * to end with.
 */
export interface Pipelined extends Finishing {
  readonly commit: Effect.Effect<unknown, SqlError>
  readonly rollback: Effect.Effect<unknown, SqlError>
}

/** A connection on which BEGIN, each statement, COMMIT and ROLLBACK take a round trip each. */
export const apart = (rows: Rows, times: Times): Connection => {
  let transaction = rows.transaction()
  const arrive = (statement: string, parameters: ReadonlyArray<unknown>): Effect.Effect<boolean> => {
    switch (statement.split(" ", 1)[0]) {
      case "BEGIN":
        transaction = rows.transaction()
        transaction.begin()
        break
      case "UPDATE":
        transaction.write(parameters.at(-1))
        break
      case "COMMIT":
        return decided(transaction, times)
    }
    return Effect.succeed(true)
  }
  return sending((statement, parameters) =>
    trip(
      times,
      Effect.suspend(() => arrive(statement, parameters))
    )
  )
}

/** A connection as the toolkit uses it, for one transaction. */
export const pipelined = (rows: Rows, times: Times): Pipelined => {
  const transaction = rows.transaction()
  let last: Last = { statements: [], settle: () => undefined }
  let isEnding = false
  const arrive = (statement: string, parameters: ReadonlyArray<unknown>): true => {
    transaction.begin()
    if (statement.startsWith("UPDATE ")) transaction.write(parameters.at(-1))
    return true
  }
  return {
    ...sending((statement, parameters) => {
      const arrived = Effect.sync(() => arrive(statement, parameters))
      return isEnding ? Effect.as(arrived, []) : trip(times, arrived)
    }),
    leave: (left) => {
      last = left
    },
    commit: Effect.suspend(() => {
      isEnding = true
      return trip(
        times,
        Effect.flatMap(Effect.forEach(last.statements, Effect.exit), (exits) => {
          last.settle(exits)
          return decided(transaction, times)
        })
      )
    }),
    rollback: trip(times, Effect.succeed(true))
  }
}

/** There and back; what arrives is accepted or not. */
const trip = ({ roundTrip }: Times, arrived: Effect.Effect<boolean>): Effect.Effect<ReadonlyArray<never>, SqlError> =>
  Effect.gen(function* () {
    yield* sleep(roundTrip / 2)
    const isAccepted = yield* arrived
    yield* sleep(roundTrip / 2)
    return isAccepted ? [] : yield* conflict
  })

/** A connection that sends every statement in the same way. */
const sending = (
  send: (statement: string, parameters: ReadonlyArray<unknown>) => Effect.Effect<ReadonlyArray<never>, SqlError>
): Connection => ({
  execute: send,
  executeRaw: send,
  executeStream: (statement, parameters) => Stream.fromIterableEffect(send(statement, parameters)),
  executeUnprepared: send,
  executeValues: send,
  executeValuesUnprepared: send
})

/**
 * Statements and transactions in steps: BEGIN with the snapshot, one statement, or COMMIT, each when it is its turn.
 *
 * What is sent as one statement that commits by itself is stepped through as these three, which on the wire it is: so a
 * store's own operations, their retries included, can be interleaved at will. Nobody waits for anybody on Aurora DSQL,
 * so a step always ends.
 */
import type { DsqlClient } from "@effect-dsql/core"
import { Clock, Context, Effect, Scope, Stream } from "effect"
import type { SqlClient, SqlConnection, SqlError } from "effect/sql"
import { Single } from "../packages/core/src/internal/transaction/single.ts"

type Client = DsqlClient.DsqlClient["Service"]

/** Changes the text of statements, to take a fence out. */
export type Rewrite = (text: string) => string

export const asItIs: Rewrite = (text) => text

/** How a session goes on: what comes before each step, what its statements become, and where its snapshots are taken. */
export interface Stepped {
  readonly turn: Effect.Effect<unknown>
  readonly rewrite: Rewrite
  readonly table: string
}

/** A connection for statements that commit by themselves, and what runs a transaction, both in steps. */
export const steps = (client: Client, { rewrite, table, turn }: Stepped) => {
  const reserve: typeof client.reserve = Effect.provideService(client.reserve, Clock.Clock, real)
  // Who holds a connection is given that one again, so the client must not know that a session holds one.
  const another: typeof client.reserve = Effect.contextWith((context: Context.Context<Scope.Scope>) =>
    Effect.updateContext(reserve, () => Context.make(Scope.Scope, Context.get(context, Scope.Scope)))
  )
  const transaction = <B, F>(body: (connection: SqlConnection.Connection) => Effect.Effect<B, F>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const connection = yield* another
        yield* turn
        // A single statement as well is a transaction here, which its client must not know.
        yield* Effect.provideService(
          connection.executeUnprepared("BEGIN ISOLATION LEVEL REPEATABLE READ", [], undefined),
          Single,
          undefined
        )
        // The first read takes the snapshot that the whole transaction sees.
        const snapshot = connection.executeUnprepared(`SELECT 1 AS one FROM ${table} LIMIT 1`, [], undefined)
        const value = yield* Effect.andThen(snapshot, body(connection)).pipe(
          Effect.tapError(() => Effect.ignore(connection.executeUnprepared("ROLLBACK", [], undefined)))
        )
        yield* turn
        yield* connection.executeUnprepared("COMMIT", [], undefined)
        return value
      })
    )
  const autocommitted = through(rewrite, (use) => transaction((connection) => Effect.andThen(turn, use(connection))))
  const within = (connection: SqlConnection.Connection) =>
    through(rewrite, (use) => Effect.andThen(turn, use(connection)))
  const withTransaction: SqlClient.SqlClient["withTransaction"] = (body) =>
    Effect.contextWith((context) =>
      transaction((connection) =>
        body.pipe(
          Effect.provideService(client.sql.transactionService, [within(connection), 0]),
          Effect.provideContext(context)
        )
      )
    )
  return { autocommitted, withTransaction }
}

/** Runs a program whose statements are those of a session, which goes on at once after a conflict. */
export const inSteps = <A, E, R>(
  client: Client,
  session: SqlConnection.Connection,
  program: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  program.pipe(
    Effect.provideService(client.sql.transactionService, [session, 0]),
    Effect.provideService(Clock.Clock, hurried)
  )

/** A connection whose statements are rewritten, each of them sent by `around`. */
const through = (
  rewrite: Rewrite,
  around: <A>(
    use: (connection: SqlConnection.Connection) => Effect.Effect<A, SqlError.SqlError>
  ) => Effect.Effect<A, SqlError.SqlError>
): SqlConnection.Connection => ({
  execute: (text, ...rest) => around((connection) => connection.execute(rewrite(text), ...rest)),
  executeRaw: (text, ...rest) => around((connection) => connection.executeRaw(rewrite(text), ...rest)),
  executeValues: (text, ...rest) => around((connection) => connection.executeValues(rewrite(text), ...rest)),
  executeValuesUnprepared: (text, ...rest) =>
    around((connection) => connection.executeValuesUnprepared(rewrite(text), ...rest)),
  executeUnprepared: (text, ...rest) => around((connection) => connection.executeUnprepared(rewrite(text), ...rest)),
  executeStream: () => Stream.die(new Error("a stream is not one step"))
})

const real = Clock.Clock.defaultValue()

/** When a session goes on after a conflict is the schedule's to say. */
const hurried: Clock.Clock = new Proxy(real, {
  get: (clock, property) => (property === "sleep" ? () => Effect.void : Reflect.get(clock, property, clock))
})

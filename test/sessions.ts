/**
 * Sessions that step through real transactions, on connections of their own, in an order that is given.
 *
 * A step is BEGIN with the snapshot, one statement, or COMMIT. What a program sends as one statement that commits by
 * itself is stepped through as these three, which on the wire it is: so a store's own operations, their retries
 * included, can be interleaved at will. Nobody waits for anybody on Aurora DSQL, so a step always ends.
 */
import { DsqlClient, HotKeys } from "@effect-dsql/core"
import { Clock, Context, Effect, type Exit, Queue, Scope, Stream } from "effect"
import { SqlClient, type SqlConnection, type SqlError } from "effect/sql"
import { Single } from "../packages/core/src/internal/transaction/single.ts"

/** Changes the text of statements, to take a fence out. */
export type Rewrite = (text: string) => string

export const asItIs: Rewrite = (text) => text

/** Runs programs at once, each as a process of its own, step by step as the schedule says, then each to its end. */
export const interleave = Effect.fnUntraced(function* <A, E>(
  programs: ReadonlyArray<Effect.Effect<A, E, DsqlClient.DsqlClient>>,
  schedule: ReadonlyArray<number>,
  rewrite: Rewrite = asItIs
) {
  const client = yield* DsqlClient.DsqlClient
  const sessions = yield* Effect.forEach(
    programs,
    Effect.fnUntraced(function* (program) {
      const [permits, reports] = [yield* Queue.unbounded<void>(), yield* Queue.unbounded<"waiting" | "done">()]
      const turn = Effect.andThen(Queue.offer(reports, "waiting"), Queue.take(permits))
      const exits: Array<Exit.Exit<A, E>> = []
      yield* stepping(client, turn, rewrite, program).pipe(
        Effect.onExit((exit) => Effect.sync(() => exits.push(exit))),
        Effect.exit,
        Effect.andThen(Queue.offer(reports, "done")),
        Effect.forkChild
      )
      return { permits, reports, exits, state: yield* Queue.take(reports) }
    })
  )
  const step = Effect.fnUntraced(function* (session: (typeof sessions)[number]) {
    yield* Queue.offer(session.permits, undefined)
    session.state = yield* Queue.take(session.reports)
  })
  for (const index of schedule) {
    const session = sessions[index % sessions.length]
    if (session?.state === "waiting") yield* step(session)
  }
  for (const session of sessions) while (session.state === "waiting") yield* step(session)
  return sessions.flatMap(({ exits }) => exits)
})

/** What happens before each statement, in its transaction. */
export type Before = (
  connection: SqlConnection.Connection,
  text: string,
  params: ReadonlyArray<unknown>
) => Effect.Effect<void, SqlError.SqlError>

/** Runs a program on a client of its own, whose every step waits for its turn. */
export const stepping = <A, E>(
  client: DsqlClient.DsqlClient["Service"],
  turn: Effect.Effect<unknown>,
  rewrite: Rewrite,
  program: Effect.Effect<A, E, DsqlClient.DsqlClient>,
  before: Before = () => Effect.void
): Effect.Effect<A, E> => {
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
        const snapshot = connection.executeUnprepared("SELECT 1 AS one", [], undefined)
        const value = yield* Effect.andThen(snapshot, body(connection)).pipe(
          Effect.tapError(() => Effect.ignore(connection.executeUnprepared("ROLLBACK", [], undefined)))
        )
        yield* turn
        yield* connection.executeUnprepared("COMMIT", [], undefined)
        return value
      })
    )
  const autocommitted = through(rewrite, before, (use) =>
    transaction((connection) => Effect.andThen(turn, use(connection)))
  )
  const within = (connection: SqlConnection.Connection) =>
    through(rewrite, before, (use) => Effect.andThen(turn, use(connection)))
  const withTransaction: SqlClient.SqlClient["withTransaction"] = (body) =>
    Effect.contextWith((context) =>
      transaction((connection) =>
        body.pipe(
          Effect.provideService(client.sql.transactionService, [within(connection), 0]),
          Effect.provideContext(context)
        )
      )
    )
  // The client looks here whether a transaction is under way, and finds none: a session is none of its transactions.
  const transactionService = SqlClient.TransactionConnection(-1)
  const text: typeof client.sql = Object.assign(client.sql.bind(undefined), client.sql, {
    withTransaction,
    transactionService
  })
  return program.pipe(
    Effect.provideService(DsqlClient.DsqlClient, {
      ...client,
      sql: text,
      reserve: Effect.succeed(autocommitted),
      // What a process agrees on inside itself, no other one knows of.
      hotKeys: HotKeys.make()
    }),
    Effect.provideService(client.sql.transactionService, [autocommitted, 0]),
    Effect.provideService(Clock.Clock, hurried)
  )
}

/** A connection whose statements are rewritten, each of them sent by `around`. */
const through = (
  rewrite: Rewrite,
  before: Before,
  around: <A>(
    use: (connection: SqlConnection.Connection) => Effect.Effect<A, SqlError.SqlError>
  ) => Effect.Effect<A, SqlError.SqlError>
): SqlConnection.Connection => {
  const sent = <A>(
    text: string,
    params: ReadonlyArray<unknown>,
    send: (connection: SqlConnection.Connection, text: string) => Effect.Effect<A, SqlError.SqlError>
  ) => around((connection) => Effect.andThen(before(connection, text, params), send(connection, rewrite(text))))
  return {
    execute: (text, params, transform) => sent(text, params, (to, text) => to.execute(text, params, transform)),
    executeRaw: (text, params) => sent(text, params, (to, text) => to.executeRaw(text, params)),
    executeValues: (text, params) => sent(text, params, (to, text) => to.executeValues(text, params)),
    executeValuesUnprepared: (text, params) =>
      sent(text, params, (to, text) => to.executeValuesUnprepared(text, params)),
    executeUnprepared: (text, params, transform) =>
      sent(text, params, (to, text) => to.executeUnprepared(text, params, transform)),
    executeStream: () => Stream.die(new Error("a stream is not one step"))
  }
}

const real = Clock.Clock.defaultValue()

/** When a session goes on after a conflict is the schedule's to say. */
const hurried: Clock.Clock = new Proxy(real, {
  get: (clock, property) => (property === "sleep" ? () => Effect.void : Reflect.get(clock, property, clock))
})

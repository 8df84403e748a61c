/**
 * The client of Effect SQL for PostgreSQL, on connections of a pool of ours.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Reactivity } from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Borrower } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import type { ConnectionPool } from "../../ConnectionPool.ts"
import { type AttemptError, carry } from "../errors/classify.ts"
import { type Acquire, inSingle, withTransaction } from "../transaction/withTransaction.ts"
import { Single } from "../transaction/single.ts"
import { pin, PinnedSession } from "./pinned.ts"
import type { Session } from "./session.ts"
import { TransactionSession } from "./transactionSession.ts"

type PgJson = Statement.Custom<"PgJson", unknown>

/** The driver's compiler knows the fragment by this name. */
const json = Statement.custom<PgJson>("PgJson")

/** Makes the client, and the effect that reserves a connection. */
export const make = Effect.fnUntraced(function* (
  pool: ConnectionPool<Session>,
  config: PgConnection.Config
): Effect.fn.Return<{ readonly sql: PgClient.PgClient; readonly reserve: Acquire }, never, Reactivity> {
  const session = Effect.mapError(pool.get, (error) => carry(error, "connect"))
  const pinned = Effect.flatMap(session, (found) => pin(found, PinnedSession))
  const client = yield* SqlClient.make({
    driver: "pg",
    acquirer: session,
    borrower: borrower(pool),
    transactionAcquirer: pinned,
    compiler: PgClient.makeCompiler(),
    spanAttributes: [
      ["db.system.name", "postgresql"],
      ["db.namespace", config.database ?? "postgres"],
      ["server.address", config.host ?? "localhost"],
      ["server.port", config.port ?? 5432]
    ]
  })
  // In a transaction the connection of one's own is the transaction's: another one would not see what it wrote.
  const reserve: Acquire = Effect.flatMap(Effect.serviceOption(client.transactionService), (open): Acquire =>
    Option.isSome(open) ? Effect.succeed(open.value[0]) : pinned
  )
  const sql: PgClient.PgClient = Object.assign(client, {
    [PgClient.TypeId]: PgClient.TypeId,
    config,
    reserve: notInSingle(reserve),
    json: (value: unknown) => Statement.fragment([json(value, undefined, undefined)]),
    listen: (channel: string) => Effect.flatMap(notInSingle(pinned), (found) => found.connection.listen(channel)),
    notify: (channel: string, payload: string) => Effect.asVoid(client`SELECT pg_notify(${channel}, ${payload})`),
    withTransaction: withTransaction(
      client,
      Effect.flatMap(session, (found) => pin(found, TransactionSession))
    )
  })
  return { sql, reserve }
})

/** A connection takes any number of statements, and a single one has no use for it. */
const notInSingle = <A, E, R>(reserve: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
  Effect.withFiber<A, E | SqlError, R>((fiber) =>
    fiber.getRef(Single) === undefined ? reserve : Effect.fail(inSingle("a connection cannot be reserved"))
  )

/** A failure that came before the connection was lent is the pool's own, of a type that Effect SQL does not take. */
const borrower =
  (pool: ConnectionPool<Session>): Borrower =>
  <A, E, R>(use: (session: Session) => Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      let lent = false
      const used = pool.use((found) => {
        lent = true
        return use(found)
      })
      // The flag says which of the two it is; the compiler cannot see that.
      return Effect.mapError(used, (error) => (lent ? (error as E) : carry(error as AttemptError, "connect")))
    })

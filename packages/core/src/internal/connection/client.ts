/**
 * The clients of Effect SQL for PostgreSQL, on connections of a pool of ours: one that sends and gives names as they are
 * written, and one that transforms them as it was asked to. They share their transactions.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Reactivity } from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Borrower, Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import type { ConnectionPool } from "../../ConnectionPool.ts"
import { type AttemptError, carry } from "../errors/classify.ts"
import * as Autocommitted from "../transaction/autocommitted.ts"
import type { Retries } from "../transaction/retrying.ts"
import { type Acquire, inSingle, type Nested, withTransaction } from "../transaction/withTransaction.ts"
import { Single } from "../transaction/single.ts"
import { AutocommitSession } from "./autocommitSession.ts"
import { compilerOf } from "./compiled.ts"
import type { Target } from "./connector.ts"
import { fragment } from "./json.ts"
import { ReservedSession } from "./reservedSession.ts"
import type { Session } from "./session.ts"
import { type Options as SendOptions, TransactionSession } from "./transactionSession.ts"

/** How the clients behave. */
export interface Options {
  /** How statements by themselves are tried again. */
  readonly retries: Retries
  readonly nested: Nested
  readonly transaction: Omit<SendOptions, "owner">
  readonly transformQueryNames: ((name: string) => string) | undefined
  readonly transformResultNames: ((name: string) => string) | undefined
  readonly transformJson: boolean | undefined
}

/** The clients, and the effect that reserves a connection. */
export interface Clients {
  readonly sql: PgClient.PgClient
  readonly transforming: PgClient.PgClient
  readonly reserve: Acquire<Connection>
}

/** Makes the clients. */
export const make = Effect.fnUntraced(function* (
  pool: ConnectionPool<Session>,
  { config, place }: Pick<Target, "config" | "place">,
  options: Options
): Effect.fn.Return<Clients, never, Reactivity> {
  const session = Effect.mapError(pool.get, notConnected)
  const kept = <S extends ReservedSession>(make: (found: Session) => S): Acquire<S> =>
    Effect.mapError(
      pool.keep(make, ({ close }) => close),
      notConnected
    )
  const own = kept(({ end, observer, wire }) => new ReservedSession(wire, end, observer))
  const shared = {
    driver: "pg",
    acquirer: Effect.map(session, (found) => new AutocommitSession(found, options.retries)),
    borrower: borrower(pool, options.retries),
    transactionAcquirer: own,
    spanAttributes: Object.entries(place)
  }
  const owner = {}
  const send = { ...options.transaction, owner }
  const client = yield* SqlClient.make({
    ...shared,
    compiler: compilerOf(PgClient.makeCompiler(), { owner, transform: undefined })
  })
  // In a transaction the connection of one's own is the transaction's: another one would not see what it wrote.
  const reserve: Acquire<Connection> = Effect.flatMap(
    Effect.serviceOption(client.transactionService),
    (open): Acquire<Connection> => (Option.isSome(open) ? Effect.succeed(open.value[0]) : own)
  )
  const complete = (made: SqlClient.SqlClient): PgClient.PgClient =>
    Object.assign(made, {
      [PgClient.TypeId]: PgClient.TypeId,
      config,
      reserve: notInSingle(reserve),
      json: fragment,
      listen: (channel: string) => Effect.flatMap(notInSingle(own), ({ listen }) => listen(channel)),
      notify: (channel: string, payload: string) => Effect.asVoid(client`SELECT pg_notify(${channel}, ${payload})`),
      withTransaction: withTransaction(
        made,
        kept((found) => new TransactionSession(found, send)),
        options.nested
      )
    })
  const sql = complete(client)
  const { transformJson, transformQueryNames, transformResultNames } = options
  if (transformQueryNames === undefined && transformResultNames === undefined) {
    return { sql, transforming: sql, reserve }
  }
  const transform = transformResultNames && Statement.defaultTransforms(transformResultNames, transformJson).array
  const transforming = yield* SqlClient.make({
    ...shared,
    transactionService: client.transactionService,
    compiler: compilerOf(PgClient.makeCompiler(transformQueryNames, transformJson), { owner, transform }),
    ...(transform !== undefined && { transformRows: transform })
  })
  return { sql, transforming: complete(transforming), reserve }
})

const notConnected = (error: AttemptError): SqlError => carry(error, "connect")

/** A connection takes any number of statements, and a single one has no use for it. */
const notInSingle = <A, E, R>(reserve: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
  Effect.withFiber<A, E | SqlError, R>((fiber) =>
    fiber.getRef(Single) === undefined ? reserve : Effect.fail(inSingle("a connection cannot be reserved"))
  )

/**
 * Lends a session for a statement that commits by itself. A failure that came before the connection was lent is the
 * pool's own, of a type that Effect SQL does not take.
 */
const borrower =
  (pool: ConnectionPool<Session>, retries: Retries): Borrower =>
  <A, E, R>(use: (session: Session) => Effect.Effect<A, E, R>) =>
    Autocommitted.statement(
      Effect.suspend(() => {
        let lent = false
        const used = pool.use((found) => {
          lent = true
          return use(found)
        })
        // The flag says which of the two it is; the compiler cannot see that.
        return Effect.mapError(used, (error) => (lent ? (error as E) : carry(error as AttemptError, "connect")))
      }),
      retries
    )

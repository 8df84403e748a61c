/**
 * A cluster that exists in virtual time only.
 *
 * It stands where the driver stands, below `Transaction.run`: what is simulated
 * is time and the service, not the toolkit.
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as HotKeys from "@effect-dsql/core/HotKeys"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { Named } from "../Policies.ts"
import { Rows } from "./rows.ts"
import * as Session from "./session.ts"

/** A cluster that takes so long. */
export const make = Effect.fnUntraced(function* (times: Session.Times) {
  const rows = new Rows()
  const acquirer = Effect.sync(() => Session.apart(rows, times))
  const common = { compiler: PgClient.makeCompiler(), driver: "simulated", spanAttributes: [] }
  const apart = yield* SqlClient.make({
    ...common,
    acquirer,
    onCommitFailure: (connection) => Effect.asVoid(connection.executeUnprepared("ROLLBACK", [], undefined))
  })
  const own = yield* SqlClient.make({ ...common, acquirer })
  const pipelined = Object.assign(own, {
    withTransaction: withTransaction(
      own,
      Effect.sync(() => Session.pipelined(rows, times))
    )
  })
  return {
    /** The client of a process. */
    client: ({ form, quota }: Pick<Named, "form" | "quota">) =>
      Layer.sync(DsqlClient, () => {
        // Transactions use what every SQL client has; PgClient's own (COPY, LISTEN, cursors) no simulated program calls.
        const client = (form === "apart" ? apart : pipelined) as PgClient.PgClient
        return DsqlClient.of({
          sql: client,
          transforming: client,
          reserve: acquirer,
          guarded: "statement",
          // Every contender has a connection of its own: what is compared is what happens to transactions.
          pool: Effect.succeed({ max: 0, open: 0, idle: 0, inUse: 0, waiting: 0 }),
          hotKeys: HotKeys.make({ retryQuota: quota })
        })
      })
  }
}, Effect.provide(Reactivity.layer))

const withTransaction = (sql: SqlClient.SqlClient, acquire: Effect.Effect<Session.Pipelined>) =>
  SqlClient.makeWithTransaction<SqlClient.TransactionConnection, Connection>({
    transactionService: sql.transactionService,
    spanAttributes: [],
    acquireConnection: () => acquire,
    begin: () => Effect.void,
    commit: (connection) => Effect.asVoid(own(connection).commit),
    rollback: (connection) => Effect.asVoid(own(connection).rollback),
    savepoint: () => Effect.die(new Error("there are no savepoints")),
    rollbackSavepoint: () => Effect.void
  })

/** What was acquired; Effect SQL knows it as a connection. */
const own = (connection: Connection): Session.Pipelined => connection as Session.Pipelined

/**
 * Which server answers: Aurora DSQL (or an emulator of it), or plain PostgreSQL.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import type { Transaction } from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as Rows from "./internal/transaction/rows.ts"

/**
 * A kind of server.
 *
 * @since 0.1.0
 * @category models
 */
export type Engine = "dsql" | "postgres"

/**
 * Asks the server which one it is, in a transaction that reads more: only DSQL has `sys.jobs`, and a way to wait for
 * one.
 *
 * @since 0.1.0
 * @category accessors
 */
export const select: Effect.Effect<Engine, SqlError, Transaction> = Effect.suspend(() =>
  Effect.map(
    Rows.select(
      Schema.Struct({ dsql: Schema.Boolean }),
      (sql) => sql`SELECT EXISTS (
          SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = 'sys' AND c.relname = 'jobs'
        ) OR EXISTS (
          SELECT 1 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
          WHERE n.nspname = 'sys' AND p.proname = 'wait_for_job'
        ) AS dsql`
    ),
    ([row]) => (row?.dsql === true ? "dsql" : "postgres")
  )
)

/**
 * The same in a statement of its own.
 *
 * @since 0.1.0
 * @category accessors
 */
export const read: Effect.Effect<Engine, TransactionError, DsqlClient> = Effect.suspend(() => Rows.alone(select))

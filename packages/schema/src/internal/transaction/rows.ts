/**
 * Rows that are read, and decoded by their schema.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** What reads in a transaction of somebody else's. */
export type Selection<A> = Effect.Effect<A, SqlError, Transaction.Transaction>

/** What reads in a statement of its own. */
export type Reading<A> = Effect.Effect<A, TransactionError, DsqlClient>

/** Reads rows in a transaction. */
export const select = <A, I>(
  row: Schema.Codec<A, I>,
  statement: (sql: SqlClient) => Effect.Effect<ReadonlyArray<object>, SqlError>
): Selection<ReadonlyArray<A>> =>
  Effect.flatMap(
    Effect.flatMap(Transaction.sql, statement),
    // A table whose rows have another shape is a defect of this program, not of its input.
    (rows) => Effect.orDie(Schema.decodeUnknownEffect(Schema.Array(row))(rows))
  )

/** Reads rows in a statement of its own. */
export const read = <A, I>(
  row: Schema.Codec<A, I>,
  statement: (sql: SqlClient) => Effect.Effect<ReadonlyArray<object>, SqlError>
): Reading<ReadonlyArray<A>> => alone(select(row, statement))

/** Runs what is one statement by itself. */
export const alone = <A>(selection: Selection<A>): Reading<A> =>
  Transaction.autocommit(selection, { operation: "ReadCatalogue", readOnly: "proven" })

/**
 * An instant as far as a `Date` goes, for a SELECT: a column of the books can hold `infinity`, which somebody may have
 * written by hand.
 */
export const instant = (column: string): string =>
  `greatest(least(${column}, '9999-12-31 23:59:59+00'::timestamptz), '0001-01-01 00:00:00+00'::timestamptz)`

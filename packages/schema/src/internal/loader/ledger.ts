/**
 * The table in which Effect's migrator keeps what it has run, written as that one writes it.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Quote from "@effect-dsql/dialect/Quote"
import * as Effect from "effect/Effect"
import { InvalidBookkeeping } from "../../MigrationError.ts"
import * as Version from "../../Version.ts"
import { reconnecting } from "../transaction/reconnecting.ts"

export const defaultName = "effect_sql_migrations"

/** The version that creates it: before the first migration, whose id is 1 at the least. */
export const version: Version.Version = Version.Version.make("0.1")

/** Creates it, where Effect's own migrator has not left it behind. */
export const creation = (table: string): string =>
  `CREATE TABLE IF NOT EXISTS ${Quote.identifier(table)} (
  migration_id integer primary key,
  created_at timestamp with time zone not null default now(),
  name text not null
)`

/** Says in it that a migration has run. */
export const entry = (table: string, id: number, name: string): string =>
  `INSERT INTO ${Quote.identifier(table)} (migration_id, name) VALUES (${id}, ${Quote.literal(name)}) ` +
  "ON CONFLICT (migration_id) DO NOTHING"

/** The migrations that it has; none where it is not there. */
export const ids = (table: string): Effect.Effect<ReadonlyArray<number>, TransactionError, DsqlClient> =>
  reconnecting(
    Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        const name = Quote.identifier(table)
        const there = yield* sql`SELECT 1 AS found WHERE to_regclass(${name}) IS NOT NULL`
        if (there.length === 0) return []
        const rows = yield* sql.unsafe<{ id: number }>(`SELECT migration_id AS id FROM ${name}`)
        return rows.map(({ id }) => id)
      }),
      { operation: "ReadLedger", readOnly: true }
    )
  )

/** It has a migration that this package has not run, where it has run others. */
export const ranElsewhere = (table: string, id: number): InvalidBookkeeping =>
  new InvalidBookkeeping({
    table,
    problem: `it has migration ${id}, which the journal does not: another migrator has run it since; let one of them alone migrate this database`
  })

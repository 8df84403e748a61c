/**
 * What the programs of this directory find in their database.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Effect, Layer } from "effect"

/** One DDL statement is one transaction on Aurora DSQL, so each is sent by itself. */
const statements = [
  "CREATE TABLE counters (name text PRIMARY KEY, n integer NOT NULL)",
  "INSERT INTO counters VALUES ('visits', 0)",
  "CREATE TABLE leaders (name text PRIMARY KEY, epoch bigint NOT NULL, holder text NOT NULL)",
  "INSERT INTO leaders VALUES ('reports', 1, 'Ada')",
  "CREATE TABLE reports (id uuid PRIMARY KEY, author text NOT NULL)",
  "CREATE TABLE accounts (id uuid PRIMARY KEY, cents integer NOT NULL)",
  "CREATE TABLE payments (id uuid PRIMARY KEY, account uuid NOT NULL)",
  "CREATE TABLE events (id integer PRIMARY KEY)"
]

export const Tables = Layer.effectDiscard(
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
  })
)

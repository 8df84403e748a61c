/**
 * A database of its own for each test, on an emulated Aurora DSQL or on the PostgreSQL beneath it.
 */
import { Transaction } from "@effect-dsql/core"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { guarded, TestCluster, TestDatabase, unwatched } from "../../../../test/database.ts"
import { ProvingReads } from "../../../../test/proving.ts"

/**
 * A migrator, and the client that it works with, on an empty database. What it says is proven to read is sent where the
 * database refuses to write.
 */
export const TestMigrator = Migrator.layer.pipe(
  Layer.provideMerge(TestCluster()),
  Layer.provideMerge(NodeServices.layer),
  Layer.provideMerge(ProvingReads)
)

/** The same where a schema has been set up already: the built-in one, or one's own. */
export const SetUpMigrator = (source: Testing.Options["source"] = SchemaSource.builtIn()) =>
  Migrator.layer.pipe(
    Layer.provideMerge(Testing.layer({ client: { guarded }, source, emulator: unwatched })),
    Layer.provideMerge(NodeServices.layer),
    Layer.provideMerge(ProvingReads)
  )

/**
 * The same on plain PostgreSQL, for what an Aurora DSQL would not do on demand: run the translation of statements for
 * PostgreSQL, answer with a job that never was, refuse a duplicate key at the statement that builds the index, hold the
 * tables of a tool that made them for PostgreSQL.
 */
export const PlainMigrator = Migrator.layer.pipe(
  Layer.provideMerge(TestDatabase()),
  Layer.provideMerge(NodeServices.layer)
)

/** Runs statements as written, each by itself. */
export const execute = (...statements: ReadonlyArray<string>) => Effect.forEach(statements, rows, { discard: true })

/** The rows of a statement. */
export const rows = (statement: string) =>
  Transaction.autocommit(Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(statement).unprepared))

/** All that a schema is: columns, keys and indexes, and the rows that setting it up leaves. */
export const snapshot = Effect.gen(function* () {
  return {
    columns:
      yield* rows(`SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
      FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position`),
    indexes: yield* rows(`SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname`),
    checks: yield* rows(`SELECT conrelid::regclass::text AS table, conname FROM pg_constraint WHERE contype = 'c'
      AND connamespace = 'public'::regnamespace ORDER BY 1, 2`),
    version: yield* rows(`SELECT version_partition, db_name, curr_version, min_compatible_version FROM schema_version`),
    seed: yield* rows(`SELECT * FROM namespace_metadata`)
  }
})

/** The history, oldest first, without its times. */
export const history = rows(`SELECT version_partition, description, manifest_md5, new_version, old_version
  FROM schema_update_history ORDER BY update_time`)

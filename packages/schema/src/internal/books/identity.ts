/**
 * Which schema a database has: what it was called, the version that it was last on its way to, and the manifests of
 * its versions. It is written under the lease before the first statement runs, so that half a schema has a name too.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { LeaseLost } from "../../MigrationError.ts"
import type { Outline } from "../../Outline.ts"
import * as Version from "../../Version.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Rows from "../transaction/rows.ts"
import * as Lease from "./lease.ts"
import * as Tables from "./tables.ts"

const Row = Schema.Struct({
  /** What it was called: a built-in name or a path. */
  name: Schema.String,
  /** The version that was recorded last, or is to be at the end of the run that began last. */
  version: Version.Version,
  /** The MD5 of each version's manifest; empty for a schema of one file, which has none. */
  manifests: Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))
})

/** Which schema a database has. */
export type Identity = typeof Row.Type

/** Reads it, for a transaction that reads more; undefined for a database from before it was recorded. */
export const select = (database: string): Effect.Effect<Identity | undefined, SqlError, Transaction.Transaction> =>
  Effect.map(
    Rows.select(Row, (sql) => sql`SELECT name, version, manifests FROM schema_identity WHERE db_name = ${database}`),
    ([row]) => row
  )

/** The manifests by which a schema is known again. */
export const manifestsOf = ({ versions }: Outline): Identity["manifests"] =>
  Object.fromEntries(versions.flatMap(({ md5, version }) => (md5 === "" ? [] : [[version, md5]])))

/** Records that a database has a schema, at a version or on its way to it. Under one lease it is always the same. */
export const record = (
  lease: Lease.Lease,
  source: Outline,
  version: Version.Version
): Effect.Effect<void, LeaseLost | TransactionError, DsqlClient> =>
  reconnecting(
    Transaction.autocommit(
      Effect.asVoid(
        Guarded.write({
          guards: [Lease.held(lease)],
          writes: [
            Write.insert({
              into: Tables.identity.name,
              columns: {
                db_name: value("text", lease.database),
                // The end of a path says more than its beginning.
                name: value("text", source.name.slice(-nameLength)),
                version: value("text", version),
                manifests: value("text", JSON.stringify(manifestsOf(source))),
                recorded_at: literal("now()")
              },
              onConflict: Write.replacing(["db_name"], ["name", "version", "manifests", "recorded_at"])
            })
          ]
        })
      ),
      { operation: "RecordSchema", repeat: true }
    )
  )

const { literal, value } = Expression

const nameLength = 255

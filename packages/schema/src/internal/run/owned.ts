/**
 * What a schema owns on a database, and dropping it.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Quote from "@effect-dsql/dialect/Quote"
import * as Effect from "effect/Effect"
import type { OwnedTable } from "../../Migration.ts"
import type { LeaseLost } from "../../MigrationError.ts"
import type { SchemaSource } from "../../SchemaSource.ts"
import type { Name } from "../../SqlStatement.ts"
import * as Version from "../../Version.ts"
import { keyed, rowOf } from "../books/key.ts"
import type { Lease } from "../books/lease.ts"
import * as Catalogue from "../catalogue/catalogue.ts"
import { display } from "../sql/target.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import type { Standing } from "./standing.ts"

/** A relation of the schema that is there. */
export interface Found extends OwnedTable {
  readonly name: Name
  readonly kind: "table" | "view" | "sequence"
}

/**
 * The names that belong to a schema at the version that is recorded, or at any where none is: the tables, views and
 * sequences that its statements create or rename to, and have not dropped again. In the order in which they came.
 */
export const names = (source: SchemaSource, { journal, recorded }: Standing) => {
  const isSetUp = recorded !== undefined || journal.length > 0
  const owned = new Map<string, Name>()
  for (const version of source.versions) {
    const ran = recorded !== undefined && !Version.isAfter(version.version, recorded.version)
    for (const { key, statement } of keyed(version)) {
      if (isSetUp && !ran && rowOf(journal, key) === undefined) continue
      const { target } = statement
      if (target._tag === "CreateTable" || target._tag === "CreateRelation") {
        owned.set(display(target.name), target.name)
      }
      if (target._tag === "RenameRelation" && owned.has(display(target.name))) {
        owned.set(display(target.to), target.to)
      }
      // A statement that has not finished may not have dropped it; without a record nobody knows.
      const isGone = target._tag === "Drop" || target._tag === "RenameRelation"
      if (isGone && ran) owned.delete(display(target.name))
    }
  }
  return [...owned.values()]
}

/** The relations among these names that are there. */
export const find = (names: ReadonlyArray<Name>): Effect.Effect<ReadonlyArray<Found>, TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const snapshot = yield* Transaction.autocommit(Catalogue.lookup(names), {
      operation: "ReadCatalogue",
      readOnly: "proven"
    })
    const found = yield* Effect.forEach(names, (name) =>
      Effect.gen(function* () {
        const kind = snapshot.find(name)?.kind
        if (kind !== "table" && kind !== "view" && kind !== "sequence") return []
        const hasRows = kind === "table" && (yield* Catalogue.hasRows(name))
        return [{ name, kind, table: display(name), hasRows }]
      })
    )
    return found.flat()
  })

/** Drops one, if it is there. */
export const drop = (
  { kind, name }: Found,
  /** Proves that it may still be dropped. */
  renew: Lease["renew"]
): Effect.Effect<void, LeaseLost | TransactionError, DsqlClient> =>
  reconnecting(
    Transaction.run(
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* sql.unsafe(`DROP ${kind.toUpperCase()} IF EXISTS ${Quote.qualified(name.schema, name.name)}`).unprepared
        yield* renew
      }),
      { operation: "DropRelation" }
    )
  )

/**
 * Whether what a database holds is a schema's: versions are numbers that every schema has, so a version alone does not
 * say whose it is. The journal says it best, because it has what ran; where it says nothing the recorded name and
 * manifests do, and of a database from before both, its tables.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { AnotherSchema } from "../../MigrationError.ts"
import type { Outline } from "../../Outline.ts"
import { isSource, type SchemaSource } from "../../SchemaSource.ts"
import * as Version from "../../Version.ts"
import type { Books } from "../books/books.ts"
import * as Identity from "../books/identity.ts"
import * as Journal from "../books/journal.ts"
import { isFile, label } from "../books/key.ts"
import * as Catalogue from "../catalogue/catalogue.ts"
import { reconnecting } from "../transaction/reconnecting.ts"
import * as Owned from "./owned.ts"

/** Fails where a database holds another schema. For a transaction that reads more. */
export const select = (
  source: Outline,
  books: Books,
  database: string
): Effect.Effect<void, AnotherSchema | SqlError, Transaction.Transaction> => ensure(source, books, database, hasTables)

/** The same in a statement of its own, which is sent only where the books do not say. */
export const read = (
  source: Outline,
  books: Books,
  database: string
): Effect.Effect<void, AnotherSchema | TransactionError, DsqlClient> =>
  ensure(source, books, database, (source, books) =>
    reconnecting(Transaction.autocommit(hasTables(source, books), { operation: "ReadCatalogue", readOnly: "proven" }))
  )

const ensure = <E, R>(
  source: Outline,
  books: Books,
  database: string,
  ask: (source: SchemaSource, books: Books) => Effect.Effect<boolean, E, R>
): Effect.Effect<void, AnotherSchema | E, R> => {
  const { identity, recorded } = books
  const known = isOwn(source, books)
  return Effect.flatMap(
    known === undefined && isSource(source) ? ask(source, books) : Effect.succeed(known ?? true),
    (own) =>
      own
        ? Effect.void
        : Effect.fail(
            new AnotherSchema({
              database,
              schema: source.name,
              found: identity?.name ?? null,
              version: recorded?.version ?? null
            })
          )
  )
}

/** What the books say; undefined where they do not. */
const isOwn = (source: Outline, { identity, journal, recorded }: Books): boolean | undefined => {
  // One that was refused has left nothing, and may have been corrected since.
  const ran = journal.filter((row) => row.finished !== null || Journal.isOpen(row))
  const isEmpty = recorded === undefined || Version.equals(recorded.version, Version.none)
  if (ran.length === 0 && isEmpty) return true
  return (isSource(source) ? hasRun(source, ran) : undefined) ?? isNamed(source, identity)
}

/** Whether any statement of a schema is among those that ran; undefined where none ran of a version that it has. */
const hasRun = ({ versions }: SchemaSource, ran: ReadonlyArray<Journal.Row>): boolean | undefined => {
  const labels = versions.map(label)
  // A file holds what directories hold in versions, and the reverse.
  const comparable = labels.some(isFile)
    ? ran
    : ran.filter(({ version }) => isFile(version) || labels.includes(version))
  if (comparable.length === 0) return undefined
  const statements = versions.flatMap(({ statements }) => statements)
  return comparable.some((row) =>
    statements.some(({ checksum, summary }) => checksum === row.checksum || summary === row.statement)
  )
}

/** A schema that was moved has another name, and the same manifests. */
const isNamed = (source: Outline, identity: Identity.Identity | undefined): boolean | undefined => {
  if (identity === undefined) return undefined
  if (identity.name === source.name) return true
  const own = Object.entries(Identity.manifestsOf(source))
  if (own.length === 0 || Object.keys(identity.manifests).length === 0) return undefined
  return own.some(([version, md5]) => identity.manifests[version] === md5)
}

/** Whether any table of a schema at the recorded version is there, or it has none. */
const hasTables = (source: SchemaSource, books: Books) => {
  const names = Owned.names(source, books)
  return Effect.map(
    Catalogue.lookup(names),
    ({ find }) => names.length === 0 || names.some((name) => find(name) !== undefined)
  )
}

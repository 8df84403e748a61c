/**
 * Rows as they come from the database, decoded or refused with their place.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { MalformedRow } from "../../PersistenceError.ts"

/** Which row it is. */
export interface Place {
  readonly table: string
  readonly key: Readonly<Record<string, string | number | bigint>>
}

/** Decodes a row, or names the column that is not what it should be. */
export const decode = <A>(schema: Schema.Decoder<A>, row: unknown, place: Place): Effect.Effect<A, MalformedRow> =>
  Effect.mapError(
    Schema.decodeUnknownEffect(schema)(row),
    (error) => new MalformedRow({ table: place.table, key: describe(place), reason: reason(error.issue) })
  )

/** The rows of a key, or of the first columns of one, in their table. */
export const name = (place: Place): string => `${place.table} (${describe(place)})`

/** A row for people: its key, column by column. */
export const describe = (place: Place): string =>
  Object.entries(place.key)
    .map(([column, value]) => `${column} = ${value}`)
    .join(", ")

const reason = (issue: SchemaIssue.Issue): string => SchemaIssue.makeFormatterDefault()(issue).replaceAll(/\s+/g, " ")

/**
 * A value as it stands in the text of a statement: a migration is written down as text, and a value is a part of it.
 */
import * as Quote from "@effect-dsql/dialect/Quote"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Predicate from "effect/Predicate"
import * as Statement from "effect/sql/Statement"

/** The text of a value; undefined for one that has none here. It means what the value means as a parameter. */
export const textOf = (value: unknown): string | undefined => {
  if (value === null || value === undefined) return "NULL"
  switch (typeof value) {
    case "string":
      return Quote.literal(value)
    case "boolean":
      return String(value)
    case "bigint":
      return `${Quote.literal(String(value))}::int8`
    case "number":
      // Two minuses in a row would begin a comment, and a cast binds closer than one.
      if (Number.isSafeInteger(value)) return value < 0 ? `(${value})` : String(value)
      return `${Quote.literal(String(value))}::float8`
  }
  if (value instanceof Date) return `${Quote.literal(value.toISOString())}::timestamptz`
  if (value instanceof Uint8Array) return `'\\x${Buffer.from(value).toString("hex")}'::bytea`
  if (PgTypes.isParameter(value) && value.oid === PgTypes.OID.jsonb) return jsonb(value.value)
  return Statement.isFragment(value) ? ofFragment(value) : undefined
}

/** What `json` of a client for PostgreSQL makes. */
const ofFragment = ({ segments }: Statement.Fragment): string | undefined => {
  const [segment] = segments
  return segments.length === 1 && Predicate.hasProperty(segment, "kind") && segment.kind === "PgJson"
    ? jsonb(Predicate.hasProperty(segment, "paramA") ? segment.paramA : null)
    : undefined
}

const jsonb = (value: unknown): string => `${Quote.literal(JSON.stringify(value))}::jsonb`

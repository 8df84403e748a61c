/**
 * Types of columns: PostgreSQL's names for them, and which ones DSQL does not store.
 */
import type { ColumnDef, TypeName } from "libpg-query"
import * as ParseTree from "../../ParseTree.ts"

/** Built-in types whose name in messages is not the name in the catalogue. */
const displayed: Readonly<Record<string, string>> = {
  bool: "boolean",
  bpchar: "character",
  decimal: "numeric",
  float4: "real",
  float8: "double precision",
  int2: "smallint",
  int4: "integer",
  int8: "bigint",
  time: "time without time zone",
  timestamp: "timestamp without time zone",
  timestamptz: "timestamp with time zone",
  timetz: "time with time zone",
  varbit: "bit varying",
  varchar: "character varying"
}

/** Types that DSQL has at run time but not in a column, all refused with one text. */
const notStored: ReadonlySet<string> = new Set([
  "bit",
  "box",
  "cidr",
  "circle",
  "daterange",
  "inet",
  "int4range",
  "int8range",
  "line",
  "lseg",
  "macaddr",
  "macaddr8",
  "money",
  "numrange",
  "path",
  "pg_lsn",
  "point",
  "polygon",
  "tsquery",
  "tsrange",
  "tstzrange",
  "tsvector",
  "varbit",
  "xml"
])

const serials: ReadonlySet<string> = new Set(["bigserial", "serial", "serial2", "serial4", "serial8", "smallserial"])

/** The name of a built-in type; `undefined` for a type of some other schema. */
export const builtin = (type: TypeName | undefined): string | undefined => {
  const path = ParseTree.names(type?.names)
  return path.length === 1 || path[0] === "pg_catalog" ? path.at(-1) : undefined
}

/** The type's name as PostgreSQL writes it in a message: no length, one pair of brackets for any array. */
export const display = (type: TypeName | undefined): string => {
  const name = builtin(type)
  const shown = name === undefined ? ParseTree.names(type?.names).join(".") : (displayed[name] ?? name)
  return isArray(type) ? `${shown}[]` : shown
}

/** Whether it is an array type, whatever its element. */
export const isArray = (type: TypeName | undefined): boolean => (type?.arrayBounds ?? []).length > 0

/** Whether DSQL refuses a column of this type; arrays are a rule of their own. */
export const isNotStored = (type: TypeName | undefined): boolean => !isArray(type) && notStored.has(builtin(type) ?? "")

/** Whether it is one of PostgreSQL's spellings of "an integer with a sequence". */
export const isSerial = (type: TypeName | undefined): boolean => serials.has(builtin(type) ?? "")

/** A length or precision in the type's parentheses. */
export const length = (type: TypeName | undefined): number | undefined =>
  ParseTree.as(type?.typmods?.[0], "A_Const")?.ival?.ival

const fixedBytes: Readonly<Record<string, number>> = {
  bool: 1,
  date: 4,
  float4: 4,
  float8: 8,
  int2: 2,
  int4: 4,
  int8: 8,
  interval: 16,
  time: 8,
  timestamp: 8,
  timestamptz: 8,
  timetz: 12,
  uuid: 16
}

/** Bytes that a type is declared with, none where it has no length. */
export const declaredBytes = (type: TypeName | undefined): number => {
  const name = builtin(type) ?? ""
  if (name === "varchar" || name === "bpchar") return length(type) ?? (name === "bpchar" ? 1 : 0)
  return Object.hasOwn(fixedBytes, name) ? (fixedBytes[name] ?? 0) : 0
}

/** The columns that a `CREATE TABLE` lists. */
export const listed = (table: ParseTree.Fields<"CreateStmt">): ReadonlyArray<ColumnDef> =>
  ParseTree.all(table.tableElts, "ColumnDef")

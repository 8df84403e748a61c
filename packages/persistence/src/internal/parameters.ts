/**
 * The parameters of a statement that is written as text, each with its type: a null, an empty list and a full one make
 * the same statement, so that a connection prepares it once.
 */
import { OID, type Parameter, ParameterTypeId } from "@effect/sql-pg/PgTypes"
import type { ColumnType, Value } from "./records.ts"

/** Collects values and gives their places in the text. */
export interface Parameters {
  readonly values: ReadonlyArray<Parameter>
  /** One value. */
  readonly one: (type: ColumnType, value: Value) => string
  /** A list of values. */
  readonly many: (type: ColumnType, values: ReadonlyArray<Value>) => string
  /** Each of the columns' values, by their names. */
  readonly row: <Columns extends Readonly<Record<string, ColumnType>>>(
    columns: Columns,
    row: { readonly [Column in keyof Columns]: Value }
  ) => Readonly<Record<string, string>>
  /** Rows to stand in FROM, under a name and with the columns' names. */
  readonly records: <Columns extends Readonly<Record<string, ColumnType>>>(
    name: string,
    columns: Columns,
    rows: ReadonlyArray<Readonly<Record<keyof Columns, Value>>>
  ) => string
}

const types: Readonly<Record<ColumnType, readonly [scalar: number, array: number]>> = {
  bigint: [OID.int8, OID.int8Array],
  boolean: [OID.bool, OID.boolArray],
  bytea: [OID.bytea, OID.byteaArray],
  integer: [OID.int4, OID.int4Array],
  text: [OID.text, OID.textArray],
  timestamp: [OID.timestamp, OID.timestampArray],
  uuid: [OID.uuid, OID.uuidArray]
}

export const make = (): Parameters => {
  const values: Array<Parameter> = []
  const add = (oid: number, value: unknown): number => values.push({ [ParameterTypeId]: ParameterTypeId, oid, value })
  const one: Parameters["one"] = (type, value) => `$${add(types[type][0], value)}::${type}`
  const many: Parameters["many"] = (type, list) => `$${add(types[type][1], list)}::${type}[]`
  return {
    values,
    one,
    many,
    row: (columns, row) =>
      Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, one(type, row[name] ?? null)])),
    records: (name, columns, rows) => {
      const names = Object.keys(columns)
      const lists = Object.entries(columns).map(([column, type]) =>
        many(
          type,
          rows.map((row) => row[column] ?? null)
        )
      )
      return `unnest(${lists.join(", ")}) AS ${name}(${names.join(", ")})`
    }
  }
}

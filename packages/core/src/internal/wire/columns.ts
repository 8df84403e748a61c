/**
 * What the columns of an answer are called, and how they are read.
 */
import type { Field, Row } from "@effect/sql-pg/PgConnection"
import type * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Result from "effect/Result"

export interface Columns {
  readonly fields: ReadonlyArray<Field>
  readonly read: PgProtocol.FieldReader<unknown>
  readonly row: (values: ReadonlyArray<unknown>) => Row
}

/** The columns that the server describes. */
export const columnsOf = (
  described: ReadonlyArray<PgProtocol.FieldDescription>,
  registry: PgTypes.Registry | undefined
): Result.Result<Columns, PgTypes.CodecError> =>
  Result.map(PgTypes.makeFieldReader(described, registry), (read) => ({
    fields: described.map(({ dataTypeOid, name }) => ({ name, dataTypeId: dataTypeOid })),
    read,
    row: rowOf(described.map(({ name }) => name))
  }))

const rowOf = (names: ReadonlyArray<string>): Columns["row"] => {
  // To assign that one name would set what the row inherits from.
  if (names.includes("__proto__")) {
    return (values) => Object.defineProperties({}, Object.fromEntries(names.map((name, at) => [name, own(values[at])])))
  }
  return (values) => {
    const row: Record<string, unknown> = {}
    for (let at = 0; at < names.length; at++) row[names[at] as string] = values[at]
    return row
  }
}

const own = (value: unknown): PropertyDescriptor => ({ value, enumerable: true, configurable: true, writable: true })

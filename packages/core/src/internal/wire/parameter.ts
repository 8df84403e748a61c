/**
 * The type that a value is sent with, as the driver infers it: it keeps that to itself, so it is said again here, and a
 * test compares the two.
 */
import * as PgTypes from "@effect/sql-pg/PgTypes"

const least = -(2 ** 31)
const greatest = 2 ** 31 - 1

const typed = (oid: number, value: unknown): PgTypes.Parameter => ({
  [PgTypes.ParameterTypeId]: PgTypes.ParameterTypeId,
  oid,
  value
})

/** The server finds the type of a text, and of nothing, in the statement. */
const untyped = 0

/** The parameter that a value becomes. Throws a `CodecError` where it has no type. */
export const parameterOf = (value: unknown, registry: PgTypes.Registry | undefined): PgTypes.Parameter =>
  Array.isArray(value) ? arrayOf(value, registry) : scalarOf(value)

const scalarOf = (value: unknown): PgTypes.Parameter => {
  if (PgTypes.isParameter(value)) return value
  if (value === null || value === undefined) return typed(untyped, null)
  switch (typeof value) {
    case "boolean":
      return typed(PgTypes.OID.bool, value)
    case "bigint":
      return typed(PgTypes.OID.int8, value)
    case "number":
      return numberOf(value)
    case "string":
      return typed(untyped, value)
  }
  if (value instanceof Date) return typed(PgTypes.OID.timestamptz, value)
  if (value instanceof Uint8Array) return typed(PgTypes.OID.bytea, value)
  if (value instanceof Int8Array) {
    return typed(PgTypes.OID.bytea, new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  }
  throw new PgTypes.CodecError({ message: `Cannot infer a PostgreSQL type for ${String(value)}` })
}

const numberOf = (value: number): PgTypes.Parameter => {
  if (!Number.isSafeInteger(value)) return typed(PgTypes.OID.float8, value)
  return value >= least && value <= greatest ? typed(PgTypes.OID.int4, value) : typed(PgTypes.OID.int8, BigInt(value))
}

const arrayOf = (elements: ReadonlyArray<unknown>, registry: PgTypes.Registry | undefined): PgTypes.Parameter => {
  if (elements.length === 0) return typed(untyped, "{}")
  let type: number | undefined
  const values = elements.map((element) => {
    if (Array.isArray(element)) throw nested
    const { oid, value } = scalarOf(element)
    if (Array.isArray(value)) throw nested
    if (oid === untyped && value === null) return null
    // A text alone has no type, but an array says which its elements have.
    const own = oid === untyped ? PgTypes.OID.text : oid
    type ??= own
    if (type !== own) {
      throw new PgTypes.CodecError({ message: "Array parameter elements must have the same inferred OID" })
    }
    return value
  })
  if (type === undefined) {
    throw new PgTypes.CodecError({ message: "Cannot infer the type of an array containing only null values" })
  }
  const array = PgTypes.arrayOidFor(type, registry)
  if (array === undefined) {
    throw new PgTypes.CodecError({ message: `No array type known for element OID ${type}` })
  }
  return typed(array, values)
}

const nested = new PgTypes.CodecError({ message: "Nested array parameters are not supported" })

/**
 * Parameters of the types that keys mostly have, read as SQL.
 */
import { Quote } from "@effect-dsql/dialect"
import type { Parameter } from "./clientMessage.ts"

interface Type {
  readonly oid: number
  readonly name: string
  /** Reads the binary form. */
  readonly read: (bytes: Buffer) => string
}

const text = (bytes: Buffer): string => bytes.toString("utf8")

/** The types that a key's parameter is read of; their oids are the same in every PostgreSQL. */
const types: ReadonlyArray<Type> = [
  { oid: 20, name: "int8", read: (bytes) => String(bytes.readBigInt64BE()) },
  { oid: 21, name: "int2", read: (bytes) => String(bytes.readInt16BE()) },
  { oid: 23, name: "int4", read: (bytes) => String(bytes.readInt32BE()) },
  { oid: 25, name: "text", read: text },
  { oid: 1043, name: "varchar", read: text },
  { oid: 2950, name: "uuid", read: (bytes) => bytes.toString("hex") }
]

/** The oid of a type by the name that the parser knows it by. */
export const typeOf = (name: string): number | undefined => types.find((type) => type.name === name)?.oid

/** The type that a Parse message declares for a parameter, numbered from 1. */
export const declared = (declarations: Buffer, parameter: number): number | undefined => {
  const at = 2 + (parameter - 1) * 4
  const oid = at + 4 <= declarations.length ? declarations.readUInt32BE(at) : 0
  return oid === 0 ? undefined : oid
}

/** A value of such a type: as SQL, and spelled in the one way in which no other value of the type is. */
export interface Keyed {
  readonly sql: string
  readonly canonical: string
}

const integer = (text: string): string | undefined => {
  if (String(Number(text)) === text && Number.isSafeInteger(Number(text))) return text
  return /^\s*[+-]?\d+\s*$/.test(text) ? String(BigInt(text)) : undefined
}

const hex = (text: string): string | undefined => {
  const digits = text.replaceAll(/[{}-]/g, "").toLowerCase()
  return /^[0-9a-f]{32}$/.test(digits) ? digits : undefined
}

const spellings: Readonly<Record<string, (text: string) => string | undefined>> = {
  int8: integer,
  int2: integer,
  int4: integer,
  uuid: hex
}

/** A value that is written as text; undefined for what is of another type, or is none of it. */
export const keyed = (text: string, oid: number): Keyed | undefined => {
  const type = types.find((each) => each.oid === oid)
  if (type === undefined) return undefined
  const canonical = (spellings[type.name] ?? String)(text)
  return canonical === undefined ? undefined : { sql: `${Quote.literal(text)}::${type.name}`, canonical }
}

/** A parameter's text; undefined for NULL and for what is of another type. */
export const textOf = ({ bytes, isBinary }: Parameter, oid: number): string | undefined => {
  const type = types.find((each) => each.oid === oid)
  if (type === undefined || bytes === null) return undefined
  return isBinary ? type.read(bytes) : text(bytes)
}

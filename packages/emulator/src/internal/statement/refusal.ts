/**
 * What Aurora DSQL refuses, and how the emulator says so.
 */
import { Dialect, Limits, type Statement } from "@effect-dsql/dialect"
import * as Option from "effect/Option"

/** An error that the service answers with. */
export interface Refusal {
  /** The linter's name of the rule that says so. */
  readonly rule?: string | undefined
  readonly sqlstate: string
  readonly message: string
  readonly hint?: string | undefined
  readonly detail?: string | undefined
  /** In characters of the client's text, from 1. */
  readonly position?: number | undefined
}

/** The refusal of a statement by the dialect; undefined for one that is accepted. */
export const of = (statement: Statement.Statement): Refusal | undefined => {
  const refusal = Option.getOrUndefined(Dialect.refusal(statement))
  if (refusal === undefined) return undefined
  const { hint, location, message, rule, sqlstate } = refusal
  return { rule, sqlstate, message, hint, position: location === undefined ? undefined : location.offset + 1 }
}

const unsupported = (message: string): Refusal => ({ sqlstate: "0A000", message })

export const manyDdl = unsupported("multiple ddl statements not supported in a transaction")
export const ddlAndDml = unsupported("ddl and dml are not supported in the same transaction")

export const dataConflict: Refusal = {
  sqlstate: "40001",
  message: "change conflicts with another transaction (OC000)"
}

export const schemaConflict: Refusal = {
  sqlstate: "40001",
  message: "schema has been updated by another transaction (OC001)"
}

/** For bytes that are no character. */
export const unreadable = (bytes: Buffer): Refusal => ({
  sqlstate: "22021",
  message: `invalid byte sequence for encoding "UTF8": ${[...bytes].map((byte) => `0x${byte.toString(16).padStart(2, "0")}`).join(" ")}`
})

export const aborted: Refusal = {
  sqlstate: "25P02",
  message: "current transaction is aborted, commands ignored until end of transaction block"
}

export const notSettable = (name: string): Refusal =>
  unsupported(`setting configuration parameter "${name.toLowerCase()}" not supported`)

/** For what PostgreSQL may not put into temporary files. */
export const tempSpace: Refusal = {
  sqlstate: "54000",
  message: `query requires more than allowed temp space of ${Limits.queryBytes / 1024} KB to execute`
}

export const rowLimit: Refusal = { sqlstate: "54000", message: "transaction row limit exceeded" }

export const sizeLimit = (bytes: number): Refusal => ({
  sqlstate: "54000",
  message: "transaction size limit 10mb exceeded",
  detail: `Current transaction size ${Math.ceil(bytes / (1024 * 1024))}mb > 10mb`
})

export const inTransaction = (what: string): Refusal => ({
  sqlstate: "25001",
  message: `${what} cannot run inside a transaction block`
})

export const ageLimit: Refusal = { sqlstate: "54000", message: "transaction age limit of 300s exceeded" }

export const unavailable: Refusal = { sqlstate: "XX000", message: "server unavailable" }

export const expiredToken: Refusal = {
  sqlstate: "28000",
  message: "unable to accept connection, access denied",
  hint: "Signature expired: the token is no longer valid, ask for a new one"
}

export const tooManyConnections: Refusal = {
  sqlstate: "53300",
  message: "Unable to accept connection, too many open connections."
}

export const rateExceeded: Refusal = { sqlstate: "53400", message: "Unable to accept connection, rate exceeded." }

export const accessDenied: Refusal = { sqlstate: "28000", message: "unable to accept connection, access denied" }

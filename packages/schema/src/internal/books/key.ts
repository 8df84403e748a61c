/**
 * A statement's place in the journal.
 */
import type { SchemaVersion } from "../../SchemaSource.ts"
import type { SqlStatement } from "../../SqlStatement.ts"

/** The label of a version, and which of the version's statements it is, from 1. */
export interface Key {
  readonly version: string
  readonly ordinal: number
}

/** A statement with its place. */
export interface Keyed {
  readonly key: Key
  readonly statement: SqlStatement
}

/** What a version is called in the journal. */
export const label = ({ label, version }: Pick<SchemaVersion, "label" | "version">): string => label ?? version

/** Whether a version of the journal was set up from a single file. */
export const isFile = (label: string): boolean => label.startsWith("file ")

/** The statements of a version in their places. */
export const keyed = (version: SchemaVersion): ReadonlyArray<Keyed> =>
  version.statements.map((statement, i) => ({ key: { version: label(version), ordinal: i + 1 }, statement }))

/** The row of a place among those of a journal. */
export const rowOf = <Row extends Key>(rows: ReadonlyArray<Row>, { ordinal, version }: Key): Row | undefined =>
  rows.find((row) => row.version === version && row.ordinal === ordinal)

/**
 * The command lines that messages advise.
 */
import { builtInNames } from "../../Outline.ts"

/** The name that versions are recorded under where none is given: the earlier tool always wrote this one. */
export const defaultDatabase = "postgres"

/** A command for a schema and a database, as it is typed. */
export const commandFor = (
  command: "setup-schema" | "update-schema",
  { database, schema }: { readonly database: string; readonly schema: string }
): string =>
  [
    command,
    ...(builtInNames.includes(schema) ? [] : ["--schema-dir", quoted(schema)]),
    ...(database === defaultDatabase ? [] : ["--db-name", quoted(database)])
  ].join(" ")

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/**
 * The command lines that messages advise.
 */
import { builtInNames, recordedUnder } from "../../Outline.ts"

/** A command for a schema and a database, as it is typed. */
export const commandFor = (
  command: "setup-schema" | "update-schema",
  { database, schema }: { readonly database: string; readonly schema: string }
): string =>
  [command, ...named(schema), ...(database === recordedUnder(schema) ? [] : ["--db-name", quoted(database)])].join(" ")

const named = (schema: string): ReadonlyArray<string> => {
  if (schema === builtInNames[0]) return []
  return [builtInNames.includes(schema) ? "--schema-name" : "--schema-dir", quoted(schema)]
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

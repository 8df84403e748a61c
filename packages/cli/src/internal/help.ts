/** Help as wide as the terminal, with the flags that mean something to its command. */
import * as Arr from "effect/Array"
import type { HelpDoc } from "effect/cli"
import * as Context from "effect/Context"
import { stripVTControlCharacters } from "node:util"
import wrapAnsi from "wrap-ansi"
import * as Connection from "../Connection.ts"

/** What a formatter is to be given: paragraphs without line breaks, and no flag that the command refuses. */
export const relevant = (doc: HelpDoc.HelpDoc): HelpDoc.HelpDoc => {
  const refused = new Set<string>([...Connection.names, "db-name"])
  for (const name of Context.get(doc.annotations, Connection.Takes)) refused.delete(name)
  const paragraphs = doc.description.split(/\n\s*\n/).map((paragraph) => paragraph.trim().replaceAll(/\s*\n\s*/g, " "))
  return {
    ...doc,
    description: paragraphs.join("\n\n  "),
    // A second name beside the first would stand out of the table.
    subcommands: (doc.subcommands ?? []).map(({ commands, group }) => ({
      group,
      commands: Arr.map(commands, inTable)
    })),
    inheritedFlags: (doc.inheritedFlags ?? []).filter(({ name }) => !refused.has(name))
  }
}

const inTable = ({ alias, ...command }: HelpDoc.SubcommandDoc): HelpDoc.SubcommandDoc => ({
  ...command,
  alias: undefined,
  shortDescription: `${command.shortDescription ?? command.description}${alias === undefined ? "" : `; also ${alias}`}`
})

// Where less than this is left for descriptions, they begin on a line of their own.
const narrow = 30
const indent = 6

/**
 * Breaks lines between words; the descriptions in a table stay below each other, and what is broken of an example can
 * still be typed as it is printed.
 */
export const wrapped = (help: string, columns: number): string => {
  let section = ""
  return help
    .split("\n")
    .map((line) => {
      const plain = stripVTControlCharacters(line)
      if (/^\S/.test(plain)) section = plain.trim()
      else if (section === "EXAMPLES") return example(line, columns)
      const [, name = "", description = line.trimStart()] = /^( +\S.*?\S {2,})(\S.*)$/.exec(line) ?? []
      const column = name === "" ? line.length - description.length : stripVTControlCharacters(name).length
      if (plain.length <= columns) return line
      if (columns - column >= narrow || name === "")
        return `${name || " ".repeat(column)}${hanging(description, columns, column)}`
      return `  ${hanging(name.trim(), columns, 2)}\n${" ".repeat(indent)}${hanging(description, columns, indent)}`
    })
    .join("\n")
}

/** A comment goes on behind its sign, a command behind a backslash. */
const example = (line: string, columns: number): string => {
  const text = line.trimStart()
  const isComment = stripVTControlCharacters(text).startsWith("#")
  return wrapAnsi(text, columns - (isComment ? 4 : 6))
    .split("\n")
    .map((part, i) => `  ${i === 0 ? "" : isComment ? "# " : "  "}${part}`)
    .join(isComment ? "\n" : " \\\n")
    .trimEnd()
}

const hanging = (text: string, columns: number, column: number): string =>
  wrapAnsi(text, columns - column).replaceAll("\n", `\n${" ".repeat(column)}`)

/**
 * Statements that hold the text of a program: CREATE FUNCTION, CREATE PROCEDURE and DO.
 */
import type { Node } from "libpg-query"
import * as ParseTree from "../../ParseTree.ts"

/** Such a text, and the `location` in the tree behind which it stands. */
export interface Routine {
  readonly language: string
  readonly text: string
  readonly location: number
}

const named = (options: ReadonlyArray<Node> | undefined): string | undefined =>
  ParseTree.name(ParseTree.option(options, "language")?.arg)?.toLowerCase()

/** The language of a function that is created; it is SQL where none is named. */
export const language = ({ options }: ParseTree.Fields<"CreateFunctionStmt">): string => named(options) ?? "sql"

/** The program in a statement; a body that is no text, as BEGIN ATOMIC has it, is part of the tree. */
export const routine = (node: Node): Routine | undefined => {
  const block = ParseTree.as(node, "DoStmt")
  const create = ParseTree.as(node, "CreateFunctionStmt")
  const written = ParseTree.option(block?.args ?? create?.options, "as")
  const text = ParseTree.name(ParseTree.as(written?.arg, "List")?.items?.[0] ?? written?.arg)
  if (written === undefined || text === undefined) return undefined
  return {
    language: create === undefined ? (named(block?.args) ?? "plpgsql") : language(create),
    text,
    location: written.location ?? 0
  }
}

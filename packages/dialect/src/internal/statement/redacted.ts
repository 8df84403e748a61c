/**
 * A statement as it may be shown and kept: without the passwords that it holds, or without any text that it holds.
 */
import type { Node } from "libpg-query"
import * as ParseTree from "../../ParseTree.ts"
import * as Source from "../../Source.ts"
import * as Engine from "../engine.ts"
import * as Tokens from "../tokens.ts"
import type { Statement } from "./model.ts"
import { routine } from "./routine.ts"

/** A part of a text, and what is shown in its place. */
interface Cut {
  readonly from: number
  readonly to: number
  readonly by: string
}

const without = (text: string, cuts: ReadonlyArray<Cut>): string =>
  cuts
    .toSorted((a, b) => b.from - a.from)
    .reduce((shown, { by, from, to }) => `${shown.slice(0, from)}${by}${shown.slice(to)}`, text)

/** What is shown of a text that cannot be told from a password. */
const hidden = "***"

/** Replaces tokens of a text; nothing of one without tokens is shown. */
const replacing = (text: string, by: (token: Engine.Token) => string | undefined): string => {
  const own = Source.make(text)
  const tokens = Engine.tokensOf(text)
  if (tokens === undefined) return hidden
  const cuts = tokens.flatMap((token) => {
    const shown = by(token)
    return shown === undefined ? [] : [{ from: own.fromByte(token.start), to: own.fromByte(token.end), by: shown }]
  })
  return without(text, cuts)
}

const withoutSecrets = (text: string, body?: string): string =>
  replacing(text, (token) => {
    if (Tokens.isComment(token)) return ""
    if (!Tokens.isText(token)) return undefined
    // The code in a body stays, so that a change of it is seen.
    return body !== undefined && body !== "" && token.text.includes(`$${body}$`)
      ? token.text.replace(body, () => withoutSecrets(body))
      : `'${hidden}'`
  })

/** Every text in it as `'…'`, and no comment. */
export const withoutTexts = ({ text }: Statement): string =>
  replacing(text, (token) => (Tokens.isComment(token) ? "" : Tokens.isText(token) ? "'…'" : undefined))

const literals: ReadonlySet<string> = new Set(["ICONST", "FCONST", "BCONST", "XCONST"])

/** `?` for each text and number in it, and no comment. */
export const shape = ({ text }: Statement): string =>
  replacing(text, (token) =>
    Tokens.isComment(token) ? "" : Tokens.isText(token) || literals.has(token.tokenName) ? "?" : undefined
  ).trim()

/** Statements whose texts are of no row and no column: said of something, set, or run later. */
const telling: ReadonlySet<ParseTree.Tag> = new Set<ParseTree.Tag>([
  "AlterDatabaseSetStmt",
  "AlterRoleSetStmt",
  "CommentStmt",
  "CreateFunctionStmt",
  "DoStmt",
  "SecLabelStmt"
])

const isOfRole = (node: Node): boolean => "CreateRoleStmt" in node || "AlterRoleStmt" in node

/** `'***'` for each password. */
export const redacted = (statement: Statement): string => {
  const { node, source, text } = statement
  const mentions = Tokens.mentions(text, "PASSWORD")
  if (mentions && telling.has(ParseTree.tagged(node).tag)) return withoutSecrets(text, routine(node)?.text)
  if (!isOfRole(node) && !mentions) return text
  const words: Array<number> = []
  ParseTree.walk(node, {
    DefElem: ({ arg, defname, location }) => {
      if (defname === "password" && arg !== undefined) words.push(source.fromByte(location ?? 0) - statement.offset)
    }
  })
  const own = Source.make(text)
  const tokens = Engine.tokensOf(text) ?? []
  const comments = tokens.filter(
    (token) => Tokens.isComment(token) && (isOfRole(node) || Tokens.mentions(token.text, "PASSWORD"))
  )
  return without(text, [
    ...comments.map(({ end, start }) => ({ from: own.fromByte(start), to: own.fromByte(end), by: "" })),
    ...words.map((word) => {
      const secret = tokens.find((token) => Tokens.isText(token) && own.fromByte(token.start) > word)
      // What no token shows is left out to the end: rather too little than a password.
      const [from, to] = secret === undefined ? [word, text.length] : [secret.start, secret.end].map(own.fromByte)
      return { from: from ?? word, to: to ?? text.length, by: `'${hidden}'` }
    })
  ])
}

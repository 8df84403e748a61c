/**
 * What is read from PostgreSQL's tokens: comments, the extent of a statement, and the word ASYNC.
 */
import type { Token } from "./engine.ts"

/** The word that DSQL's grammar adds to PostgreSQL's. */
export const async = "ASYNC"

/** False only for a text without the word in any spelling: a cheap reason not to scan. */
export const mentions = (text: string, word: string): boolean => text.toUpperCase().includes(word)

/** False only for a text without a comment: a cheap reason not to scan. */
export const mayHaveComment = (text: string): boolean => text.includes("--") || text.includes("/*")

/** Whether the token is a comment. */
export const isComment = (token: Token): boolean => token.tokenName === "SQL_COMMENT" || token.tokenName === "C_COMMENT"

/** Whether the token is a text in quotes. The lexer has no name for those that begin with U&. */
export const isText = (token: Token): boolean => token.tokenName === "SCONST" || token.text.endsWith("'")

/** Whether a token is a word, in any spelling; the word is in capitals. */
export const isWord = (token: Pick<Token, "text"> | undefined, word: string): boolean =>
  token?.text.toUpperCase() === word

// After CREATE [UNIQUE] INDEX: CREATE is reserved, so this is nowhere else. ON after it makes no name of it: DSQL built
// an index of its own naming for `CREATE INDEX ASYNC ON t (c)`.
const followsCreateIndex = (code: ReadonlyArray<Token>, i: number): boolean =>
  isWord(code[i - 1], "INDEX") &&
  (isWord(code[i - 2], "CREATE") || (isWord(code[i - 2], "UNIQUE") && isWord(code[i - 3], "CREATE")))

const followsAlterTable = (code: ReadonlyArray<Token>, i: number): boolean =>
  isWord(code[i - 1], "TABLE") && isWord(code[i - 2], "ALTER")

/** The ASYNC tokens that can be nothing but DSQL's word. */
export const certainAsyncs = (tokens: ReadonlyArray<Token>): ReadonlyArray<Token> => {
  const code = tokens.filter((token) => !isComment(token))
  return code.filter(
    (token, i) =>
      isWord(token, async) &&
      // What is done to a table begins with a keyword, so a plain name after ASYNC is the table's.
      (followsCreateIndex(code, i) || (followsAlterTable(code, i) && code[i + 1]?.tokenName === "IDENT"))
  )
}

/** The ASYNC token right before the place where the parser gave up, if it may be DSQL's word. */
export const asyncBefore = (tokens: ReadonlyArray<Token>, isPast: (token: Token) => boolean): Token | undefined => {
  const code = tokens.filter((token) => !isComment(token) && !isPast(token))
  const last = code.length - 1
  const token = code[last]
  return isWord(token, async) && (followsCreateIndex(code, last) || followsAlterTable(code, last)) ? token : undefined
}

/** The text with spaces for the ASYNCs at these offsets: what PostgreSQL can read. */
export const withoutAsync = (text: string, offsets: ReadonlyArray<number>): string => {
  let result = ""
  let from = 0
  for (const offset of offsets) {
    result += text.slice(from, offset) + " ".repeat(async.length)
    from = offset + async.length
  }
  return result + text.slice(from)
}

/** The reverse, for those of the offsets that are in the text. */
export const withAsync = (text: string, offsets: ReadonlyArray<number>): string =>
  offsets.reduce(
    (text, at) => (at < 0 || at >= text.length ? text : `${text.slice(0, at)}${async}${text.slice(at + async.length)}`),
    text
  )

/** The bytes from the first token to the last of those between two bytes, comments left out. */
export const extent = (tokens: ReadonlyArray<Token>, start: number, end: number): ReadonlyArray<number> => {
  let low = 0
  let high = tokens.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((tokens[middle]?.start ?? 0) < start) low = middle + 1
    else high = middle
  }
  let from: number | undefined
  let to = 0
  for (let token = tokens[low]; token !== undefined && token.start < end; token = tokens[++low]) {
    if (isComment(token) || token.tokenName === "ASCII_59") continue
    from ??= token.start
    to = token.end
  }
  return from === undefined ? [] : [from, to]
}

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13)

/** The extent of a statement in a text without comments: what PostgreSQL's lexer calls space is left out. */
export const trim = (text: string, start: number, end: number): ReadonlyArray<number> => {
  let from = start
  let to = end
  while (from < to && (isSpace(text.charCodeAt(from)) || text[from] === ";")) from++
  while (to > from && (isSpace(text.charCodeAt(to - 1)) || text[to - 1] === ";")) to--
  return [from, to]
}

/** The first place of a keyword outside of all parentheses; -1 for none. */
export const outerWord = (tokens: ReadonlyArray<Token>, word: string): number => {
  let depth = 0
  return tokens.findIndex((token) => {
    if (token.tokenName === "ASCII_40") depth++
    else if (token.tokenName === "ASCII_41") depth--
    return depth === 0 && token.keywordName === "RESERVED_KEYWORD" && isWord(token, word)
  })
}

/**
 * `AWS IAM GRANT role TO 'arn'` and `AWS IAM REVOKE role FROM 'arn'`: PostgreSQL's grammar has neither the two words
 * nor a literal for a role.
 */
import type { Token } from "./engine.ts"
import { isComment, isWord, mentions } from "./tokens.ts"

/** False only for a text without the word in any spelling: a cheap reason not to scan. */
export const mayMap = (text: string): boolean => mentions(text, "IAM")

const isEnd = (token: Token | undefined): boolean => token === undefined || token.tokenName === "ASCII_59"

// Not E'', U&'' and their like: their text is not what stands between the quotes.
const isLiteral = ({ text }: Token): boolean => text.startsWith("'")

/** Whether a statement begins here with `AWS IAM GRANT` or `AWS IAM REVOKE`. */
const begins = (code: ReadonlyArray<Token>, i: number): boolean =>
  isEnd(code[i - 1]) &&
  isWord(code[i], "AWS") &&
  isWord(code[i + 1], "IAM") &&
  (isWord(code[i + 2], "GRANT") || isWord(code[i + 2], "REVOKE"))

/** What else begins with these words is no statement that anybody has seen. */
export const form = "AWS IAM GRANT role TO 'arn' and AWS IAM REVOKE role FROM 'arn' are all that follows AWS IAM"

/**
 * The text as PostgreSQL's parser can read it, of the same length: spaces for `AWS IAM`, and each literal of such a
 * statement as a quoted name.
 */
export const readable = (text: string, tokens: ReadonlyArray<Token>, fromByte: (byte: number) => number): string => {
  const code = tokens.filter((token) => !isComment(token))
  let result = ""
  let from = 0
  const put = ({ end, start }: Token, change: (written: string) => string) => {
    const [at, to] = [fromByte(start), fromByte(end)]
    result += text.slice(from, at) + change(text.slice(at, to))
    from = to
  }
  for (const [i, first] of code.entries()) {
    if (!begins(code, i)) continue
    put(first, blank)
    for (let n = i + 1; ; n++) {
      const token = code[n]
      if (token === undefined || isEnd(token)) break
      if (n === i + 1) put(token, blank)
      else if (isLiteral(token)) put(token, (literal) => `"${literal.slice(1, -1).replaceAll('"', "'")}"`)
    }
  }
  return result + text.slice(from)
}

/** Whether a statement's text, from its first token, has been made readable so. */
export const isChanged = (text: string, readable: string): boolean =>
  readable.startsWith("   ") && isWord({ text: text.slice(0, 3) }, "AWS")

const blank = (word: string): string => " ".repeat(word.length)

/** The literals of such a statement, read from its text: as names in a tree they would end after 63 bytes. */
export const literals = (tokens: ReadonlyArray<Token>): ReadonlyArray<string> =>
  tokens
    .filter((token) => !isComment(token) && isLiteral(token))
    .map(({ text }) => text.slice(1, -1).replaceAll("''", "'"))

/**
 * The words with which a locking clause says how it waits, found by PostgreSQL's lexer.
 */
import type { Token } from "./engine.ts"

const word = (token: Token | undefined): string => token?.text.toUpperCase() ?? ""

/** Whether a locking clause ends before a token: with its strength, or with the tables after OF. */
const endsClause = (code: ReadonlyArray<Token>, before: number): boolean => {
  for (let i = before - 1; i >= 0; i--) {
    const text = word(code[i])
    if (text === "UPDATE" || text === "SHARE") return i === before - 1 || word(code[i + 1]) === "OF"
    if (text === "(" || text === ")" || text === ";") return false
  }
  return false
}

/** The tokens SKIP, LOCKED and NOWAIT of a statement's locking clauses; comments are to be left out before. */
export const waitingWords = (code: ReadonlyArray<Token>): ReadonlyArray<Token> =>
  code.filter((token, i) => {
    const text = word(token)
    if (text === "NOWAIT") return endsClause(code, i)
    if (text === "SKIP") return word(code[i + 1]) === "LOCKED" && endsClause(code, i)
    return text === "LOCKED" && word(code[i - 1]) === "SKIP" && endsClause(code, i - 1)
  })

/**
 * The first word of a statement: what it does, for who counts statements, and whether it is one on rows.
 */

/** What may stand before it: spaces, brackets and comments. Those that hold comments are left to the server. */
const first = /^(?:[ \t\n\v\f\r(]|--[^\r\n]*[\r\n]|\/\*(?:(?!\/\*|\*\/)[^])*\*\/)*([a-z]+)(?![\w$])/i

/** The words of short texts, which are asked for twice for each statement. */
const words = new Map<string, string>()

/** How many are known at most, and how many characters they have: a program that makes texts up forgets them. */
const most = { texts: 1_000, characters: 2_000 }

/** The first word, in capitals; undefined where none is found. */
export const firstWord = (sql: string): string | undefined => {
  const known = words.get(sql)
  if (known !== undefined) return known
  const word = first.exec(sql)?.[1]?.toUpperCase()
  if (word === undefined || sql.length > most.characters) return word
  if (words.size >= most.texts) words.clear()
  words.set(sql, word)
  return word
}

const onRows: ReadonlySet<string | undefined> = new Set([
  "DELETE",
  "INSERT",
  "MERGE",
  "SELECT",
  "TABLE",
  "UPDATE",
  "VALUES",
  "WITH"
])

/** Whether a text begins with the first word of a statement on rows: none of those begins or ends a transaction. */
export const isOnRows = (sql: string): boolean => onRows.has(firstWord(sql))

/** Those that Aurora DSQL has, and those of transactions. Any other word is somebody's mistake, and never the same. */
const operations: ReadonlySet<string | undefined> = new Set([
  ...onRows,
  "ALTER",
  "ANALYZE",
  "BEGIN",
  "CALL",
  "COMMENT",
  "COMMIT",
  "COPY",
  "CREATE",
  "DEALLOCATE",
  "DROP",
  "END",
  "EXECUTE",
  "EXPLAIN",
  "GRANT",
  "PREPARE",
  "RESET",
  "REVOKE",
  "ROLLBACK",
  "SET",
  "SHOW",
  "START"
])

/** What a statement does, as one of few words: `OTHER` where it begins with none of them. */
export const operationOf = (sql: string): string => {
  const word = firstWord(sql)
  return word !== undefined && operations.has(word) ? word : "OTHER"
}

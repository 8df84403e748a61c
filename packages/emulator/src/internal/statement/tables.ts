/**
 * The tables that a statement names, and what it does to them.
 */
import { ParseTree, Quote, Statement } from "@effect-dsql/dialect"

/** A table as the statement names it. */
export interface Table {
  readonly schema: string | undefined
  readonly name: string
  /** Where the name begins in the statement's text, its schema included. */
  readonly at: number
}

/** How a statement writes to one table. */
export interface Write {
  readonly table: string
  readonly verb: "insert" | "update" | "delete"
  /** The columns that an update sets. */
  readonly columns: ReadonlyArray<string>
}

/** The name of a table as SQL. */
export const qualified = (table: Pick<Table, "schema" | "name">): string => Quote.qualified(table.schema, table.name)

/** The tables that a statement names, in the order of its text. */
export const named = (statement: Statement.Statement): ReadonlyArray<Table> => {
  const tables: Array<Table> = []
  ParseTree.walk(statement.node, {
    RangeVar: ({ location = 0, relname, schemaname }) => {
      if (relname === undefined) return
      const at = Statement.at(statement, location).offset - statement.offset
      tables.push({ schema: schemaname, name: relname, at })
    }
  })
  return tables.toSorted((a, b) => a.at - b.at)
}

/** Every name in a statement: that of a function may stand where a column's does. */
export const names = ({ node }: Statement.Statement): ReadonlySet<string> => {
  const found = new Set<string>()
  ParseTree.walk(node, {
    RangeVar: ({ relname = "" }) => void found.add(relname),
    String: ({ sval = "" }) => void found.add(sval)
  })
  return found
}

const setBy = (targets: ReadonlyArray<ParseTree.Node> | undefined): ReadonlyArray<string> =>
  ParseTree.all(targets, "ResTarget").flatMap(({ name }) => name ?? [])

/** What a statement writes. */
export const written = (statement: Statement.Statement): ReadonlyArray<Write> => {
  if (!Statement.writes(statement) && !("CopyStmt" in statement.node)) return []
  const writes: Array<Write> = []
  const note = (
    verb: Write["verb"],
    relation: ParseTree.Fields<"RangeVar"> | undefined,
    columns: ReadonlyArray<string>
  ) => {
    if (relation?.relname !== undefined) writes.push({ table: relation.relname, verb, columns })
  }
  ParseTree.walk(statement.node, {
    InsertStmt: ({ onConflictClause, relation }) => note("insert", relation, setBy(onConflictClause?.targetList)),
    UpdateStmt: ({ relation, targetList }) => note("update", relation, setBy(targetList)),
    DeleteStmt: ({ relation }) => note("delete", relation, []),
    CopyStmt: ({ is_from, relation }) => is_from === true && note("insert", relation, [])
  })
  return writes
}

/** A statement's SQL with the schemas of its tables blanked, so that `pg_temp` is looked at first. */
export const unqualified = (sql: string, tables: ReadonlyArray<Table>): string => {
  let text = sql
  for (const { at, schema } of tables) {
    if (schema === undefined) continue
    const written = text[at] === '"' ? Quote.identifier(schema) : schema
    const dot = text.indexOf(".", at + written.length)
    text = `${text.slice(0, at)}${" ".repeat(dot + 1 - at)}${text.slice(dot + 1)}`
  }
  return text
}

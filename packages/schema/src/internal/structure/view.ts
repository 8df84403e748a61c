/**
 * What a view is, and what later statements make of the text of its query: the view goes on to mean what it meant, and
 * the text means something else once a table has got another name, other names of columns, or more of them.
 */
import { all, as, type Fields, name as textOf, names, type Node, walk } from "@effect-dsql/dialect/ParseTree"
import * as Quote from "@effect-dsql/dialect/Quote"
import * as Statement from "@effect-dsql/dialect/Statement"
import { reference } from "./canonical.ts"
import type { KeyOf, Reading, Structure, View } from "./model.ts"

/** Reads CREATE VIEW. */
export const read = (
  structure: Structure,
  statement: Statement.Statement,
  { aliases, options, view }: Fields<"ViewStmt">,
  keyOf: KeyOf
): View => {
  const from = Statement.viewQuery(statement) ?? 0
  const query = statement.text.slice(from)
  const columns = names(aliases)
  const recursion = /^CREATE\s+(OR\s+REPLACE\s+)?RECURSIVE\b/i.test(statement.text)
    ? ([Quote.identifier(view?.relname ?? ""), columns.map(Quote.identifier).join(", ")] as const)
    : undefined
  return {
    kind: "view",
    query,
    recursion,
    columns,
    options: settings(options),
    reads: readings(structure, statement, from, keyOf),
    isDated: false
  }
}

/**
 * The query of a view with the tables that it reads as they were when it was created, where they have changed since.
 * `isChanged` where one has, so that the server may not be able to read it.
 */
export const queryOf = (view: View, { tables }: Structure): { readonly query: string; readonly isChanged: boolean } => {
  const changed = view.reads.filter(({ columns, name, table }) => {
    const now = tables.get(table)
    return table !== name || now?.columns.size !== columns.size || [...columns].some(([then, now]) => then !== now)
  })
  const query = changed
    .toSorted((a, b) => b.from - a.from)
    .reduce((text, { alias, columns, from, table, to }) => {
      const list = [...columns].map(([then, now]) => `${Quote.identifier(now)} AS ${Quote.identifier(then)}`).join(", ")
      // Under the name that the server shows: the alias, or what the table is called now.
      const [inner, outer] = alias.isGiven
        ? [` AS ${Quote.identifier(alias.name)}`, ""]
        : ["", ` AS ${Quote.identifier(alias.name)}`]
      return `${text.slice(0, from)}(SELECT ${list} FROM ${reference(table)}${inner})${outer}${text.slice(to)}`
    }, view.query)
  // CREATE RECURSIVE VIEW is short for this.
  const [name, list] = view.recursion ?? []
  return {
    query: name === undefined ? query : `WITH RECURSIVE ${name} (${list}) AS (${query}\n) SELECT ${list} FROM ${name}`,
    isChanged: changed.length > 0 || view.isDated
  }
}

/** What is set of a view. */
export const set = (view: View, given: ReadonlyArray<Node> | undefined): View => ({
  ...view,
  options: new Map([...view.options, ...settings(given)])
})

/** What is set of it no more. */
export const reset = (view: View, given: ReadonlyArray<Node> | undefined): View => {
  const gone = settings(given)
  return { ...view, options: new Map([...view.options].filter(([name]) => !gone.has(name))) }
}

/** After a table has got another name. */
export const tableRenamed = (structure: Structure, from: string, to: string): void =>
  update(structure, (view) => ({
    ...view,
    reads: view.reads.map((each) => (each.table === from ? { ...each, table: to } : each))
  }))

/** After a column of a table has got another name. */
export const columnRenamed = (structure: Structure, table: string, from: string, to: string): void =>
  update(structure, (view) => ({
    ...view,
    reads: view.reads.map((each) => {
      if (each.table !== table) return each
      return { ...each, columns: new Map([...each.columns].map(([then, now]) => [then, now === from ? to : now])) }
    })
  }))

/** After a column is gone, which no view can have read. */
export const columnDropped = (structure: Structure, table: string, column: string): void =>
  update(structure, (view) => ({
    ...view,
    reads: view.reads.map((each) => {
      if (each.table !== table) return each
      return { ...each, columns: new Map([...each.columns].filter(([, now]) => now !== column)) }
    })
  }))

/** After a view has got another name, or other columns: what reads it by its text may not any more. */
export const viewChanged = (structure: Structure, name: string): void =>
  update(structure, (view, key) => (key !== name && mentions(view, name) ? { ...view, isDated: true } : view))

const update = (structure: Structure, change: (view: View, key: string) => View): void => {
  for (const [key, relation] of structure.relations) {
    if (relation.kind === "view") structure.relations.set(key, change(relation, key))
  }
}

const mentions = ({ query }: View, key: string): boolean =>
  query.toLowerCase().includes(key.slice(key.indexOf(".") + 1).toLowerCase())

const settings = (options: ReadonlyArray<Node> | undefined): ReadonlyMap<string, string> =>
  new Map(
    all(options, "DefElem").map(({ arg, defname = "" }) => {
      const value = textOf(arg) ?? names(as(arg, "TypeName")?.names).at(-1) ?? "true"
      return [defname, /^(on|yes|1)$/i.test(value) ? "true" : value.toLowerCase()]
    })
  )

/** The tables of this schema that a query reads, each where its name stands behind `start`. */
const readings = (
  structure: Structure,
  statement: Statement.Statement,
  start: number,
  keyOf: KeyOf
): ReadonlyArray<Reading> => {
  const ctes = new Set<string>()
  walk(statement.node, { CommonTableExpr: ({ ctename = "" }) => void ctes.add(ctename) })
  return Statement.relations(statement).flatMap(({ from, relation, to }) => {
    const { alias, relname = "", schemaname } = relation
    const key = keyOf(relation)
    const columns = structure.tables.get(key)?.columns
    if (columns === undefined || (schemaname === undefined && ctes.has(relname))) return []
    return {
      from: from - start,
      to: to - start,
      name: key,
      table: key,
      alias: { name: alias?.aliasname ?? relname, isGiven: alias !== undefined },
      columns: new Map([...columns.keys()].map((name) => [name, name]))
    }
  })
}

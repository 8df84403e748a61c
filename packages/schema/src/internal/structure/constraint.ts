/**
 * What a constraint is, and what it makes of its columns.
 */
import { type Fields, names } from "@effect-dsql/dialect/ParseTree"
import * as Quote from "@effect-dsql/dialect/Quote"
import { expression } from "./canonical.ts"
import { change, defaultOf, identified } from "./column.ts"
import { type Index, type KeyOf, primaryKey, type Structure, type Table } from "./model.ts"

const parenthesised = (columns: ReadonlyArray<string>): string => `(${columns.map(Quote.identifier).join(", ")})`

export const constrain = (
  structure: Structure,
  table: Table,
  key: string,
  constraint: Fields<"Constraint">,
  /** The column that it was written at. */
  at: string | undefined,
  keyOf: KeyOf
): void => {
  const own = at === undefined ? [] : [at]
  // What PostgreSQL calls one that has no name.
  const nameOf = (suffix: string, columns: ReadonlyArray<string>) =>
    constraint.conname ?? [key.slice(key.lastIndexOf(".") + 1), ...columns, suffix].join("_")
  const later = constraint.skip_validation === true ? " NOT VALID" : ""
  const indexName = constraint.indexname
  switch (constraint.contype) {
    case "CONSTR_NOTNULL":
      return change(table, at ?? "", { nullable: false })
    case "CONSTR_DEFAULT":
      return change(table, at ?? "", { default: defaultOf(constraint.raw_expr) })
    case "CONSTR_IDENTITY":
      return change(table, at ?? "", { nullable: false, ...identified(table, at ?? "", constraint) })
    case "CONSTR_GENERATED":
      return change(table, at ?? "", { default: `GENERATED ALWAYS AS (${expression(constraint.raw_expr)}) STORED` })
    case "CONSTR_PRIMARY":
    case "CONSTR_UNIQUE": {
      const primary = constraint.contype === "CONSTR_PRIMARY"
      const used = indexName === undefined ? undefined : take(structure, key, indexName)
      const columns = used?.columns ?? (at === undefined ? names(constraint.keys) : own)
      if (primary) for (const name of columns) change(table, name, { nullable: false })
      const nulls = constraint.nulls_not_distinct === true ? " NULLS NOT DISTINCT" : ""
      const name = primary ? nameOf("pkey", []) : (constraint.conname ?? indexName ?? nameOf("key", columns))
      const more = used?.including ?? names(constraint.including)
      const include = more.length === 0 ? "" : ` INCLUDE ${parenthesised(more)}`
      table.constraints.set(name, `${primary ? primaryKey : "UNIQUE"}${nulls} ${parenthesised(columns)}${include}`)
      return
    }
    case "CONSTR_CHECK":
      table.constraints.set(nameOf("check", own), `CHECK ${expression(constraint.raw_expr)}${later}`)
      return
    case "CONSTR_FOREIGN": {
      const columns = at === undefined ? names(constraint.fk_attrs) : own
      const target = keyOf(constraint.pktable)
      const given = names(constraint.pk_attrs)
      const referenced = given.length > 0 ? parenthesised(given) : keyColumns(structure.tables.get(target))
      const actions = `${action("UPDATE", constraint.fk_upd_action)}${action("DELETE", constraint.fk_del_action)}`
      table.constraints.set(
        nameOf("fkey", columns),
        `FOREIGN KEY ${parenthesised(columns)} REFERENCES ${target} ${referenced}${actions}${later}`
      )
    }
  }
}

/** Takes an index away that becomes a constraint's. */
const take = (structure: Structure, table: string, name: string): Index | undefined => {
  const key = `${table.slice(0, table.lastIndexOf(".") + 1)}${name}`
  const found = structure.indexes.get(key)
  structure.indexes.delete(key)
  return found
}

const keyColumns = (table: Table | undefined): string =>
  [...(table?.constraints.values() ?? [])].find((text) => text.startsWith(primaryKey))?.slice(primaryKey.length + 1) ??
  "()"

const actions: Readonly<Record<string, string>> = {
  r: "RESTRICT",
  c: "CASCADE",
  n: "SET NULL",
  d: "SET DEFAULT"
}

const action = (event: string, code: string | undefined): string => {
  const found = actions[code ?? ""]
  return found === undefined ? "" : ` ON ${event} ${found}`
}

/**
 * How one structure differs from another.
 */
import type { Difference } from "../../Difference.ts"
import { readable } from "./canonical.ts"
import * as Structure from "./structure.ts"

/** What a database has otherwise, lacks or has too much, of the tables that a version names. */
export const compare = (
  expected: Structure.Structure,
  actual: Structure.Structure,
  invalid: ReadonlySet<string>
): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  for (const [name, kind] of expected.relations) {
    if (actual.relations.get(name) !== kind) found.push({ _tag: "Missing", kind, name })
  }
  for (const name of expected.gone) {
    if (!expected.tables.has(name) && actual.tables.has(name)) found.push({ _tag: "Unexpected", kind: "table", name })
  }
  for (const [name, table] of expected.tables) {
    const there = actual.tables.get(name)
    if (there === undefined) {
      found.push({ _tag: "Missing", kind: "table", name })
      continue
    }
    found.push(...columns(name, table, there), ...constraints(name, table, there))
    found.push(...indexes(name, expected, actual, invalid))
  }
  return found
}

const columns = (table: string, expected: Structure.Table, actual: Structure.Table): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  for (const [column, wanted] of expected.columns) {
    const there = actual.columns.get(column)
    if (there === undefined) {
      found.push({ _tag: "MissingColumn", table, column, expected: described(wanted) })
      continue
    }
    if (there.type !== wanted.type) {
      found.push({ _tag: "ColumnType", table, column, expected: wanted.type, actual: there.type })
    }
    if (there.nullable !== wanted.nullable) {
      found.push({
        _tag: "ColumnNullability",
        table,
        column,
        expected: nullability(wanted),
        actual: nullability(there)
      })
    }
    if (there.default !== wanted.default) {
      found.push({
        _tag: "ColumnDefault",
        table,
        column,
        expected: shown(wanted.default),
        actual: shown(there.default)
      })
    }
  }
  for (const [column, there] of actual.columns) {
    if (!expected.columns.has(column)) {
      found.push({ _tag: "UnexpectedColumn", table, column, actual: described(there) })
    }
  }
  return found
}

const shown = (text: string | undefined): string | null => (text === undefined ? null : readable(text))

const nullability = ({ nullable }: Structure.Column): string => (nullable ? "NULL" : "NOT NULL")

const described = (column: Structure.Column): string => {
  const required = column.nullable ? "" : " NOT NULL"
  if (column.default === undefined) return `${column.type}${required}`
  return `${column.type}${required}${column.default.startsWith("GENERATED") ? "" : " DEFAULT"} ${readable(column.default)}`
}

const constraints = (table: string, expected: Structure.Table, actual: Structure.Table): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  const wanted = [...expected.constraints.values()]
  const there = [...actual.constraints.values()]
  const [wantedKey, actualKey] = [wanted, there].map((all) =>
    all.find(isPrimaryKey)?.slice(Structure.primaryKey.length + 1)
  )
  if (wantedKey !== actualKey) {
    found.push({ _tag: "PrimaryKey", table, expected: shown(wantedKey), actual: shown(actualKey) })
  }
  for (const constraint of wanted) {
    if (!isPrimaryKey(constraint) && !there.includes(constraint)) {
      found.push({ _tag: "MissingConstraint", table, expected: readable(constraint) })
    }
  }
  for (const constraint of there) {
    if (!isPrimaryKey(constraint) && !wanted.includes(constraint)) {
      found.push({ _tag: "UnexpectedConstraint", table, actual: readable(constraint) })
    }
  }
  return found
}

const isPrimaryKey = (constraint: string): boolean => constraint.startsWith(Structure.primaryKey)

const indexes = (
  table: string,
  expected: Structure.Structure,
  actual: Structure.Structure,
  invalid: ReadonlySet<string>
): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  for (const [index, wanted] of expected.indexes) {
    if (wanted.table !== table) continue
    const there = actual.indexes.get(index)
    const expectedText = readable(wanted.definition)
    if (there === undefined) {
      found.push({ _tag: "MissingIndex", table, index, expected: expectedText })
      continue
    }
    if (there.table !== table || there.definition !== wanted.definition) {
      const place = there.table === table ? "" : `of table ${there.table}: `
      const actualText = `${place}${readable(there.definition)}`
      found.push({ _tag: "IndexDefinition", table, index, expected: expectedText, actual: actualText })
    }
    if (invalid.has(index)) found.push({ _tag: "IndexInvalid", table, index })
  }
  for (const [index, there] of actual.indexes) {
    if (there.table === table && expected.indexes.get(index)?.table !== table) {
      found.push({ _tag: "UnexpectedIndex", table, index, actual: readable(there.definition) })
    }
  }
  return found
}

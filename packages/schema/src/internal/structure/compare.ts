/**
 * How one structure differs from another.
 */
import type { Difference } from "../../Difference.ts"
import { readable } from "./canonical.ts"
import { type Column, type Index, primaryKey, type Structure, type Table, type View } from "./model.ts"
import { expressions, literally, type Same, views } from "./sameness.ts"
import * as Sequence from "./sequence.ts"
import { queryOf } from "./view.ts"

/** What a database has otherwise, lacks or has too much, of the tables that a version names. */
export const compare = (
  expected: Structure,
  actual: Structure,
  invalid: ReadonlySet<string>,
  same: Same = literally
): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  for (const [name, wanted] of expected.relations) {
    const there = actual.relations.get(name)
    if (there?.kind !== wanted.kind) found.push({ _tag: "Missing", kind: wanted.kind, name })
    if (there?.kind !== "sequence" || wanted.kind !== "sequence") continue
    const [left, right] = [Sequence.text(wanted.options), Sequence.text(there.options)]
    if (left !== right) found.push({ _tag: "SequenceOptions", name, expected: left, actual: right })
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
    found.push(...columns(name, table, there, same), ...constraints(name, table, there, same))
    found.push(...indexes(name, expected, actual, invalid, same))
  }
  // Last: where a table is another, so is what reads it.
  return [...found, ...viewDefinitions(expected, actual, same)]
}

const viewDefinitions = (expected: Structure, actual: Structure, same: Same): ReadonlyArray<Difference> =>
  [...expected.relations].flatMap(([name, wanted]): ReadonlyArray<Difference> => {
    const there = actual.relations.get(name)
    if (there?.kind !== "view" || wanted.kind !== "view" || isSameView(name, wanted, expected, there, same)) return []
    return [{ _tag: "ViewDefinition", name, expected: definition(wanted), actual: definition(there) }]
  })

const isSameView = (name: string, wanted: View, expected: Structure, there: View, same: Same): boolean =>
  settings(wanted) === settings(there) && same(views(name, wanted, queryOf(wanted, expected), there))

const settings = ({ options }: View): string =>
  [...options]
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(", ")

const definition = (view: View): string => {
  const options = settings(view)
  return `${options === "" ? "" : `WITH (${options}) `}${view.query.trim().replaceAll(/\s+/g, " ")}`
}

const columns = (table: string, expected: Table, actual: Table, same: Same): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  for (const [column, wanted] of expected.columns) {
    const there = actual.columns.get(column)
    if (there === undefined) {
      found.push({ _tag: "MissingColumn", table, column, expected: described(wanted) })
      continue
    }
    if (there.type !== wanted.type && !isSameType(wanted.type, there.type, same)) {
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
    if (there.default !== wanted.default && !isSameValue(table, wanted, there, same)) {
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

/** Whether two types of columns, each with its collation, are one. */
const isSameType = (expected: string, actual: string, same: Same): boolean => {
  const [[left = "", leftCollation], [right = "", rightCollation]] = [collated(expected), collated(actual)]
  const isSame = () => same(expressions({}, [`CAST(NULL AS ${left})`], [`CAST(NULL AS ${right})`]))
  return leftCollation === rightCollation && (left === right || isSame())
}

const collated = (type: string): ReadonlyArray<string> => type.split(" COLLATE ")

const generated = /^GENERATED ALWAYS AS \((.*)\) STORED$/s

/** Whether two columns are filled with the same. */
const isSameValue = (table: string, wanted: Column, there: Column, same: Same): boolean => {
  if (wanted.default === undefined || there.default === undefined) return false
  const [type] = collated(there.type)
  const [left, right] = [generated.exec(wanted.default)?.[1], generated.exec(there.default)?.[1]]
  if (left !== undefined && right !== undefined) return same(expressions({ table, type }, [left], [right]))
  if (wanted.default.startsWith("GENERATED") || there.default.startsWith("GENERATED")) return false
  return same(expressions({ type }, [wanted.default], [there.default]))
}

const shown = (text: string | undefined): string | null => (text === undefined ? null : readable(text))

const nullability = ({ nullable }: Column): string => (nullable ? "NULL" : "NOT NULL")

const described = (column: Column): string => {
  const required = column.nullable ? "" : " NOT NULL"
  if (column.default === undefined) return `${column.type}${required}`
  return `${column.type}${required}${column.default.startsWith("GENERATED") ? "" : " DEFAULT"} ${readable(column.default)}`
}

const constraints = (table: string, expected: Table, actual: Table, same: Same): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  const wanted = [...expected.constraints.values()]
  const there = [...actual.constraints.values()]
  const [wantedKey, actualKey] = [wanted, there].map((all) => all.find(isPrimaryKey)?.slice(primaryKey.length + 1))
  // Aurora DSQL carries every column with a key, whatever was written, so the catalogue does not say.
  if (wantedKey !== actualKey && wantedKey?.replace(/ INCLUDE .*/s, "") !== actualKey) {
    found.push({ _tag: "PrimaryKey", table, expected: shown(wantedKey), actual: shown(actualKey) })
  }
  const isThere = (constraint: string) => there.some((other) => isSameCheck(table, constraint, other, same))
  const isWanted = (constraint: string) => wanted.some((other) => isSameCheck(table, other, constraint, same))
  for (const constraint of wanted) {
    if (!isPrimaryKey(constraint) && !isThere(constraint)) {
      found.push({ _tag: "MissingConstraint", table, expected: readable(constraint) })
    }
  }
  for (const constraint of there) {
    if (!isPrimaryKey(constraint) && !isWanted(constraint)) {
      found.push({ _tag: "UnexpectedConstraint", table, actual: readable(constraint) })
    }
  }
  return found
}

const check = /^CHECK (.*?)( NOT VALID)?$/s

const isSameCheck = (table: string, expected: string, actual: string, same: Same): boolean => {
  if (expected === actual) return true
  const [left, right] = [check.exec(expected), check.exec(actual)]
  if (left?.[1] === undefined || right?.[1] === undefined || left[2] !== right[2]) return false
  return same(expressions({ table }, [left[1]], [right[1]]))
}

const isPrimaryKey = (constraint: string): boolean => constraint.startsWith(primaryKey)

const indexes = (
  table: string,
  expected: Structure,
  actual: Structure,
  invalid: ReadonlySet<string>,
  same: Same
): ReadonlyArray<Difference> => {
  const found: Array<Difference> = []
  const others = new Map(
    [...actual.indexes].filter(([name, { table: of }]) => of === table && expected.indexes.get(name)?.isNamed !== true)
  )
  const named = new Set<string>()
  for (const [name, wanted] of expected.indexes) {
    if (wanted.table !== table) continue
    const like = wanted.isNamed
      ? undefined
      : [...others].find(([other, there]) => !named.has(other) && isSameIndex(table, wanted, there, same))
    const index = like?.[0] ?? name
    named.add(index)
    const there = actual.indexes.get(index)
    const expectedText = readable(wanted.definition)
    if (there === undefined) {
      found.push({ _tag: "MissingIndex", table, index, expected: expectedText })
      continue
    }
    if (there.table !== table || !isSameIndex(table, wanted, there, same)) {
      const place = there.table === table ? "" : `of table ${there.table}: `
      const actualText = `${place}${readable(there.definition)}`
      found.push({ _tag: "IndexDefinition", table, index, expected: expectedText, actual: actualText })
    }
    if (invalid.has(index)) found.push({ _tag: "IndexInvalid", table, index })
  }
  for (const [index, { definition, table: of }] of actual.indexes) {
    if (of === table && !named.has(index)) {
      found.push({ _tag: "UnexpectedIndex", table, index, actual: readable(definition) })
    }
  }
  return found
}

const isSameIndex = (table: string, expected: Index, actual: Index, same: Same): boolean =>
  expected.definition === actual.definition ||
  (expected.form === actual.form && same(expressions({ table }, expected.expressions, actual.expressions)))

/**
 * Lint rules over the tables that a script makes.
 */
import * as Limits from "../../Limits.ts"
import * as Types from "../rules/types.ts"
import * as ParseTree from "../../ParseTree.ts"
import type { Check, Script, Spot } from "./script.ts"
import { guide } from "./script.ts"
import type { Key, Table } from "./tables.ts"
import { tables } from "./tables.ts"

const finds = (key: Key, columns: ReadonlyArray<string>): boolean => {
  const leading = new Set(key.columns.slice(0, columns.length))
  return key.whole && columns.length > 0 && columns.every((column) => leading.has(column))
}

const unindexedReference: Check = {
  id: "foreign-key-index",
  severity: "warning",
  description: "a foreign key whose columns begin no index of their table",
  hint: "CREATE INDEX ASYNC on the referencing columns, in a statement after the table's.",
  source: guide("working-with-foreign-key-constraints"),
  find: (script) =>
    tables(script).flatMap(({ keys, name, references }) =>
      references
        .filter(({ columns }) => !keys.some((key) => finds(key, columns)))
        .map(({ columns, location, statement, to }): Spot => ({
          statement,
          location,
          message: `deleting from ${to} reads all of ${name}: no index of ${name} begins with ${columns.join(", ")}`
        }))
    )
}

const tooManyIndexes: Check = {
  id: "table-indexes",
  severity: "error",
  description: "more than 24 indexes on a table, primary key and unique constraints included",
  hint: "Drop an index that another one begins with.",
  sqlstate: "54000",
  source: guide("CHAP_quotas"),
  find: (script) =>
    tables(script).flatMap(({ keys }): ReadonlyArray<Spot> => {
      const past = keys[Limits.tableIndexes]
      return past === undefined
        ? []
        : [
            {
              statement: past.statement,
              location: past.location,
              message: `more than ${Limits.tableIndexes} indexes per table are not allowed`
            }
          ]
    })
}

const tooManyColumns: Check = {
  id: "table-columns",
  severity: "warning",
  description: "more than 255 columns in a table",
  hint: "Move columns that are rarely read into a second table with the same key, or into jsonb.",
  source: guide("CHAP_quotas"),
  find: (script) =>
    tables(script)
      .filter(({ columns }) => columns.size > Limits.tableColumns)
      .map(({ columns, name, statement }): Spot => ({
        statement,
        message: `${name} has ${columns.size} columns; the service promises ${Limits.tableColumns}`
      }))
}

const isJson = (table: Table, column: string): string | undefined => {
  const type = table.columns.get(column)?.typeName
  const name = Types.isArray(type) ? undefined : Types.builtin(type)
  return name === "json" || name === "jsonb" ? name : undefined
}

const jsonKey: Check = {
  id: "json-key",
  severity: "error",
  description: "a json or jsonb column as a key",
  hint: "Index an expression: ((document ->> 'name')).",
  sqlstate: "0A000",
  source: guide("create-index-syntax-support"),
  find: (script) =>
    tables(script).flatMap((table) =>
      table.keys.flatMap(({ columns, location, statement }) =>
        columns.flatMap((column): ReadonlyArray<Spot> => {
          const type = isJson(table, column)
          return type === undefined
            ? []
            : [{ statement, location, message: `datatype ${type} is not supported in a key` }]
        })
      )
    )
}

const droppedKeyColumns = (script: Script): ReadonlyArray<Spot> => {
  const spots: Array<Spot> = []
  tables(script, (statement, before) => {
    for (const node of ParseTree.as(statement.node, "AlterTableStmt")?.cmds ?? []) {
      const command = ParseTree.as(node, "AlterTableCmd")
      if (command?.subtype !== "AT_DropColumn" || before?.primaryKey.includes(command.name ?? "") !== true) continue
      spots.push({ statement, message: `cannot drop primary key column ${command.name ?? ""}` })
    }
  })
  return spots
}

const dropPrimaryKeyColumn: Check = {
  id: "drop-primary-key-column",
  severity: "error",
  description: "ALTER TABLE ... DROP COLUMN of a primary key's column",
  hint: "Make a new table with the other key, and move the rows in batches.",
  sqlstate: "0A000",
  source: "https://github.com/Dreamescaper/dsql-emulator, answers of a cluster recorded until 2026-09-18",
  find: droppedKeyColumns
}

export const schemaChecks: ReadonlyArray<Check> = [
  unindexedReference,
  tooManyIndexes,
  tooManyColumns,
  jsonKey,
  dropPrimaryKeyColumn
]

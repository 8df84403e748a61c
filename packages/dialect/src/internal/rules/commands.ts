/**
 * The commands of an ALTER TABLE, one by one.
 */
import type { AlterTableType, ColumnDef } from "libpg-query"
import type { Statement } from "../../Statement.ts"
import * as ParseTree from "../../ParseTree.ts"
import type { Finder, Match } from "./definition.ts"
import { foundIf } from "./definition.ts"

/** Looks at each command of an ALTER TABLE; ALTER INDEX, VIEW and others share the node and are left out. */
export const commands =
  (
    find: (command: ParseTree.Fields<"AlterTableCmd">, statement: Statement) => ReadonlyArray<Match>
  ): Finder<"AlterTableStmt"> =>
  ({ cmds, objtype }, statement) =>
    objtype === "OBJECT_TABLE"
      ? (cmds ?? []).flatMap((node) => {
          const command = ParseTree.as(node, "AlterTableCmd")
          return command === undefined ? [] : find(command, statement)
        })
      : []

/** Finds commands of these kinds. */
export const commandsOf = (...subtypes: ReadonlyArray<AlterTableType>): Finder<"AlterTableStmt"> =>
  commands(({ subtype }) => foundIf(subtype !== undefined && subtypes.includes(subtype)))

/** Looks at each column that an ALTER TABLE adds. */
export const addedColumns = (find: (column: ColumnDef) => ReadonlyArray<Match>): Finder<"AlterTableStmt"> =>
  commands(({ def, subtype }) => {
    const column = subtype === "AT_AddColumn" ? ParseTree.as(def, "ColumnDef") : undefined
    return column === undefined ? [] : find(column)
  })

/** Looks at each constraint that an ALTER TABLE adds. */
export const addedConstraints = (
  find: (constraint: ParseTree.Fields<"Constraint">) => boolean
): Finder<"AlterTableStmt"> =>
  commands(({ def, subtype }) => {
    const constraint = subtype === "AT_AddConstraint" ? ParseTree.as(def, "Constraint") : undefined
    return constraint === undefined ? [] : foundIf(find(constraint), constraint.location)
  })

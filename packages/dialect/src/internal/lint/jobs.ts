/**
 * Lint rules over asynchronous jobs: an index or a validated constraint is there only when its job is done.
 */
import type { Statement } from "../../Statement.ts"
import * as ParseTree from "../../ParseTree.ts"
import type { Check, Script, Spot } from "./script.ts"
import { guide } from "./script.ts"

const waits = ({ node }: Statement): boolean =>
  ParseTree.names(ParseTree.as(node, "CallStmt")?.funccall?.funcname).join(".") === "sys.wait_for_job"

const commands = ({ node }: Statement) => {
  const table = ParseTree.as(node, "AlterTableStmt")
  return table?.objtype === "OBJECT_TABLE" ? ParseTree.all(table.cmds, "AlterTableCmd") : []
}

const later = ({ steps }: Script, i: number, is: (statement: Statement) => boolean): boolean =>
  steps.slice(i + 1).some(({ statement }) => is(statement))

const notAwaited: Check = {
  id: "job-not-awaited",
  // A script cannot know the id that it would have to wait for; who runs it can.
  severity: "info",
  description: "CREATE INDEX ASYNC or ALTER TABLE ASYNC without waiting for its job",
  hint: "CALL sys.wait_for_job with the job_id that the statement returned; effect-dsql's migrator does it by itself.",
  source: guide("working-with-create-index-async"),
  find: (script) =>
    script.steps.flatMap(({ statement }, i): ReadonlyArray<Spot> =>
      statement.async && !later(script, i, waits)
        ? [{ statement, message: "nothing waits for the job: what follows runs before it is done, or has failed" }]
        : []
    )
}

const usedBeforeBuilt: Check = {
  id: "index-used-before-built",
  severity: "error",
  description: "ADD UNIQUE USING INDEX of an index that is being built",
  hint: "CALL sys.wait_for_job with the job_id that CREATE INDEX ASYNC returned, between the two.",
  sqlstate: "55000",
  source: "https://github.com/Dreamescaper/dsql-emulator, answers of a cluster recorded until 2026-09-18",
  find: ({ steps }) => {
    const building = new Set<string>()
    return steps.flatMap(({ statement }): ReadonlyArray<Spot> => {
      const index = ParseTree.as(statement.node, "IndexStmt")
      if (waits(statement)) building.clear()
      else if (statement.async && index?.idxname !== undefined) building.add(index.idxname)
      return commands(statement).flatMap(({ def }): ReadonlyArray<Spot> => {
        const constraint = ParseTree.as(def, "Constraint")
        return constraint?.indexname !== undefined && building.has(constraint.indexname)
          ? [
              {
                statement,
                location: constraint.location,
                message: `index "${constraint.indexname}" is not valid`
              }
            ]
          : []
      })
    })
  }
}

const notValidated: Check = {
  id: "constraint-not-validated",
  severity: "info",
  description: "ADD CONSTRAINT ... NOT VALID that is never validated",
  hint: "ALTER TABLE ASYNC ... VALIDATE CONSTRAINT, and wait for its job.",
  source: guide("alter-table-syntax-support"),
  find: (script) =>
    script.steps.flatMap(({ statement }, i) =>
      commands(statement).flatMap(({ def, subtype }): ReadonlyArray<Spot> => {
        const constraint = subtype === "AT_AddConstraint" ? ParseTree.as(def, "Constraint") : undefined
        if (constraint?.skip_validation !== true) return []
        const validates = (other: Statement) =>
          commands(other).some(
            ({ name, subtype }) => subtype === "AT_ValidateConstraint" && name === constraint.conname
          )
        return constraint.conname !== undefined && later(script, i, validates)
          ? []
          : [{ statement, location: constraint.location, message: "rows from before the constraint stay unchecked" }]
      })
    )
}

export const jobChecks: ReadonlyArray<Check> = [notAwaited, usedBeforeBuilt, notValidated]

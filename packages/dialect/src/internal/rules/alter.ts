/**
 * What DSQL refuses in ALTER TABLE. The columns of ADD COLUMN are in `tables`.
 */
import type { AlterTableType } from "libpg-query"
import * as ParseTree from "../../ParseTree.ts"
import { addedConstraints, commands, commandsOf } from "./commands.ts"
import type { Definition } from "./definition.ts"
import { define, found, foundIf, inferred, measured, observed, page, recorded } from "./definition.ts"

const lifted = (
  id: string,
  construct: string,
  statement: string,
  until: Definition["until"],
  ...subtypes: ReadonlyArray<AlterTableType>
): Definition =>
  define({
    id,
    construct: `ALTER TABLE ... ${construct}`,
    message: `unsupported ALTER TABLE ${statement} statement`,
    hint: "Make a new table and move the rows on this service date.",
    ...inferred(page.releases),
    until,
    when: { AlterTableStmt: commandsOf(...subtypes) }
  })

/** Actions that the user guide does not list among those supported, and PostgreSQL's words for them in its messages. */
const never: ReadonlyArray<readonly [words: string, ...subtypes: ReadonlyArray<AlterTableType>]> = [
  ["ALTER COLUMN ... SET COMPRESSION", "AT_SetCompression"],
  ["ALTER COLUMN ... SET", "AT_SetOptions"],
  ["ALTER COLUMN ... RESET", "AT_ResetOptions"],
  ["ENABLE TRIGGER", "AT_EnableTrig"],
  ["ENABLE ALWAYS TRIGGER", "AT_EnableAlwaysTrig"],
  ["ENABLE REPLICA TRIGGER", "AT_EnableReplicaTrig"],
  ["DISABLE TRIGGER", "AT_DisableTrig"],
  ["ENABLE RULE", "AT_EnableRule"],
  ["ENABLE ALWAYS RULE", "AT_EnableAlwaysRule"],
  ["ENABLE REPLICA RULE", "AT_EnableReplicaRule"],
  ["DISABLE RULE", "AT_DisableRule"],
  ["ENABLE ROW SECURITY", "AT_EnableRowSecurity"],
  ["DISABLE ROW SECURITY", "AT_DisableRowSecurity"],
  ["FORCE ROW SECURITY", "AT_ForceRowSecurity"],
  ["NO FORCE ROW SECURITY", "AT_NoForceRowSecurity"],
  ["CLUSTER ON", "AT_ClusterOn"],
  ["SET WITHOUT CLUSTER", "AT_DropCluster"],
  ["SET ACCESS METHOD", "AT_SetAccessMethod"],
  ["SET TABLESPACE", "AT_SetTableSpace"],
  ["SET LOGGED", "AT_SetLogged"],
  ["SET UNLOGGED", "AT_SetUnLogged"],
  ["SET", "AT_SetRelOptions", "AT_ReplaceRelOptions"],
  ["RESET", "AT_ResetRelOptions"],
  ["INHERIT", "AT_AddInherit"],
  ["NO INHERIT", "AT_DropInherit"],
  ["OF", "AT_AddOf"],
  ["NOT OF", "AT_DropOf"],
  ["REPLICA IDENTITY", "AT_ReplicaIdentity"],
  ["ATTACH PARTITION", "AT_AttachPartition"],
  ["DETACH PARTITION", "AT_DetachPartition", "AT_DetachPartitionFinalize"]
]

const neverWords = new Map(
  never.flatMap(([words, ...subtypes]) => subtypes.map((subtype) => [subtype, words] as const))
)

export const alter: ReadonlyArray<Definition> = [
  define({
    id: "alter-column-type",
    construct: "ALTER TABLE ... ALTER COLUMN ... TYPE",
    message: "unsupported ALTER TABLE ALTER COLUMN ... SET DATA TYPE statement",
    hint: "Add a column of the new type, fill it in batches, and drop the old one.",
    ...recorded,
    when: {
      AlterTableStmt: commands(({ def, subtype }) =>
        foundIf(subtype === "AT_AlterColumnType", ParseTree.as(def, "ColumnDef")?.typeName?.location)
      )
    }
  }),
  define({
    id: "alter-column-statistics",
    construct: "ALTER TABLE ... ALTER COLUMN ... SET STATISTICS",
    message: "unsupported ALTER TABLE ALTER COLUMN ... SET STATISTICS statement",
    hint: "Use CREATE STATISTICS.",
    ...measured,
    when: { AlterTableStmt: commandsOf("AT_SetStatistics") }
  }),
  define({
    id: "set-not-null",
    construct: "ALTER TABLE ... ALTER COLUMN ... SET NOT NULL",
    message: "unsupported ALTER TABLE ALTER COLUMN ... SET NOT NULL statement",
    hint: "ADD CONSTRAINT ... CHECK (<column> IS NOT NULL) NOT VALID, then ALTER TABLE ASYNC ... VALIDATE CONSTRAINT.",
    ...observed,
    when: { AlterTableStmt: commandsOf("AT_SetNotNull") }
  }),
  define({
    id: "add-constraint-not-valid",
    construct: "ALTER TABLE ... ADD CHECK or FOREIGN KEY without NOT VALID",
    message: "unsupported ALTER TABLE ADD CONSTRAINT statement",
    hint: "Add it as NOT VALID, then ALTER TABLE ASYNC ... VALIDATE CONSTRAINT.",
    ...recorded,
    when: {
      AlterTableStmt: addedConstraints(
        ({ contype, skip_validation }) =>
          (contype === "CONSTR_CHECK" || contype === "CONSTR_FOREIGN") && skip_validation !== true
      )
    }
  }),
  define({
    id: "add-deferrable-key",
    construct: "ALTER TABLE ... ADD UNIQUE USING INDEX ... DEFERRABLE",
    message: "ALTER TABLE / ADD CONSTRAINT UNIQUE / DEFERRED / INITIALLY DEFERRED not supported",
    hint: "Only foreign keys can be deferred: leave DEFERRABLE out.",
    ...measured,
    when: {
      AlterTableStmt: addedConstraints(({ contype, deferrable }) => contype === "CONSTR_UNIQUE" && deferrable === true)
    }
  }),
  define({
    id: "add-key-constraint",
    construct: "ALTER TABLE ... ADD PRIMARY KEY, UNIQUE (columns) or EXCLUDE",
    message: "unsupported ALTER TABLE ADD CONSTRAINT statement",
    hint: "A primary key belongs into CREATE TABLE; for UNIQUE, CREATE UNIQUE INDEX ASYNC and ADD UNIQUE USING INDEX.",
    ...recorded,
    when: {
      AlterTableStmt: addedConstraints(
        ({ contype, indexname }) =>
          (contype === "CONSTR_UNIQUE" && indexname === undefined) ||
          contype === "CONSTR_PRIMARY" ||
          contype === "CONSTR_EXCLUSION"
      )
    }
  }),
  define({
    id: "add-constraint",
    construct: "ALTER TABLE ... ADD CONSTRAINT ... CHECK ... NOT VALID",
    message: "unsupported ALTER TABLE ADD CONSTRAINT statement",
    hint: "State the check in CREATE TABLE on this service date.",
    ...inferred(page.releases),
    until: "2026-08-03",
    when: { AlterTableStmt: addedConstraints(({ contype }) => contype === "CONSTR_CHECK") }
  }),
  define({
    id: "add-foreign-key",
    construct: "ALTER TABLE ... ADD FOREIGN KEY ... NOT VALID",
    message: "unsupported ALTER TABLE ADD CONSTRAINT statement",
    hint: "Keep the reference without a constraint on this service date.",
    ...inferred(page.foreignKeys),
    until: "2026-08-26",
    when: { AlterTableStmt: addedConstraints(({ contype }) => contype === "CONSTR_FOREIGN") }
  }),
  define({
    id: "validate-constraint-async",
    construct: "ALTER TABLE ... VALIDATE CONSTRAINT without ASYNC",
    message: "unsupported ALTER TABLE VALIDATE CONSTRAINT statement",
    hint: "ALTER TABLE ASYNC ... VALIDATE CONSTRAINT, and wait for the job that it returns.",
    ...recorded,
    when: {
      AlterTableStmt: commands(({ subtype }, { async }) => foundIf(subtype === "AT_ValidateConstraint" && !async))
    }
  }),
  lifted("drop-column", "DROP COLUMN", "DROP COLUMN", "2026-08-03", "AT_DropColumn"),
  lifted("drop-constraint", "DROP CONSTRAINT", "DROP CONSTRAINT", "2026-07-06", "AT_DropConstraint"),
  lifted(
    "column-default",
    "ALTER COLUMN ... SET or DROP DEFAULT",
    "ALTER COLUMN ... SET DEFAULT",
    "2026-07-06",
    "AT_ColumnDefault"
  ),
  lifted(
    "drop-not-null",
    "ALTER COLUMN ... DROP NOT NULL",
    "ALTER COLUMN ... DROP NOT NULL",
    "2026-07-06",
    "AT_DropNotNull"
  ),
  lifted(
    "drop-expression",
    "ALTER COLUMN ... DROP EXPRESSION",
    "ALTER COLUMN ... DROP EXPRESSION",
    "2026-07-06",
    "AT_DropExpression"
  ),
  lifted(
    "add-identity",
    "ALTER COLUMN ... ADD GENERATED AS IDENTITY",
    "ALTER COLUMN ... ADD GENERATED",
    "2026-07-06",
    "AT_AddIdentity"
  ),
  define({
    id: "alter-table-action",
    construct:
      "ALTER TABLE with an action that DSQL has no use for: row security, a trigger or rule by name, storage options, partitions",
    message: "unsupported ALTER TABLE {action} statement",
    hint: "Leave it out: DSQL has neither the thing nor a setting for it.",
    ...inferred(page.alter),
    when: {
      AlterTableStmt: commands(({ subtype }) => {
        const action = subtype === undefined ? undefined : neverWords.get(subtype)
        return action === undefined ? [] : found(undefined, { action })
      })
    }
  })
]

/**
 * Whether what is there under the name of a statement's object is what the schema means: asked before anything is
 * taken for present.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Effect from "effect/Effect"
import * as Difference from "../../Difference.ts"
import { ObjectDiffers } from "../../MigrationError.ts"
import type { SqlStatement, Target } from "../../SqlStatement.ts"
import type { Snapshot } from "../catalogue/catalogue.ts"
import * as Evidence from "../catalogue/evidence.ts"
import { display } from "../sql/target.ts"
import type { There } from "../structure/course.ts"
import * as Differences from "../structure/differences.ts"

/** Fails where it is something else. */
export const ensure = (
  statement: SqlStatement,
  schema: Differences.Expected,
  snapshot: Snapshot,
  there: There
): Effect.Effect<void, ObjectDiffers | TransactionError, DsqlClient> =>
  Effect.gen(function* () {
    const { location, target } = statement
    const kind = Evidence.otherKind(target, snapshot)
    if (kind !== undefined) {
      return yield* new ObjectDiffers({ object: nameOf(target, "relation"), location, problem: `it is a ${kind}` })
    }
    const found = yield* Differences.ofStatement(statement, schema, there)
    if (found.length === 0) return
    return yield* new ObjectDiffers({ object: nameOf(target), location, problem: Difference.summary(found) })
  })

/** What a statement leaves, with an article. */
const nameOf = (target: Target, kind?: "relation"): string => {
  switch (target._tag) {
    case "CreateTable":
      return `a ${kind ?? "table"} ${display(target.name)}`
    case "CreateIndex":
      return kind === undefined ? `an index ${display(target.name)}` : `a ${kind} ${display(target.name)}`
    case "CreateRelation":
      return `a ${kind ?? target.kind} ${display(target.name)}`
    case "RenameRelation":
      return `a relation ${display(target.to)}`
    case "AddColumn":
      return `a column ${display(target.table)}.${target.column}`
    case "RenameColumn":
      return `a column ${display(target.table)}.${target.to}`
    case "AddConstraint":
    case "ValidateConstraint":
      return `a constraint ${target.constraint} of ${display(target.table)}`
    default:
      return "something"
  }
}

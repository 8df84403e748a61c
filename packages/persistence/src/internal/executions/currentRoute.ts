/**
 * Which table holds a current execution, and under which key.
 */
import * as Effect from "effect/Effect"
import * as Archetype from "../../Archetype.ts"
import type { Key } from "../../CurrentExecution.ts"
import { ArchetypeUnspecified } from "../../PersistenceError.ts"

/** A table and the key of one row in it, column by column. */
export interface Route {
  readonly table: "current_executions" | "current_chasm_executions"
  /** The column that holds the business id. */
  readonly businessColumn: "workflow_id" | "business_id"
  readonly key: Readonly<Record<string, string | number>>
}

/** Workflows go to one table, every other archetype to the other; no archetype at all is refused. */
export const route = (key: Key): Effect.Effect<Route, ArchetypeUnspecified> => {
  const { businessId, namespaceId, shardId, archetypeId = Archetype.workflow } = key
  const common = { shard_id: shardId, namespace_id: namespaceId }
  switch (archetypeId) {
    case Archetype.unspecified:
      return Effect.fail(new ArchetypeUnspecified({ businessId }))
    case Archetype.workflow:
      return Effect.succeed({
        table: "current_executions",
        businessColumn: "workflow_id",
        key: { ...common, workflow_id: businessId }
      })
    default:
      return Effect.succeed({
        table: "current_chasm_executions",
        businessColumn: "business_id",
        key: { ...common, business_id: businessId, archetype_id: archetypeId }
      })
  }
}

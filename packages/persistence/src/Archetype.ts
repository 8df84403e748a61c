/**
 * Archetypes: the kinds of execution that Temporal's CHASM knows, and where each one's current execution is kept.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"

/**
 * FarmHash Fingerprint32 of `<library>.<component>`. 0 is reserved: unspecified.
 *
 * @since 0.1.0
 * @category models
 */
export const ArchetypeId = Schema.Int.check(Schema.isUint32()).pipe(Schema.brand("ArchetypeId"))

/**
 * @since 0.1.0
 * @category models
 */
export type ArchetypeId = typeof ArchetypeId.Type

/**
 * `workflow.workflow`: an ordinary workflow, kept in `current_executions`.
 *
 * @since 0.1.0
 * @category archetypes
 */
export const workflow: ArchetypeId = ArchetypeId.make(2_918_170_192)

/**
 * `scheduler.scheduler`.
 *
 * @since 0.1.0
 * @category archetypes
 */
export const scheduler: ArchetypeId = ArchetypeId.make(403_648_407)

/**
 * No archetype. Every operation refuses it before it sends anything.
 *
 * @since 0.1.0
 * @category archetypes
 */
export const unspecified: ArchetypeId = ArchetypeId.make(0)

/** What a guarded statement says, and what it is answered, which `Guarded` shows. */
import type * as Expression from "../../Expression.ts"
import type { Guard } from "../../Guard.ts"
import type { Write } from "../../Write.ts"

/**
 * What is written while which guards hold; `E` is what the guards refuse with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Statement<out E = never> {
  /** In the order in which they are locked, and refuse. */
  readonly guards: ReadonlyArray<Guard<E>>
  /** What each reads is from before all of them. */
  readonly writes: ReadonlyArray<Write>
  /**
   * Says that no write reads or changes a row that another one changes. A statement that does not say so is refused, as
   * a defect, if two of its writes are of one table, or one names the table of an earlier one. Default: false.
   */
  readonly independent?: boolean | undefined
  /** What the answer tells beside: single values of the snapshot from before the writes, by name. */
  readonly tells?: Readonly<Record<string, Expression.Expression>> | undefined
  /** Unique constraints under which a guard saw the key free: who has taken it since is a conflict, not a violation. */
  readonly free?: ReadonlyArray<string> | undefined
}

/**
 * What a statement told, by name, as the driver decodes it.
 *
 * @since 0.1.0
 * @category models
 */
export type Told = Readonly<Record<string, unknown>>

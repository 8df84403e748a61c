/**
 * Adopting a database whose schema was made by the earlier tool or by hand.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { Settings } from "./Migration.ts"

/**
 * What is adopted, and how it is proven to be what it is said to be.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<E> extends Settings {
  /**
   * Runs before anything is written, and fails where the database is not what the version says: `Verify` of this
   * package is made for it. `Effect.void` trusts the caller.
   */
  readonly verify: Effect.Effect<void, E, DsqlClient>
}

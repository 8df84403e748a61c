/**
 * What became of a write.
 */

/**
 * What became of a write whose answer was lost.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome<A> =
  | { readonly _tag: "Committed"; readonly value: A }
  | { readonly _tag: "NotCommitted" }
  | { readonly _tag: "Unknown" }

/**
 * The write is there, and the transaction's value is this one.
 *
 * @since 0.1.0
 * @category outcomes
 */
export const committed = <A>(value: A): Outcome<A> => ({ _tag: "Committed", value })

/**
 * The write is not there, and will not come.
 *
 * @since 0.1.0
 * @category outcomes
 */
export const notCommitted: Outcome<never> = { _tag: "NotCommitted" }

/**
 * What can be read does not tell.
 *
 * @since 0.1.0
 * @category outcomes
 */
export const unknown: Outcome<never> = { _tag: "Unknown" }

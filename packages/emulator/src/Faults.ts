/**
 * Faults on demand: what a cluster does to its clients on a bad day, when and
 * as often as a test says. The same rules and seed give the same faults.
 *
 * @since 0.1.0
 * @stability stable
 */
import * as Schema from "effect/Schema"

/**
 * What goes wrong.
 *
 * - `conflict`: 40001 OC000; `schema-conflict`: 40001 OC001. The transaction has no effect.
 * - `unavailable`: XX000 `server unavailable`, without effect; `unavailable-after`: the same once COMMIT took effect.
 * - `cut`: the connection ends before anything takes effect; `cut-after`: once COMMIT took effect, before the answer.
 * - `expired-token`, `too-many-connections` (53300), `rate-exceeded` (53400): refusals of a new connection.
 *
 * @since 0.1.0
 * @category models
 */
export const Fault = Schema.Literals([
  "conflict",
  "schema-conflict",
  "unavailable",
  "unavailable-after",
  "cut",
  "cut-after",
  "expired-token",
  "too-many-connections",
  "rate-exceeded"
])
/**
 * What goes wrong.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = typeof Fault.Type

/**
 * When something goes wrong. Events are counted from the moment a rule is injected, per rule.
 *
 * @since 0.1.0
 * @category models
 */
export const Rule = Schema.Struct({
  /** `commit` is a COMMIT, or an autocommitted statement that changes or locks rows. */
  on: Schema.Literals(["connect", "statement", "commit"]),
  fault: Fault,
  /** Which events, from 1: `[1, 3]` is the first and the third. */
  nth: Schema.optional(Schema.Array(Schema.Int)),
  /** Any event, with this probability from 0 to 1. */
  probability: Schema.optional(Schema.Number),
  /** After this many faults the rule is spent. */
  times: Schema.optional(Schema.Int),
  /** Only connections with this label or application_name. */
  label: Schema.optional(Schema.String)
})
/**
 * When something goes wrong.
 *
 * @since 0.1.0
 * @category models
 */
export type Rule = typeof Rule.Type

/**
 * How often each fault happened, by what `--fault` calls it: `cut@commit`.
 *
 * @since 0.1.0
 * @category models
 */
export type Happened = Readonly<Record<string, number>>

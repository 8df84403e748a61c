/**
 * Faults on demand: what a cluster does to its clients on a bad day, when and
 * as often as a test says. The same rules and seed give the same faults.
 *
 * @since 0.1.0
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
export type Rule = typeof Rule.Type

/** Decides about one event. */
export interface Faults {
  readonly inject: (rule: Rule) => void
  readonly clear: () => void
  readonly decide: (on: Rule["on"], label: string) => Fault | undefined
  /** How often each fault happened at each event, as `cut@commit`. */
  readonly happened: () => Happened
}

/**
 * How often each fault happened, by what `--fault` calls it: `cut@commit`.
 *
 * @since 0.1.0
 * @category models
 */
export type Happened = Readonly<Record<string, number>>

/** Mulberry32: 32 bits of state are plenty for choosing what fails. */
const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/**
 * Makes a source of faults with no rules.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (seed: number): Faults => {
  let rules: Array<{ readonly rule: Rule; readonly next: () => number; seen: number; done: number }> = []
  let injected = 0
  const counts = new Map<string, number>()
  return {
    inject: (rule) => {
      // A generator for each rule: what one rule draws does not depend on the others.
      rules.push({ rule, next: random(seed + injected++ * 0x9e3779b9), seen: 0, done: 0 })
    },
    clear: () => {
      rules = []
      injected = 0
    },
    decide: (on, label) => {
      let decided: Fault | undefined
      for (const each of rules) {
        const { rule } = each
        if (rule.on !== on || (rule.label !== undefined && rule.label !== label)) continue
        each.seen++
        const drawn = rule.probability === undefined || each.next() < rule.probability
        const due = rule.nth === undefined ? drawn : drawn && rule.nth.includes(each.seen)
        if (!due || (rule.times !== undefined && each.done >= rule.times)) continue
        if (decided !== undefined) continue
        each.done++
        decided = rule.fault
      }
      if (decided !== undefined) {
        const name = `${decided}@${on}`
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
      return decided
    },
    happened: () => Object.fromEntries(counts)
  }
}

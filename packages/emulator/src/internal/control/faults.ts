/**
 * Which faults are due: rules are counted per rule, and drawn from a generator of their own.
 */
import type { Fault, Happened, Rule } from "../../Faults.ts"

/** Decides about one event. */
export interface Faults {
  readonly inject: (rule: Rule) => void
  readonly clear: () => void
  readonly decide: (on: Rule["on"], label: string) => Fault | undefined
  /** How often each fault happened at each event, as `cut@commit`. */
  readonly happened: () => Happened
}

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

/** Makes a source of faults with no rules. The same seed and rules give the same faults. */
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

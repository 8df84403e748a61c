/**
 * Faults of a local Aurora DSQL as `--fault` writes them.
 *
 * | written | what happens |
 * | --- | --- |
 * | `conflict@commit` | every COMMIT fails with OC000 |
 * | `conflict@commit:3` | the third one does |
 * | `cut@statement:1,4` | the connection is cut at the first and the fourth statement |
 * | `unavailable@commit:10%` | one COMMIT in ten, as `--seed` decides |
 * | `conflict@commit:times=2` | the first two COMMITs fail |
 * | `cut@commit:10%:label=orders` | one COMMIT in ten of connections whose application_name is `orders` |
 * | `latency:20ms` | every round trip takes 20 milliseconds longer |
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { Fault, Rule } from "@effect-dsql/emulator/Faults"
import * as Effect from "effect/Effect"
import { InvalidUsage } from "./Failure.ts"

/**
 * What a `--fault` asks of the emulator's control.
 *
 * @since 0.1.0
 * @category models
 */
export type Scripted =
  | { readonly _tag: "Rule"; readonly rule: Rule }
  | { readonly _tag: "Latency"; readonly millis: number }

/**
 * Where each fault can happen.
 *
 * @since 0.1.0
 * @category constants
 */
export const events: Readonly<Record<Fault, ReadonlyArray<Rule["on"]>>> = {
  conflict: ["statement", "commit"],
  "schema-conflict": ["statement", "commit"],
  unavailable: ["connect", "statement", "commit"],
  "unavailable-after": ["commit"],
  cut: ["connect", "statement", "commit"],
  "cut-after": ["commit"],
  "expired-token": ["connect"],
  "too-many-connections": ["connect"],
  "rate-exceeded": ["connect"]
}

/**
 * Reads one `--fault`.
 *
 * @example
 * ```ts
 * import { FaultSyntax } from "@effect-dsql/cli"
 *
 * FaultSyntax.parse("conflict@commit:10%")
 * // { _tag: "Rule", rule: { fault: "conflict", on: "commit", probability: 0.1 } }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Effect.Effect<Scripted, InvalidUsage> => {
  const scripted = read(text)
  return typeof scripted === "string"
    ? Effect.fail(new InvalidUsage({ message: `--fault ${JSON.stringify(text)}: ${scripted}` }))
    : Effect.succeed(scripted)
}

/** The fault, or what is wrong with it. */
const read = (text: string): Scripted | string => {
  const [what = "", ...rest] = text.split(":")
  const occasions = rest.filter((part) => !/^(?:times|label)=/.test(part))
  const [when, second] = occasions
  if (second !== undefined) return "it says more than one occasion: write it as conflict@commit:3"
  const [fault = "", on, ...others] = what.split("@")
  if (fault === "latency" && rest.length > 1) return "it takes no more than its length: write it as latency:20ms"
  if (fault === "latency") return on === undefined ? latency(when) : "every round trip has it: write it as latency:20ms"
  if (!isFault(fault))
    return `there is no fault ${JSON.stringify(fault)}: choose ${Object.keys(events).join(", ")} or latency`
  const event = events[fault].find((each) => each === on)
  if (event === undefined || others.length > 0) {
    return `${fault} happens at ${events[fault].join(" or ")}: write it as ${fault}@${events[fault].at(-1)}`
  }
  const occasion = when === undefined ? {} : occasionOf(when)
  if (typeof occasion === "string") return occasion
  const limits = limitsOf(rest)
  return typeof limits === "string" ? limits : { _tag: "Rule", rule: { fault, on: event, ...occasion, ...limits } }
}

const isFault = (text: string): text is Fault => Object.hasOwn(events, text)

const latency = (text: string | undefined): Scripted | string => {
  const [, millis] = /^(\d{1,6})ms$/.exec(text ?? "") ?? []
  return millis === undefined ? "say how long: write it as latency:20ms" : { _tag: "Latency", millis: Number(millis) }
}

/** How often at most, and for whom. */
const limitsOf = (parts: ReadonlyArray<string>): Pick<Rule, "times" | "label"> | string => {
  const times = parts.filter((part) => part.startsWith("times=")).map((part) => part.slice(6))
  const labels = parts.filter((part) => part.startsWith("label=")).map((part) => part.slice(6))
  const [most] = times
  const [label] = labels
  if (times.length > 1 || (most !== undefined && !/^[1-9]\d{0,8}$/.test(most))) {
    return "times says how often at most, once: write it as conflict@commit:times=2"
  }
  if (labels.length > 1 || label === "") {
    return "label says whose connections, once: write it as conflict@commit:label=orders"
  }
  return { ...(most !== undefined && { times: Number(most) }), ...(label !== undefined && { label }) }
}

const occasionOf = (text: string): Pick<Rule, "nth" | "probability"> | string => {
  const [, share] = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text) ?? []
  if (share !== undefined && Number(share) > 0 && Number(share) <= 100) return { probability: Number(share) / 100 }
  if (/^[1-9]\d{0,8}(?:,[1-9]\d{0,8})*$/.test(text)) return { nth: text.split(",").map(Number) }
  return `${JSON.stringify(text)} says no occasion: write it as 3 for the third, 1,4 for two of them, or 10% for one in ten`
}

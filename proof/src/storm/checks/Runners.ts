/**
 * What runners did, by what the database has of it: each request has one exit, each step its effect once, nothing waits
 * for ever, and no two runners had one shard at a time.
 */
import type { Ledger } from "../Ledger.ts"
import { steps } from "../runners/Parcels.ts"
import type { Stored } from "../Stored.ts"

/** So much of an exit says what it is. */
const shown = 500

/** Each request that has no exit, or another one than somebody was told. */
export const exits = ({ attempts }: Ledger, { requests }: Stored): ReadonlyArray<string> => {
  const stored = new Map(requests.map((request) => [request.op, request]))
  const failed = requests.flatMap(({ exit = "", exits, number, op }) => {
    if (exits !== 1) return [`${op} has ${exits} exits`]
    return number === undefined ? [`${op} has an exit that is no answer: ${exit.slice(0, shown)}`] : []
  })
  const told = attempts.flatMap(({ deed, outcome, value }) => {
    if (deed._tag !== "Answer" || outcome !== "Applied") return []
    const number = stored.get(deed.request)?.number
    return number === value
      ? []
      : [`${deed.request} was answered with ${value}, and its exit says ${number ?? "nothing"}`]
  })
  return [...failed, ...told]
}

/** Each message that was stored and has come to nothing, and each answer that came to nobody. */
export const lost = ({ attempts }: Ledger, { requests, waiting }: Stored): ReadonlyArray<string> => {
  const stored = new Set(requests.map(({ op }) => op))
  const gone = attempts.flatMap(({ deed, op, outcome }) =>
    deed._tag === "Request" && outcome === "Applied" && !stored.has(op) ? [`${op} is not there`] : []
  )
  const unheard = attempts.flatMap(({ deed, error }) =>
    deed._tag === "Answer" && error === "NoAnswer" ? [`${deed.request} was never answered`] : []
  )
  return [...gone, ...unheard, ...waiting.map((each) => `${each} waits`)]
}

/** Each step that was done twice, or not at all although its request has come to its end. */
export const effects = ({ attempts }: Ledger, { lines, requests }: Stored): ReadonlyArray<string> => {
  const done = Map.groupBy(
    lines.filter(({ isDone }) => isDone),
    ({ op, step }) => `${step} of ${op}`
  )
  const twice = [...done].flatMap(([each, some]) =>
    some.length > 1 ? [`${each} is there ${some.length} times: ${some.map(({ runner }) => runner).join(", ")}`] : []
  )
  const ended = new Set(requests.flatMap(({ number, op }) => (number === undefined ? [] : [op])))
  const missing = attempts.flatMap(({ deed, op }) =>
    deed._tag === "Request" && ended.has(op)
      ? steps[deed.of].filter((step) => !done.has(`${step} of ${op}`)).map((step) => `${step} of ${op} is not there`)
      : []
  )
  return [...twice, ...missing]
}

/** Each line under an older fence than one before it, or under another runner's, or under one that is to come. */
export const together = (_: Ledger, { fences, lines }: Stored): ReadonlyArray<string> =>
  [...Map.groupBy(lines, ({ shard }) => shard)].flatMap(([shard, some]) => {
    const owners = new Map<bigint, string>()
    let newest = 0n
    return some.flatMap(({ fence, op, runner, step }) => {
      const before = newest
      newest = fence > newest ? fence : newest
      const owner = owners.get(fence) ?? runner
      owners.set(fence, owner)
      const what = `${step} of ${op} on ${shard}: ${runner} under ${fence}`
      if (fence < before) return [`${what}, after ${owners.get(before)} under ${before}`]
      if (owner !== runner) return [`${what}, which is ${owner}'s`]
      return fence > (fences.get(shard) ?? 0n) ? [`${what}, which the shard does not have`] : []
    })
  })

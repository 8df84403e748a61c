/**
 * Cycles of dependencies, and which anomaly each one is.
 */
import type { Anomaly, Name } from "./Anomaly.ts"
import type { Dependency, Kind } from "./Dependencies.ts"

/** How many anti-dependencies a cycle has. `apart`: no two in a row, the last and the first included. */
type Rule = "none" | "one" | "apart" | "any"

/**
 * The anomalies by what their cycles are made of, the gravest first.
 */
const shapes: ReadonlyArray<{
  readonly name: Name
  readonly kinds: ReadonlySet<Kind>
  readonly antidependencies: Rule
}> = [
  { name: "G0", kinds: new Set<Kind>(["ww", "session", "time"]), antidependencies: "none" },
  { name: "G1c", kinds: new Set<Kind>(["ww", "wr", "session", "time"]), antidependencies: "none" },
  { name: "G-single", kinds: new Set<Kind>(["ww", "wr", "rw", "session", "time"]), antidependencies: "one" },
  { name: "G-nonadjacent", kinds: new Set<Kind>(["ww", "wr", "rw", "session", "time"]), antidependencies: "apart" },
  { name: "G2-item", kinds: new Set<Kind>(["ww", "wr", "rw", "session", "time"]), antidependencies: "any" }
]

/** One anomaly for each knot of transactions: the gravest that it shows, by its shortest cycle. */
export const cycles = (dependencies: ReadonlyArray<Dependency>): ReadonlyArray<Anomaly> => {
  const found: Array<Anomaly> = []
  const explained = new Set<number>()
  for (const { antidependencies, kinds, name } of shapes) {
    const edges = dependencies.filter(({ kind }) => kinds.has(kind))
    for (const component of components(edges)) {
      if ([...component].some((id) => explained.has(id))) continue
      const inside = edges.filter(({ from, to }) => component.has(from) && component.has(to))
      const cycle = shortest(inside, antidependencies)
      if (cycle === undefined) continue
      for (const id of component) explained.add(id)
      found.push({
        name,
        transactions: cycle.map(({ from }) => from),
        explanation: cycle.map(({ because, from, kind, to }) => `T${from} -${kind}-> T${to} (${because})`).join(", ")
      })
    }
  }
  return found
}

/** How far a walk has come: anti-dependencies in it, two or more alike, and whether its first and last are one. */
const step = (state: string, kind: Kind, rule: Rule): string | undefined => {
  if (rule === "none" || rule === "any") return ""
  const anti = kind === "rw"
  if (rule === "one") return anti ? (state === "one" ? undefined : "one") : state
  if (anti && state.endsWith("rw")) return undefined
  const first = state === "" ? (anti ? "rw" : "d") : state.slice(0, state.indexOf("."))
  return `${first}.${anti ? "rw" : "d"}`
}

const closes = (state: string, rule: Rule): boolean =>
  rule === "one" ? state === "one" : rule === "apart" ? state !== "rw.rw" : true

/** The shortest cycle that keeps the rule, by breadth-first search from each transaction. */
const shortest = (edges: ReadonlyArray<Dependency>, rule: Rule): ReadonlyArray<Dependency> | undefined => {
  const outgoing = Map.groupBy(edges, ({ from }) => from)
  let best: ReadonlyArray<Dependency> | undefined
  for (const start of outgoing.keys()) {
    const found = shortestFrom(start, outgoing, rule, best?.length ?? Number.POSITIVE_INFINITY)
    best = found ?? best
    // None is shorter than two: no transaction depends on itself.
    if (best?.length === 2) return best
  }
  return best
}

/** The shortest from one transaction, if it is shorter than what is known. */
const shortestFrom = (
  start: number,
  outgoing: ReadonlyMap<number, ReadonlyArray<Dependency>>,
  rule: Rule,
  bound: number
): ReadonlyArray<Dependency> | undefined => {
  const visited = new Set<string>()
  let walks: ReadonlyArray<Walk> = [{ at: start, state: "", edge: undefined, before: undefined }]
  for (let length = 1; walks.length > 0 && length < bound; length++) {
    const next: Array<Walk> = []
    for (const walk of walks) {
      for (const edge of outgoing.get(walk.at) ?? []) {
        const state = step(walk.state, edge.kind, rule)
        const name = `${edge.to} ${state}`
        if (state === undefined || visited.has(name)) continue
        visited.add(name)
        const longer: Walk = { at: edge.to, state, edge, before: walk }
        if (edge.to === start && closes(state, rule)) return path(longer)
        next.push(longer)
      }
    }
    walks = next
  }
  return undefined
}

interface Walk {
  readonly at: number
  readonly state: string
  readonly edge: Dependency | undefined
  readonly before: Walk | undefined
}

const path = (walk: Walk): ReadonlyArray<Dependency> => {
  const edges: Array<Dependency> = []
  for (let at: Walk | undefined = walk; at?.edge !== undefined; at = at.before) edges.unshift(at.edge)
  return edges
}

/** The strongly connected components of two transactions or more (Tarjan, without recursion). */
const components = (edges: ReadonlyArray<Dependency>): ReadonlyArray<ReadonlySet<number>> => {
  const outgoing = Map.groupBy(edges, ({ from }) => from)
  const index = new Map<number, number>()
  const low = new Map<number, number>()
  const stack: Array<number> = []
  const open = new Set<number>()
  const found: Array<ReadonlySet<number>> = []
  const lower = (id: number, to: number | undefined) =>
    low.set(id, Math.min(low.get(id) ?? Number.POSITIVE_INFINITY, to ?? Number.POSITIVE_INFINITY))
  for (const root of outgoing.keys()) {
    if (index.has(root)) continue
    const work = [{ id: root, next: 0 }]
    while (work.length > 0) {
      const frame = work[work.length - 1]
      if (frame === undefined) break
      if (frame.next === 0) {
        index.set(frame.id, index.size)
        low.set(frame.id, index.size - 1)
        stack.push(frame.id)
        open.add(frame.id)
      }
      const edge = outgoing.get(frame.id)?.[frame.next++]
      if (edge !== undefined) {
        if (!index.has(edge.to)) work.push({ id: edge.to, next: 0 })
        else if (open.has(edge.to)) lower(frame.id, index.get(edge.to))
        continue
      }
      work.pop()
      const parent = work[work.length - 1]
      if (parent !== undefined) lower(parent.id, low.get(frame.id))
      if (low.get(frame.id) !== index.get(frame.id)) continue
      const component = new Set<number>()
      for (let id = stack.pop(); id !== undefined; id = id === frame.id ? undefined : stack.pop()) {
        open.delete(id)
        component.add(id)
      }
      if (component.size > 1) found.push(component)
    }
  }
  return found
}

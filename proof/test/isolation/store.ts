/**
 * A store in memory with snapshot isolation, and the ways in which it can be broken, to make histories for the checker.
 */
import { append, type History, type Operation, readList } from "../../src/isolation/History.ts"

/** What one transaction of a plan does: `write` appends, and says so by a value of its own. */
export interface Plan {
  readonly session: number
  readonly operations: ReadonlyArray<{ readonly key: string; readonly write: boolean }>
  /** Rolls back at the end. */
  readonly abort: boolean
}

export type Defect =
  | "none"
  /** COMMIT does not look whether others committed first. */
  | "no-conflicts"
  /** Reads see what is not committed. */
  | "dirty-reads"
  /** Each read takes a snapshot of its own. */
  | "read-committed"

interface Running {
  readonly id: number
  readonly plan: Plan
  readonly began: number
  readonly snapshot: ReadonlyMap<string, ReadonlyArray<number>>
  readonly own: Map<string, Array<number>>
  readonly operations: Array<Operation>
}

/** Runs the plans, interleaved as `choose` picks the next session, and gives the history. */
export const run = (
  plans: ReadonlyArray<Plan>,
  choose: (among: number) => number,
  defect: Defect = "none"
): History => {
  const committed = new Map<string, ReadonlyArray<number>>()
  const commits = new Map<string, number>()
  const history: Array<History[number]> = []
  const queues = [...Map.groupBy(plans, ({ session }) => session).values()]
  const running = new Map<number, Running>()
  let clock = 0
  let value = 0
  const visible = (transaction: Running, key: string): ReadonlyArray<number> => {
    const base = defect === "read-committed" ? committed : transaction.snapshot
    const seen = [...(base.get(key) ?? []), ...(transaction.own.get(key) ?? [])]
    if (defect !== "dirty-reads") return seen
    return [
      ...seen,
      ...[...running.values()].flatMap((other) => (other === transaction ? [] : (other.own.get(key) ?? [])))
    ]
  }
  const finish = (transaction: Running) => {
    const conflict =
      defect !== "no-conflicts" &&
      [...transaction.own.keys()].some((key) => (commits.get(key) ?? 0) > transaction.began)
    const outcome = transaction.plan.abort || conflict ? "Aborted" : "Committed"
    clock += 1
    if (outcome === "Committed") {
      for (const [key, values] of transaction.own) {
        // Without the check the last committer overwrites what came between.
        const base = defect === "no-conflicts" ? (transaction.snapshot.get(key) ?? []) : (committed.get(key) ?? [])
        committed.set(key, [...base, ...values])
        commits.set(key, clock)
      }
    }
    history.push({
      id: transaction.id,
      session: transaction.plan.session,
      outcome,
      operations: transaction.operations,
      began: transaction.began,
      ended: clock
    })
  }
  for (;;) {
    const ready = queues.flatMap((queue, session) => (queue.length > 0 || running.has(session) ? [session] : []))
    const session = ready[choose(ready.length)]
    if (session === undefined) return history
    const open = running.get(session)
    if (open === undefined) {
      const plan = queues[session]?.shift()
      if (plan === undefined) return history
      clock += 1
      const id = plans.indexOf(plan)
      running.set(session, { id, plan, began: clock, snapshot: new Map(committed), own: new Map(), operations: [] })
      continue
    }
    const next = open.plan.operations[open.operations.length]
    if (next === undefined) {
      running.delete(session)
      finish(open)
    } else if (next.write) {
      value += 1
      open.own.set(next.key, [...(open.own.get(next.key) ?? []), value])
      open.operations.push(append(next.key, value))
    } else open.operations.push(readList(next.key, visible(open, next.key)))
  }
}

/**
 * What was acknowledged is there, nothing is there twice, and nothing is there that was refused.
 */
import type { Attempt, Deed, Ledger } from "../Ledger.ts"
import type { Stored } from "../Stored.ts"

/** How many rows each write left; a task that was delivered counts as if it were still there. */
const traces = ({ deliveries }: Ledger, stored: Stored): ReadonlyMap<string, number> => {
  const tasks = new Map<string, string>()
  for (const { op, queue, taskId } of stored.tasks) tasks.set(`${queue}/${taskId}`, op)
  for (const { queue, tasks: some } of deliveries) {
    for (const { op, taskId } of some) tasks.set(`${queue}/${taskId}`, op)
  }
  const counts = new Map<string, number>()
  const rows = [...stored.notes, ...stored.steps, ...stored.messages, ...stored.jobs, ...stored.requests].map(
    ({ op }) => op
  )
  for (const op of [...rows, ...tasks.values()]) counts.set(op, (counts.get(op) ?? 0) + 1)
  return counts
}

/** How many rows a write leaves that can be told from all others; undefined where the next write covers its row. */
const rowsOf = (deed: Deed): number | undefined => {
  switch (deed._tag) {
    case "Note":
    case "Step":
    case "Message":
    case "Offer":
    case "Request":
      return 1
    case "Tasks":
      return deed.taskIds.length
    default:
      return undefined
  }
}

const describe = ({ deed, op }: Attempt) => `${deed._tag}${"change" in deed ? `, ${deed.change}` : ""} ${op}`

/** Each acknowledged write that is missing. */
export const missing = (ledger: Ledger, stored: Stored): ReadonlyArray<string> => {
  const found = traces(ledger, stored)
  const shards = new Map(stored.shards.map(({ of, rangeId }) => [of, rangeId]))
  const queues = new Map(stored.queues.map(({ of, rangeId }) => [of, rangeId]))
  const namespaces = new Map(stored.namespaces.map((namespace) => [namespace.id, namespace]))
  const deleted = new Set(
    ledger.attempts.flatMap(({ deed, outcome }) =>
      deed._tag === "Namespace" && deed.change === "Delete" && outcome !== "Refused" ? [deed.id] : []
    )
  )
  const jobs = new Map(stored.jobs.map(({ op, state }) => [op, state]))
  const entries = new Map(stored.entries.map(({ key, op }) => [key, op]))
  const byOp = new Map(ledger.attempts.map((attempt) => [attempt.op, attempt]))
  /** Whether one write may have come after another one; one that is unknown may come whenever it does. */
  const mayFollow = (op: string | undefined, { began }: Attempt): boolean => {
    const later = op === undefined ? undefined : byOp.get(op)
    return later !== undefined && (later.ended === undefined || later.outcome === "Unknown" || later.ended > began)
  }
  const isThere = (attempt: Attempt): boolean => {
    const { deed, op, value = 0n } = attempt
    switch (deed._tag) {
      case "Takeover":
        return (shards.get(String(deed.shardId)) ?? -1n) >= deed.rangeId
      case "Lease":
        return (queues.get(deed.queue) ?? -1n) >= value
      case "Namespace": {
        const namespace = namespaces.get(deed.id)
        if (deed.change === "Delete") return namespace === undefined
        if (namespace === undefined) return deleted.has(deed.id)
        const version = deed.version ?? value
        return namespace.version > version || (namespace.version === version && namespace.op === op)
      }
      case "Completed":
        return jobs.get(deed.job) === "completed"
      case "Entry":
        return mayFollow(entries.get(deed.key), attempt)
      case "Completion":
        return !stored.tasks.some(({ queue, taskId }) => queue === deed.queue && taskId < deed.before)
      default:
        return (found.get(op) ?? 0) >= (rowsOf(deed) ?? 0)
    }
  }
  return ledger.attempts.filter((attempt) => attempt.outcome === "Applied" && !isThere(attempt)).map(describe)
}

/** Each write that left more than it wrote. */
export const repeated = (ledger: Ledger, stored: Stored): ReadonlyArray<string> => {
  const found = traces(ledger, stored)
  return ledger.attempts
    .filter(({ deed, op }) => (found.get(op) ?? 0) > (rowsOf(deed) ?? Number.POSITIVE_INFINITY))
    .map(describe)
}

/** Each job that was given to two workers: none has a lease that ends. */
export const twice = ({ attempts }: Ledger): ReadonlyArray<string> => {
  const given = Map.groupBy(
    attempts.flatMap(({ deed }) => (deed._tag === "Work" ? [deed.job] : [])),
    (job) => job
  )
  return [...given].flatMap(([job, times]) => (times.length > 1 ? [`job ${job} was given ${times.length} times`] : []))
}

/** Each write that is there although it was refused, or of which only a part is there, or that nobody tried. */
export const unasked = (ledger: Ledger, stored: Stored): ReadonlyArray<string> => {
  const found = traces(ledger, stored)
  const attempts = new Map(ledger.attempts.map((attempt) => [attempt.op, attempt]))
  const ops = [...found.keys(), ...[...stored.namespaces, ...stored.entries, ...stored.lines].map(({ op }) => op)]
  return ops.flatMap((op) => {
    const attempt = attempts.get(op)
    if (attempt === undefined) return [`${op}, which nobody tried`]
    if (attempt.outcome === "Refused") return [`${describe(attempt)}, refused with ${attempt.error}`]
    const rows = rowsOf(attempt.deed)
    return rows !== undefined && (found.get(op) ?? rows) < rows ? [`a part of ${describe(attempt)}`] : []
  })
}

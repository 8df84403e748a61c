/**
 * What is stored is whole: current executions have their runs, histories their events, queues their numbers.
 */
import type { Ledger } from "../Ledger.ts"
import type { Stored } from "../Stored.ts"

/** Each current execution without its run, and each workflow whose current run is not at its last step. */
export const currents = (_: Ledger, stored: Stored): ReadonlyArray<string> => {
  const runs = new Map(stored.runs.map((run) => [`${run.workflow} ${run.runId}`, run]))
  const steps = new Map<string, number>()
  for (const { step, workflow } of stored.steps) steps.set(workflow, Math.max(step, steps.get(workflow) ?? 0))
  const current = new Map(stored.currents.map(({ runId, workflow }) => [workflow, runId]))
  const dangling = stored.currents.flatMap(({ runId, workflow }) => {
    const run = runs.get(`${workflow} ${runId}`)
    if (run === undefined) return [`${workflow}: run ${runId} does not exist`]
    const last = steps.get(workflow) ?? 0
    return run.step === last ? [] : [`${workflow}: its run is at step ${run.step}, its last step is ${last}`]
  })
  const lost = [...steps.keys()].filter((workflow) => !current.has(workflow))
  return [...dangling, ...lost.map((workflow) => `${workflow} has no current execution`)]
}

/** Each history that does not lead, event by event, from its last one back to the first. */
export const histories = (_: Ledger, stored: Stored): ReadonlyArray<string> => {
  const nodes = new Map(stored.nodes.map((node) => [`${node.branch} ${node.nodeId} ${node.txnId}`, node]))
  return stored.runs.flatMap(({ branch, nodeId, runId, txnId, workflow }) => {
    let expected = txnId
    for (let id = nodeId; id >= 1n; id--) {
      const node = nodes.get(`${branch} ${id} ${expected}`)
      if (node === undefined) return [`${workflow}, run ${runId}: no event ${id} of transaction ${expected}`]
      expected = node.prevTxnId
    }
    return expected === 0n ? [] : [`${workflow}, run ${runId}: the first event comes after transaction ${expected}`]
  })
}

/** Each number that is missing from a row of numbers, or there twice; `first` is where it begins. */
const unnumbered = (name: string, numbers: ReadonlyArray<bigint>, first: bigint): ReadonlyArray<string> =>
  numbers
    .toSorted((a, b) => (a < b ? -1 : 1))
    .flatMap((number, index) => (number === first + BigInt(index) ? [] : [`${name}: ${number} at place ${index + 1}`]))
    .slice(0, 1)

/** Each gap and each repetition in a queue, a journal or a workflow, and each task that came back. */
export const numbers = (ledger: Ledger, stored: Stored): ReadonlyArray<string> => {
  const journals = Map.groupBy(stored.notes, ({ shardId }) => shardId)
  const workflows = Map.groupBy(stored.steps, ({ workflow }) => workflow)
  const ids = new Map(stored.messages.map(({ id, op }) => [op, id]))
  const sent = ledger.attempts.filter(
    ({ deed, op, outcome, value }) => deed._tag === "Message" && outcome === "Applied" && ids.get(op) !== value
  )
  return [
    ...unnumbered(
      "messages",
      stored.messages.map(({ id }) => id),
      0n
    ),
    ...[...journals].flatMap(([shardId, notes]) =>
      unnumbered(
        `journal ${shardId}`,
        notes.map(({ id }) => id),
        1n
      )
    ),
    ...[...workflows].flatMap(([workflow, steps]) =>
      unnumbered(
        workflow,
        steps.map(({ step }) => BigInt(step)),
        1n
      )
    ),
    ...sent.map(({ op, value }) => `message ${op} was given ${value} and has ${ids.get(op) ?? "none"}`),
    ...revived(ledger)
  ]
}

/** Each task that was read after somebody had been told that it was taken away. */
const revived = ({ attempts, deliveries }: Ledger): ReadonlyArray<string> => {
  const completions = attempts.flatMap(({ deed, ended, outcome }) =>
    deed._tag === "Completion" && outcome === "Applied" && ended !== undefined ? [{ ...deed, ended }] : []
  )
  const byQueue = Map.groupBy(completions, ({ queue }) => queue)
  return deliveries.flatMap(({ at, queue, tasks }) => {
    const before = (byQueue.get(queue) ?? []).reduce(
      (most, each) => (each.ended < at && each.before > most ? each.before : most),
      0n
    )
    return tasks
      .filter(({ taskId }) => taskId < before)
      .map(({ op, taskId }) => `task ${taskId} of ${queue} (${op}) came back`)
  })
}

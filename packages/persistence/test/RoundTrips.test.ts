/**
 * What `docs/round-trips.md` says of each operation is what it takes.
 */
import { DsqlClient } from "@effect-dsql/core"
import {
  Archetype,
  ClusterMembers,
  Clusters,
  Executions,
  HistoryBranches,
  HistoryTask,
  HistoryTasks,
  Identifiers,
  Namespaces,
  NexusEndpoints,
  Persistence,
  Queue,
  Queues,
  QueuesV2,
  QueueV2,
  Shards,
  TaskQueues,
  TaskQueueUserData
} from "@effect-dsql/persistence"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { randomInt, randomUUID } from "node:crypto"
import * as Plans from "../../../test/plans.ts"
import { costing, explained, table, watchedAnew } from "../../../test/roundTrips.ts"
import { Control } from "./support/emulated.ts"
import {
  created,
  event,
  mutation,
  noParts,
  parts,
  place,
  replacement,
  snapshot,
  standing
} from "./support/executions.ts"
import { Filled, FilledDatabase } from "./support/filledDatabase.ts"
import { branchId, located, node, written } from "./support/history.ts"
import { describeEmulated, forms, inForm } from "./support/persistence.ts"
import { blob, clusterName, endpoint, heartbeat, namespace, namespaceName, shardId } from "./support/rows.ts"
import { classic, given, queueId, tasksAt } from "./support/taskQueues.ts"

const documented = table("Counted").map(([operation = "", statement, transaction, rows, dpu, earlier, sends = ""]) => ({
  operation,
  ours: { statement: Number(statement), transaction: Number(transaction) },
  rows: Number(rows),
  dpu: Number(dpu),
  earlier: Number(earlier),
  sends
}))

type Stores = Persistence.Persistence | DsqlClient.DsqlClient

/** Readies what an operation needs, and gives the operation. */
type Readied<E = unknown> = Effect.Effect<Effect.Effect<unknown, E>, unknown, Stores>

const workflow = place(Archetype.workflow)
const lean = (count: number) => ({ ...noParts, tasks: tasksOf(count) })
const few = (count: number) => ({ activities: parts(count).activities, timers: parts(count).timers })

/** Tasks of four kinds, one kind after the other. */
const tasksOf = (count: number): ReadonlyArray<HistoryTask.HistoryTask> => {
  const immediate = [HistoryTask.transfer, HistoryTask.visibility, HistoryTask.replication]
  return Array.from({ length: count }, (_, index) => {
    const category = immediate[index % 4]
    return category === undefined
      ? { category: HistoryTask.timer, fireTime: HistoryTask.FireTime.make(1n), taskId: event(), task: blob() }
      : { category, taskId: event(), task: blob() }
  })
}

const transfers = Effect.gen(function* () {
  const at = yield* workflow
  const tasks = Array.from({ length: 10 }, (_, index) => ({
    category: HistoryTask.transfer,
    taskId: BigInt(index),
    task: blob()
  }))
  yield* (yield* HistoryTasks.HistoryTasks).add(at, tasks)
  return { ...at, category: HistoryTask.transfer, min: 0n, max: 100n }
})

const namespaced = Effect.gen(function* () {
  const store = yield* Namespaces.Namespaces
  return { store, made: yield* store.create(namespace()), version: yield* store.version }
})

const nexus = Effect.gen(function* () {
  const store = yield* NexusEndpoints.NexusEndpoints
  const { tableVersion } = yield* store.list({ size: 1 })
  const made = yield* store.create(endpoint(), tableVersion)
  return { store, made, version: tableVersion + 1n }
})

const queueType = () => Queue.QueueType.make(randomInt(1, 2 ** 31 - 1))

const filled = Effect.gen(function* () {
  const store = yield* Queues.Queues
  const queue = queueType()
  yield* store.enqueue(queue, blob())
  return { store, queue }
})

const filledV2 = Effect.gen(function* () {
  const store = yield* QueuesV2.QueuesV2
  const queue = { type: 2, name: QueueV2.QueueName.make(randomUUID()) }
  yield* store.create(queue)
  yield* Effect.replicateEffect(
    Effect.suspend(() => store.enqueue(queue, blob())),
    3
  )
  return { store, queue }
})

const operations: Readonly<Record<string, Readied>> = {
  "create a run with two tasks": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    return executions.create(yield* workflow, { _tag: "BrandNew" }, snapshot(lean(2)))
  }),
  "create a run with twenty parts and ten tasks": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    return executions.create(
      yield* workflow,
      { _tag: "BrandNew" },
      snapshot({ ...noParts, ...few(10), tasks: tasksOf(10) })
    )
  }),
  "update a run, twenty parts and ten tasks": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    const at = yield* workflow
    const { runId } = yield* created(at)
    const change = mutation(runId, 1n, { put: few(10), tasks: tasksOf(10) })
    return executions.update(at, { mode: "UpdateCurrent", mutation: change })
  }),
  "continue a run as new, two tasks each": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    const at = yield* workflow
    const { runId } = yield* created(at)
    const close = mutation(runId, 1n, { put: {}, tasks: tasksOf(2), standing: standing("Completed") })
    return executions.update(at, { mode: "UpdateCurrent", mutation: close, newRun: snapshot(lean(2)) })
  }),
  "resolve a conflict over three runs, without parts": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    const at = yield* workflow
    const { runId } = yield* created(at)
    const beside = yield* created(at, { standing: standing("Zombie") })
    return executions.conflictResolve(at, {
      mode: "UpdateCurrent",
      run: replacement(beside.runId, 1n, { ...lean(0), standing: standing("Completed") }),
      current: mutation(runId, 1n, { put: {}, tasks: [], standing: standing("Zombie") }),
      newRun: snapshot(lean(0))
    })
  }),
  "read a run with all its parts": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    const at = yield* workflow
    const { runId } = yield* created(at, parts(20))
    return executions.get({ ...at, runId })
  }),
  "read the current execution": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    const at = yield* workflow
    yield* created(at)
    return executions.getCurrent(at)
  }),
  "delete a run": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    const at = yield* workflow
    const { runId } = yield* created(at, parts(20))
    return executions.delete(at, runId)
  }),
  "delete a run with 700 activities": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    const at = yield* workflow
    const { runId } = yield* created(at, { ...noParts, activities: parts(700).activities })
    return executions.delete(at, runId)
  }),
  "delete the current execution": Effect.gen(function* () {
    const executions = yield* Executions.Executions
    const at = yield* workflow
    const { runId } = yield* created(at)
    return executions.deleteCurrent(at, runId)
  }),
  "add ten tasks of four kinds": Effect.gen(function* () {
    return (yield* HistoryTasks.HistoryTasks).add(yield* workflow, tasksOf(10))
  }),
  "read a page of tasks": Effect.gen(function* () {
    return (yield* HistoryTasks.HistoryTasks).immediate.list(yield* transfers)
  }),
  "complete a task": Effect.gen(function* () {
    return (yield* HistoryTasks.HistoryTasks).immediate.delete({ ...(yield* transfers), taskId: 3n })
  }),
  "complete a range of tasks": Effect.gen(function* () {
    return (yield* HistoryTasks.HistoryTasks).immediate.deleteRange(yield* transfers)
  }),
  "append to a branch": Effect.gen(function* () {
    const history = yield* HistoryBranches.HistoryBranches
    const of = yield* written(located(), [node(1, 1)])
    return history.append({ ...of, nodes: [node(2, 2, 1)] })
  }),
  "append to a new branch": Effect.gen(function* () {
    const history = yield* HistoryBranches.HistoryBranches
    return history.append({ ...located(), nodes: [node(1, 1)], newBranch: { info: "" } })
  }),
  "read a page of a history": Effect.gen(function* () {
    const history = yield* HistoryBranches.HistoryBranches
    return history.listNodes(yield* written(located(), [node(1, 1), node(2, 2, 1)]))
  }),
  "fork a branch": Effect.gen(function* () {
    const history = yield* HistoryBranches.HistoryBranches
    const of = yield* written(located(), [node(1, 1), node(2, 2, 1)])
    return history.fork({ ...of, nodeId: 2n, branchId: branchId(), info: "" })
  }),
  "delete a branch": Effect.gen(function* () {
    const history = yield* HistoryBranches.HistoryBranches
    return history.delete(yield* written(located(), [node(1, 1), node(2, 2, 1)]))
  }),
  "create a shard": Effect.gen(function* () {
    return (yield* Shards.Shards).getOrCreate(shardId(), () => ({ rangeId: 1n, info: blob() }))
  }),
  "take a shard": Effect.gen(function* () {
    const { rangeId, shardId } = yield* workflow
    return (yield* Shards.Shards).update({ shardId, rangeId: rangeId + 1n, info: blob() }, rangeId)
  }),
  "create a task queue": Effect.gen(function* () {
    return (yield* TaskQueues.TaskQueues).create({ id: queueId(), rangeId: 1n, info: blob() })
  }),
  "lease a task queue": Effect.gen(function* () {
    return (yield* TaskQueues.TaskQueues).lease((yield* given(classic, 1n)).id, blob())
  }),
  "add 100 tasks to a queue": Effect.gen(function* () {
    return (yield* TaskQueues.TaskQueues).createTasks(yield* given(classic, 1n), tasksAt(classic, 0, 100))
  }),
  "read a page of a queue's tasks": Effect.gen(function* () {
    const { id } = yield* given(classic, 1n)
    const store = yield* TaskQueues.TaskQueues
    yield* store.createTasks({ id, rangeId: 1n }, tasksAt(classic, 0, 100))
    return store.listTasks(id, { size: 10 })
  }),
  "complete 100 tasks of a queue": Effect.gen(function* () {
    const { id } = yield* given(classic, 1n)
    const store = yield* TaskQueues.TaskQueues
    yield* store.createTasks({ id, rangeId: 1n }, tasksAt(classic, 0, 100))
    return store.deleteTasks({ id, rangeId: 1n }, classic.at(100))
  }),
  "update the user data of three queues": Effect.gen(function* () {
    const store = yield* TaskQueueUserData.TaskQueueUserData
    const updates = Array.from(
      { length: 3 },
      () => [Identifiers.TaskQueueName.make(randomUUID()), { expectedVersion: 0n, data: blob() }] as const
    )
    return store.update(namespace().id, new Map(updates))
  }),
  "create a namespace": Effect.gen(function* () {
    return (yield* Namespaces.Namespaces).create(namespace())
  }),
  "change a namespace": Effect.map(namespaced, ({ made, store, version }) =>
    store.update({ ...made, detail: blob() }, version)
  ),
  "rename a namespace": Effect.map(namespaced, ({ made, store, version }) =>
    store.rename({ ...made, name: namespaceName() }, version)
  ),
  "delete a namespace": Effect.map(namespaced, ({ made, store }) => store.deleteById(made.id)),
  "enqueue a message": Effect.map(filled, ({ queue, store }) => store.enqueue(queue, blob())),
  "enqueue a process's first message": Effect.gen(function* () {
    const { queue } = yield* filled
    // Another process knows nothing of what this one sent.
    const fresh = yield* Effect.provide(Queues.Queues, Layer.fresh(Queues.layer))
    return fresh.enqueue(queue, blob())
  }),
  "enqueue an empty queue's first message": Effect.gen(function* () {
    return (yield* Queues.Queues).enqueue(queueType(), blob())
  }),
  "acknowledge messages": Effect.map(filled, ({ queue, store }) => store.acknowledge(queue, "other", 0n)),
  "enqueue a message, v2": Effect.map(filledV2, ({ queue, store }) => store.enqueue(queue, blob())),
  "delete a range of messages, v2": Effect.map(filledV2, ({ queue, store }) =>
    store.deleteMessages(queue, { upTo: 1n })
  ),
  "save a cluster's metadata": Effect.gen(function* () {
    return (yield* Clusters.Clusters).save({ name: clusterName(), metadata: blob() }, 0n)
  }),
  "write a heartbeat": Effect.gen(function* () {
    return (yield* ClusterMembers.ClusterMembers).upsert(heartbeat())
  }),
  "create a Nexus endpoint": Effect.map(nexus, ({ store, version }) => store.create(endpoint(), version)),
  "update a Nexus endpoint": Effect.map(nexus, ({ made, store, version }) =>
    store.update({ ...made, expectedVersion: made.version }, version)
  ),
  "delete a Nexus endpoint": Effect.map(nexus, ({ made, store, version }) => store.delete(made.id, version))
}

describeEmulated("The page on round trips", (it) => {
  for (const [operation, readied] of Object.entries(operations)) {
    for (const form of forms) {
      it.effect(`says how many it takes to ${operation}, guarded by one ${form}`, () =>
        Effect.gen(function* () {
          const control = yield* Control
          const ready = yield* readied
          yield* watchedAnew
          yield* ready
          const { roundTrips } = yield* control.counts()
          const row = documented.find((each) => each.operation === operation)
          assert.strictEqual(roundTrips, row?.ours[form])
          if (form === "statement") yield* costing(operation, row?.dpu)
        }).pipe(Effect.provide(inForm(form)))
      )
    }
  }

  it("names these operations and no others", () => {
    assert.deepStrictEqual(
      documented.map(({ operation }) => operation),
      Object.keys(operations)
    )
  })

  it("gives a reason for each that takes more than one", () => {
    assert.deepStrictEqual(
      documented.filter(({ ours }) => ours.statement > 1).map(({ operation }) => operation),
      explained(documented.map(({ operation }) => operation))
    )
  })

  it("lists as many statements of the earlier system as it says", () => {
    for (const { earlier, operation, sends } of documented) {
      const each = sends.split(", ").map((sent) => Number(/^\d+/.exec(sent)?.[0] ?? 1))
      assert.strictEqual(
        each.reduce((sum, count) => sum + count, 0),
        earlier,
        operation
      )
    }
  })
})

layer(FilledDatabase, { excludeTestServices: true })("The page on round trips, with 10,000 rows around,", (it) => {
  for (const [operation, readied] of Object.entries(operations)) {
    it.effect(`says how many rows are read to ${operation}`, () =>
      Effect.gen(function* () {
        const { url } = yield* Filled
        const listener = yield* Plans.listen(url, "force_custom_plan")
        const client = DsqlClient.layerUrl({ url: listener.url })
        yield* Effect.gen(function* () {
          const ready = yield* readied
          listener.take()
          yield* ready
          const rows = listener.take().reduce((sum, { root }) => sum + Plans.scanned(root), 0)
          assert.strictEqual(rows, documented.find((row) => row.operation === operation)?.rows)
        }).pipe(Effect.provide(Layer.fresh(Persistence.layer).pipe(Layer.provideMerge(client))))
      }).pipe(Effect.scoped)
    )
  }
})

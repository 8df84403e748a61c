/**
 * Every operation of every store, in the hot place of a filled database. The compiler asks for each; a stream is the
 * pages of a list.
 */
import { type DsqlClient, Transaction } from "@effect-dsql/core"
import {
  Archetype,
  ClusterMembers,
  Clusters,
  CurrentExecutions,
  Executions,
  HistoryBranches,
  HistoryTask,
  HistoryTasks,
  Identifiers,
  Namespaces,
  NexusEndpoints,
  type Persistence,
  Queues,
  QueuesV2,
  QueueV2,
  Shards,
  type TaskQueue,
  type TaskQueues,
  TaskQueueUserData
} from "@effect-dsql/persistence"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { chasm, created, event, mutation, parts, replacement, snapshot, standing, tasks } from "./executions.ts"
import { hot, place } from "./filled.ts"
import { branchId, located, node, written } from "./history.ts"
import { blob, clusterName, current, endpoint, heartbeat, namespace, namespaceName, runId, shardId } from "./rows.ts"
import { classic, fair, given, type Kind, queueId } from "./taskQueues.ts"

type Stores = Persistence.Persistence | DsqlClient.DsqlClient

/** Readies what an operation needs, and gives the operation. */
export type Readied = Effect.Effect<Effect.Effect<unknown, unknown, Stores>, unknown, Stores>

interface Services {
  readonly ClusterMembers: ClusterMembers.ClusterMembers["Service"]
  readonly Clusters: Clusters.Clusters["Service"]
  readonly CurrentExecutions: CurrentExecutions.CurrentExecutions["Service"]
  readonly Executions: Executions.Executions["Service"]
  readonly FairTaskQueues: TaskQueues.FairTaskQueues["Service"]
  readonly HistoryBranches: HistoryBranches.HistoryBranches["Service"]
  readonly HistoryTasks: Pick<HistoryTasks.HistoryTasks["Service"], "add">
  readonly "HistoryTasks.immediate": HistoryTasks.HistoryTasks["Service"]["immediate"]
  readonly "HistoryTasks.scheduled": HistoryTasks.HistoryTasks["Service"]["scheduled"]
  readonly "HistoryTasks.replicationDlq": HistoryTasks.HistoryTasks["Service"]["replicationDlq"]
  readonly Namespaces: Namespaces.Namespaces["Service"]
  readonly NexusEndpoints: NexusEndpoints.NexusEndpoints["Service"]
  readonly Queues: Queues.Queues["Service"]
  readonly QueuesV2: QueuesV2.QueuesV2["Service"]
  readonly Shards: Shards.Shards["Service"]
  readonly TaskQueueUserData: TaskQueueUserData.TaskQueueUserData["Service"]
  readonly TaskQueues: TaskQueues.TaskQueues["Service"]
}

type Operations = {
  readonly [S in keyof Services]: { readonly [O in Exclude<keyof Services[S], `stream${string}`>]: Readied }
}

const page = { size: 100 }

/** What needs nothing but its store. */
const of = <I, S>(store: Effect.Effect<S, never, I>, run: (store: S) => Effect.Effect<unknown, unknown, Stores>) =>
  Effect.map(store, run)

/** A page of a list, then the one after it. */
const pages = <I, S>(
  store: Effect.Effect<S, never, I>,
  list: (
    store: S,
    request: { readonly size: number; readonly token?: never }
  ) => Effect.Effect<{ readonly next: unknown }, unknown, Stores>
) =>
  Effect.map(store, (found) =>
    Effect.flatMap(list(found, page), ({ next }) =>
      // A token goes back to the list that gave it.
      list(found, { ...page, token: next as never })
    )
  )

const members = {
  upsert: of(ClusterMembers.ClusterMembers, (store) => store.upsert(heartbeat())),
  list: pages(ClusterMembers.ClusterMembers, (store, request) => store.list(request)),
  deleteExpired: of(ClusterMembers.ClusterMembers, (store) => store.deleteExpired({ limit: 100 }))
}

const cluster = Effect.gen(function* () {
  const store = yield* Clusters.Clusters
  return { store, made: yield* store.save({ name: clusterName(), metadata: blob() }, 0n) }
})

const clusters = {
  save: Effect.map(cluster, ({ made, store }) => store.save(made, made.version)),
  get: Effect.map(cluster, ({ made, store }) => store.get(made.name)),
  delete: Effect.map(cluster, ({ made, store }) => store.delete(made.name)),
  list: pages(Clusters.Clusters, (store, request) => store.list(request))
}

const inserted = Effect.gen(function* () {
  const store = yield* CurrentExecutions.CurrentExecutions
  const row = current(place())
  yield* Transaction.run(store.insert(row))
  return { store, row }
})

const currents = {
  insert: of(CurrentExecutions.CurrentExecutions, (store) => Transaction.run(store.insert(current(place(chasm))))),
  update: Effect.map(inserted, ({ row, store }) =>
    Transaction.run(store.update({ ...row, runId: runId() }, row.runId))
  ),
  find: Effect.map(inserted, ({ row, store }) => Transaction.run(store.find(row))),
  delete: Effect.map(inserted, ({ row, store }) => Transaction.run(store.delete(row, row.runId))),
  lock: Effect.map(inserted, ({ row, store }) => Transaction.run(store.lock(row))),
  lockWithExecution: Effect.map(inserted, ({ row, store }) => Transaction.run(store.lockWithExecution(row)))
}

/** Does what is done for a workflow for an archetype of CHASM too. */
const both = (readied: (archetypeId: Archetype.ArchetypeId) => Readied): Readied =>
  Effect.map(Effect.all([readied(Archetype.workflow), readied(chasm)]), ([one, two]) => Effect.andThen(one, two))

const started = Effect.fnUntraced(function* (archetypeId: Archetype.ArchetypeId) {
  const executions = yield* Executions.Executions
  const at = place(archetypeId)
  return { executions, at, run: yield* created(at) }
})

const executions = {
  create: both((archetypeId) =>
    Effect.map(started(archetypeId), ({ at, executions, run }) =>
      Effect.all([
        executions.create(place(archetypeId), { _tag: "BrandNew" }, snapshot()),
        executions.create(at, { _tag: "BypassCurrent" }, snapshot({ standing: standing("Zombie") })),
        Effect.ignore(
          executions.create(
            at,
            { _tag: "UpdateCurrent", previousRunId: run.runId, previousLastWriteVersion: run.lastWriteVersion },
            snapshot()
          )
        )
      ])
    )
  ),
  update: both((archetypeId) =>
    Effect.map(started(archetypeId), ({ at, executions, run: { activities, runId, timers } }) =>
      executions.update(at, {
        mode: "UpdateCurrent",
        mutation: mutation(runId, 1n, {
          remove: { activities: new Set(activities?.keys()), timers: new Set(timers?.keys()) },
          bufferEvents: [blob(), blob()],
          clearBufferedEvents: true,
          standing: standing("Completed")
        }),
        newRun: snapshot()
      })
    )
  ),
  conflictResolve: both((archetypeId) =>
    Effect.gen(function* () {
      const { at, executions, run } = yield* started(archetypeId)
      const beside = yield* created(at, { standing: standing("Zombie") })
      return executions.conflictResolve(at, {
        mode: "UpdateCurrent",
        run: replacement(beside.runId, 1n, { standing: standing("Completed") }),
        current: mutation(run.runId, 1n, { standing: standing("Zombie") }),
        newRun: snapshot()
      })
    })
  ),
  set: both((archetypeId) =>
    Effect.map(started(archetypeId), ({ at, executions, run }) => executions.set(at, replacement(run.runId, 1n)))
  ),
  get: both((archetypeId) =>
    Effect.map(started(archetypeId), ({ at, executions, run }) => executions.get({ ...at, runId: run.runId }))
  ),
  salvage: both((archetypeId) =>
    Effect.map(started(archetypeId), ({ at, executions, run }) => executions.salvage({ ...at, runId: run.runId }))
  ),
  getCurrent: both((archetypeId) =>
    Effect.map(started(archetypeId), ({ at, executions }) => executions.getCurrent(at))
  ),
  delete: both((archetypeId) =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at = place(archetypeId)
      const { runId } = yield* created(at, { activities: parts(700).activities ?? new Map() })
      return executions.delete(at, runId)
    })
  ),
  deleteCurrent: both((archetypeId) =>
    Effect.map(started(archetypeId), ({ at, executions, run }) => executions.deleteCurrent(at, run.runId))
  )
}

const hotShard = { shardId: hot.shardId, rangeId: hot.rangeId }

const hotBranch = { shardId: hot.shardId, branch: hot.branch }

const branch = Effect.gen(function* () {
  const history = yield* HistoryBranches.HistoryBranches
  return {
    history,
    of: yield* written({ ...located(), shardId: hot.shardId }, [node(1, 1), node(2, 2, 1), node(3, 3, 2)])
  }
})

const histories = {
  append: Effect.map(branch, ({ history, of }) =>
    Effect.andThen(
      history.append({ ...of, nodes: [node(4, 4, 3)] }),
      history.append({ ...located(), nodes: [node(1, 1)], newBranch: { info: "" } })
    )
  ),
  listNodes: pages(HistoryBranches.HistoryBranches, (store, request) => store.listNodes(hotBranch, request)),
  listNodesBackward: pages(HistoryBranches.HistoryBranches, (store, request) =>
    store.listNodesBackward({ ...hotBranch, max: 501n, lastTxnId: 500n }, request)
  ),
  fork: Effect.map(branch, ({ history, of }) => history.fork({ ...of, nodeId: 2n, branchId: branchId(), info: "" })),
  trim: Effect.map(branch, ({ history, of }) => history.trim({ ...of, nodeId: 2n, txnId: 2n, beyond: true })),
  deleteNodes: Effect.map(branch, ({ history, of }) =>
    history.deleteNodes({ ...of, nodes: [{ nodeId: 3n, txnId: 3n }] })
  ),
  delete: Effect.map(branch, ({ history, of }) => history.delete(of)),
  list: of(HistoryBranches.HistoryBranches, (store) =>
    store.list({ shardId: hot.shardId, treeId: hot.branch.treeId }, page)
  ),
  listAll: pages(HistoryBranches.HistoryBranches, (store, request) => store.listAll(request))
}

const immediate = [HistoryTask.transfer, HistoryTask.outbound].map((category) => ({
  shardId: hot.shardId,
  category,
  min: 0n,
  max: 2n ** 62n
}))
const scheduled = [HistoryTask.timer, HistoryTask.archival].map((category) => ({
  shardId: hot.shardId,
  category,
  min: HistoryTask.FireTime.make(0n),
  max: HistoryTask.FireTime.make(4_000_000_000_000_000n)
}))
const letters = { shardId: hot.shardId, sourceCluster: hot.sourceCluster, min: 0n, max: 2n ** 62n }
const letter = () => ({ ...letters, taskId: event(), task: blob() })

const historyTasks = HistoryTasks.HistoryTasks

/** For each of some ranges in turn. */
const each = <R>(
  ranges: ReadonlyArray<R>,
  run: (store: HistoryTasks.HistoryTasks["Service"], range: R) => Effect.Effect<unknown, unknown, Stores>
) => of(historyTasks, (store) => Effect.forEach(ranges, (range) => run(store, range)))

const deep = Effect.fnUntraced(function* <E, R>(
  list: (request: { readonly size: number; readonly token?: never }) => Effect.Effect<{ readonly next: unknown }, E, R>
) {
  const { next } = yield* list(page)
  yield* list({ ...page, token: next as never })
})

const waiting = Effect.gen(function* () {
  const store = yield* Namespaces.Namespaces
  return { store, made: yield* store.create(namespace()), version: yield* store.version }
})

const nexus = Effect.gen(function* () {
  const store = yield* NexusEndpoints.NexusEndpoints
  const { tableVersion } = yield* store.list({ size: 1 })
  return { store, made: yield* store.create(endpoint(), tableVersion), version: tableVersion + 1n }
})

const queuesOf = <P>(kind: Kind<P>) => {
  const made = Effect.map(given(kind, 1n), (queue) => queue)
  const owned: TaskQueue.OwnedTaskQueue = { id: hot.taskQueue, rangeId: hot.rangeId }
  let next = 2_000_000_000
  return {
    create: of(kind.store, (store) => store.create({ id: queueId(), rangeId: 1n, info: blob() })),
    find: of(kind.store, (store) => store.find(hot.taskQueue)),
    lease: Effect.flatMap(made, ({ id }) => of(kind.store, (store) => store.lease(id, blob()))),
    update: Effect.flatMap(made, (queue) => of(kind.store, (store) => store.update({ ...queue, rangeId: 2n }, 1n))),
    delete: Effect.flatMap(made, (queue) => of(kind.store, (store) => store.delete(queue))),
    list: pages(kind.store, (store, request) => store.list(request)),
    createTasks: of(kind.store, (store) =>
      store.createTasks(
        owned,
        Array.from({ length: 10 }, () => ({ position: kind.at(next++), task: blob() }))
      )
    ),
    listTasks: pages(kind.store, (store, request) =>
      store.listTasks(hot.taskQueue, { ...request, from: kind.at(1), before: kind.at(1_500_000_000) })
    ),
    deleteTasks: of(kind.store, (store) => store.deleteTasks(owned, kind.at(1_500_000_000), { limit: 100 }))
  }
}

const userData = Effect.gen(function* () {
  const store = yield* TaskQueueUserData.TaskQueueUserData
  const name = Identifiers.TaskQueueName.make(randomUUID())
  const change = { expectedVersion: 0n, data: blob(), addBuildIds: [Identifiers.BuildId.make(randomUUID())] }
  yield* store.update(hot.namespaceId, new Map([[name, change]]))
  return { store, name, change }
})

/** A queue of its own with messages, because one that is emptied is not as it was. */
const filledV2 = Effect.gen(function* () {
  const store = yield* QueuesV2.QueuesV2
  const queue = { type: hot.named.type, name: QueueV2.QueueName.make(randomUUID()) }
  yield* store.create(queue)
  const enqueue = Effect.suspend(() => store.enqueue(queue, blob()))
  yield* Effect.replicateEffect(enqueue, 3)
  return { store, queue }
})

const operations: Operations = {
  ClusterMembers: members,
  Clusters: clusters,
  CurrentExecutions: currents,
  Executions: executions,
  FairTaskQueues: queuesOf(fair),
  HistoryBranches: histories,
  HistoryTasks: {
    add: of(historyTasks, (store) => store.add(hotShard, tasks()))
  },
  "HistoryTasks.immediate": {
    list: each(immediate, (store, range) => deep((request) => store.immediate.list(range, request))),
    delete: each(immediate, (store, range) => store.immediate.delete({ ...range, ...hotShard, taskId: event() })),
    deleteRange: each(immediate, (store, range) =>
      store.immediate.deleteRange({ ...range, ...hotShard }, { limit: 700 })
    )
  },
  "HistoryTasks.scheduled": {
    list: each(scheduled, (store, range) => deep((request) => store.scheduled.list(range, request))),
    delete: each(scheduled, (store, range) =>
      store.scheduled.delete({ ...range, ...hotShard, fireTime: HistoryTask.FireTime.make(event()), taskId: event() })
    ),
    deleteRange: each(scheduled, (store, range) =>
      store.scheduled.deleteRange({ ...range, ...hotShard }, { limit: 700 })
    )
  },
  "HistoryTasks.replicationDlq": {
    list: of(historyTasks, (store) => deep((request) => store.replicationDlq.list(letters, request))),
    delete: of(historyTasks, (store) => store.replicationDlq.delete({ ...letters, taskId: event() })),
    deleteRange: of(historyTasks, (store) => store.replicationDlq.deleteRange(letters, { limit: 700 })),
    put: of(historyTasks, (store) => store.replicationDlq.put(letter())),
    isEmpty: of(historyTasks, (store) => store.replicationDlq.isEmpty(letters))
  },
  Namespaces: {
    create: of(Namespaces.Namespaces, (store) => store.create(namespace())),
    initializeSystem: of(Namespaces.Namespaces, (store) => store.initializeSystem(blob())),
    getById: Effect.map(waiting, ({ made, store }) => store.getById(made.id)),
    getByName: Effect.map(waiting, ({ made, store }) => store.getByName(made.name)),
    update: Effect.map(waiting, ({ made, store, version }) => store.update({ ...made, detail: blob() }, version)),
    rename: Effect.map(waiting, ({ made, store, version }) =>
      store.rename({ ...made, name: namespaceName() }, version)
    ),
    deleteById: Effect.map(waiting, ({ made, store }) => store.deleteById(made.id)),
    deleteByName: Effect.map(waiting, ({ made, store }) => store.deleteByName(made.name)),
    list: pages(Namespaces.Namespaces, (store, request) => store.list(request)),
    version: of(Namespaces.Namespaces, (store) => store.version)
  },
  NexusEndpoints: {
    create: Effect.map(nexus, ({ store, version }) => store.create(endpoint(), version)),
    update: Effect.map(nexus, ({ made, store, version }) =>
      store.update({ ...made, expectedVersion: made.version }, version)
    ),
    delete: Effect.map(nexus, ({ made, store, version }) => store.delete(made.id, version)),
    get: Effect.map(nexus, ({ made, store }) => store.get(made.id)),
    list: pages(NexusEndpoints.NexusEndpoints, (store, request) => store.list(request))
  },
  Queues: {
    enqueue: of(Queues.Queues, (store) => store.enqueue(hot.queue, blob())),
    listMessages: pages(Queues.Queues, (store, request) => store.listMessages(hot.queue, request)),
    deleteMessages: of(Queues.Queues, (store) => store.deleteMessages(hot.queue, { upTo: 700n })),
    ackLevels: of(Queues.Queues, (store) => store.ackLevels(hot.queue)),
    updateAckLevels: Effect.gen(function* () {
      const store = yield* Queues.Queues
      const { version } = yield* store.ackLevels(hot.queue)
      return store.updateAckLevels(hot.queue, { other: 5n }, version)
    }),
    acknowledge: of(Queues.Queues, (store) => store.acknowledge(hot.queue, randomUUID(), 5n))
  },
  QueuesV2: {
    create: of(QueuesV2.QueuesV2, (store) =>
      store.create({ type: hot.named.type, name: QueueV2.QueueName.make(randomUUID()) })
    ),
    enqueue: of(QueuesV2.QueuesV2, (store) => store.enqueue(hot.named, blob())),
    listMessages: pages(QueuesV2.QueuesV2, (store, request) => store.listMessages(hot.named, request)),
    deleteMessages: Effect.map(filledV2, ({ queue, store }) =>
      Effect.andThen(store.deleteMessages(queue, { upTo: 1n }), store.deleteMessages(hot.named, { upTo: 700n }))
    ),
    list: pages(QueuesV2.QueuesV2, (store, request) => store.list(hot.named.type, request))
  },
  Shards: {
    getOrCreate: of(Shards.Shards, (store) => store.getOrCreate(shardId(), () => ({ rangeId: 1n, info: blob() }))),
    find: of(Shards.Shards, (store) => store.find(hot.shardId)),
    update: of(Shards.Shards, (store) =>
      store.update({ shardId: hot.shardId, rangeId: hot.rangeId, info: blob() }, hot.rangeId)
    ),
    shared: of(Shards.Shards, (store) => Transaction.run(store.shared({ shardId: hot.shardId, rangeId: hot.rangeId }))),
    exclusive: of(Shards.Shards, (store) => Transaction.run(store.exclusive(hot.shardId)))
  },
  TaskQueueUserData: {
    find: Effect.map(userData, ({ name, store }) => store.find(hot.namespaceId, name)),
    update: Effect.map(userData, ({ change, name, store }) =>
      store.update(hot.namespaceId, new Map([[name, { ...change, expectedVersion: 1n }]]))
    ),
    list: pages(TaskQueueUserData.TaskQueueUserData, (store, request) => store.list(hot.namespaceId, request)),
    countByBuildId: of(TaskQueueUserData.TaskQueueUserData, (store) =>
      store.countByBuildId(hot.namespaceId, hot.buildId)
    ),
    listByBuildId: pages(TaskQueueUserData.TaskQueueUserData, (store, request) =>
      store.listByBuildId(hot.namespaceId, hot.buildId, request)
    )
  },
  TaskQueues: queuesOf(classic)
}

/** All of them, by store and name. */
export const everyOperation: ReadonlyArray<readonly [name: string, readied: Readied]> = Object.entries(
  operations
).flatMap(([store, some]) =>
  Object.entries<Readied>(some).map(([name, readied]) => [`${store}.${name}`, readied] as const)
)

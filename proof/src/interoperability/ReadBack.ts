/**
 * What the stores read of a database that the script has left, whoever wrote it.
 */
import { Transaction } from "@effect-dsql/core"
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
  Queue,
  Queues,
  QueuesV2,
  Shards,
  TaskQueues,
  TaskQueueUserData
} from "@effect-dsql/persistence"
import { Effect, Stream } from "effect"
import { namespaceId } from "./Step.ts"

const shardId = Identifiers.ShardId.make(1)

const all = Stream.runCollect

/** A list, with what each of its items leads to. */
const each = <A, E, R, B, E2, R2>(list: Stream.Stream<A, E, R>, inside: (item: A) => Effect.Effect<B, E2, R2>) =>
  Effect.flatMap(all(list), (items) =>
    Effect.forEach(items, (item) => Effect.map(inside(item), (found) => [item, found] as const))
  )

/** Runs are found by their keys only, so the keys are read here. */
const executions = Effect.gen(function* () {
  const { get, getCurrent } = yield* Executions.Executions
  const keys = yield* Transaction.autocommit(
    Effect.flatMap(
      Transaction.sql,
      (sql) => sql<{ readonly workflow_id: string; readonly run_id: string }>`
        SELECT workflow_id, run_id FROM executions ORDER BY workflow_id, run_id`
    )
  )
  return yield* Effect.forEach(keys, ({ run_id, workflow_id }) => {
    const key = { shardId, namespaceId, businessId: Identifiers.BusinessId.make(workflow_id) }
    return Effect.all([
      get({ ...key, runId: Identifiers.RunId.make(run_id) }),
      ...[Archetype.workflow, Archetype.ArchetypeId.make(4_294_967_295)].map((archetypeId) =>
        Effect.option(getCurrent({ ...key, archetypeId }))
      )
    ])
  })
})

const histories = Effect.gen(function* () {
  const history = yield* HistoryBranches.HistoryBranches
  // A fork has its time from a clock.
  return yield* each(
    Stream.map(history.streamAll(), ({ branch, info, shardId }) => ({ branch, info, shardId })),
    (branch) => all(history.streamNodes(branch))
  )
})

const tasks = Effect.gen(function* () {
  const { immediate, replicationDlq, scheduled } = yield* HistoryTasks.HistoryTasks
  const ids = { shardId, min: 0n, max: 1_000_000n }
  const [min, max] = [HistoryTask.FireTime.make(-1n), HistoryTask.FireTime.make(2_000_000_000_000_000n)]
  const { archival, outbound, replication, timer, transfer, visibility } = HistoryTask
  return yield* Effect.all([
    ...[transfer, replication, visibility, outbound].map((category) => all(immediate.stream({ ...ids, category }))),
    ...[timer, archival].map((category) => all(scheduled.stream({ shardId, category, min, max }))),
    all(replicationDlq.stream({ ...ids, sourceCluster: Identifiers.ClusterName.make("other") }))
  ])
})

const members = Effect.gen(function* () {
  const { stream } = yield* ClusterMembers.ClusterMembers
  // Heartbeats have their times from a clock.
  return yield* all(
    Stream.map(stream(), ({ hostId, role, rpcAddress, rpcPort, sessionStart }) => ({
      hostId,
      role,
      rpcAddress,
      rpcPort,
      sessionStart
    }))
  )
})

const messages = Effect.gen(function* () {
  const { ackLevels, streamMessages } = yield* Queues.Queues
  const named = yield* QueuesV2.QueuesV2
  const types = [Queue.namespaceReplication, Queue.deadLetters(Queue.namespaceReplication)]
  return yield* Effect.all([
    ...types.map((type) => all(streamMessages(type))),
    ...types.map((type) => ackLevels(type)),
    each(named.stream(2), ({ name }) => all(named.streamMessages({ type: 2, name })))
  ])
})

const taskQueues = Effect.gen(function* () {
  const classic = yield* TaskQueues.TaskQueues
  const fair = yield* TaskQueues.FairTaskQueues
  const userData = yield* TaskQueueUserData.TaskQueueUserData
  return yield* Effect.all([
    each(classic.stream(), ({ id }) => all(classic.streamTasks(id))),
    each(fair.stream(), ({ id }) => all(fair.streamTasks(id))),
    all(userData.stream(namespaceId)),
    ...["one", "two"].map((id) => all(userData.streamByBuildId(namespaceId, Identifiers.BuildId.make(id))))
  ])
})

/** Each kind of thing, under its name. */
export const read = Effect.all({
  shard: Shards.Shards.use((store) => store.find(shardId)),
  namespaces: Namespaces.Namespaces.use((store) => all(store.stream())),
  clusters: Clusters.Clusters.use((store) => all(store.stream())),
  members,
  endpoints: NexusEndpoints.NexusEndpoints.use((store) => all(store.stream())),
  executions,
  histories,
  tasks,
  taskQueues,
  messages
})

export type Found = Effect.Success<typeof read>

/** The kinds of which something else was read. */
export const differences = (one: Found, other: Found): ReadonlyArray<string> =>
  Object.entries(one).flatMap(([kind, found]) =>
    text(found) === text(Object.entries(other).find(([name]) => name === kind)?.[1])
      ? []
      : [`${kind}: the stores read something else of what was written as plain SQL`]
  )

const text = (found: unknown): string =>
  JSON.stringify(found, (_, value) => {
    if (typeof value === "bigint") return `${value}n`
    // Neither has an order that anybody is promised.
    if (value instanceof Map || value instanceof Set) return [...value].map(text).toSorted()
    return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value
  })

/**
 * A database in which every table has many rows, most of them in one hot place: one shard, one queue, one branch, one
 * namespace. The server makes them, by the hundred thousand a second.
 */
import {
  Archetype,
  type Execution,
  HistoryBranch,
  HistoryBranches,
  HistoryTask,
  Identifiers,
  Queue,
  QueuesV2,
  QueueV2,
  Shards,
  TaskQueueId,
  TaskQueues
} from "@effect-dsql/persistence"
import { Quote } from "@effect-dsql/dialect"
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import * as Filling from "../../../../test/filling.ts"
import { blob } from "./rows.ts"

const shardId = Identifiers.ShardId.make(7)
const namespaceId = Identifiers.NamespaceId.make("9f1b1c0a-5b6f-4f0e-8d58-1c6d3f0b7a01")

/** Where most of the rows are. */
export const hot = {
  shardId,
  rangeId: 5n,
  namespaceId,
  sourceCluster: Identifiers.ClusterName.make("hot"),
  queue: Queue.namespaceReplication,
  named: { type: 2, name: QueueV2.QueueName.make("hot") },
  taskQueue: TaskQueueId.make({ namespaceId, name: Identifiers.TaskQueueName.make("hot"), type: "Workflow" }),
  buildId: Identifiers.BuildId.make("hot"),
  branch: HistoryBranch.root(
    Identifiers.TreeId.make("9f1b1c0a-5b6f-4f0e-8d58-1c6d3f0b7a02"),
    Identifiers.BranchId.make("9f1b1c0a-5b6f-4f0e-8d58-1c6d3f0b7a03")
  )
}

/** A business id of its own, in the hot shard and namespace. */
export const place = (archetypeId = Archetype.workflow): Execution.OwnedKey => ({
  shardId,
  namespaceId,
  businessId: Identifiers.BusinessId.make(`business ${randomUUID()}`),
  archetypeId,
  rangeId: hot.rangeId
})

const { uuid } = Filling

const text = Quote.literal

const inShard = { shard_id: String(shardId) }
const run = { ...inShard, namespace_id: text(namespaceId), workflow_id: "'business ' || i", run_id: uuid }
const task = { ...inShard, task_id: "i" }
const timer = { ...task, visibility_timestamp: "TIMESTAMP '2030-01-01' + i * INTERVAL '1 second'" }
const inQueue = { range_hash: String(hot.taskQueue.rangeHash), task_queue_id: text(hot.taskQueue.uuid) }
const other = { range_hash: "i::bigint * 7919 % 4294967296", task_queue_id: uuid }

/** What the columns of a table hold in row `i`, where a value of their type is not enough. */
const tables: Filling.Tables = {
  namespaces: { partition_id: "54321", id: uuid, name: "'namespace ' || i" },
  shards: { shard_id: "1000 + i" },
  executions: run,
  current_executions: run,
  current_chasm_executions: { ...inShard, namespace_id: text(namespaceId), business_id: "'business ' || i" },
  buffered_events: run,
  activity_info_maps: run,
  timer_info_maps: run,
  child_execution_info_maps: run,
  request_cancel_info_maps: run,
  signal_info_maps: run,
  signals_requested_sets: run,
  chasm_node_maps: run,
  tasks: { ...inQueue, task_id: "i" },
  tasks_v2: { ...inQueue, pass: "1 + i / 10", task_id: "i" },
  task_queues: other,
  task_queues_v2: other,
  task_queue_user_data: { namespace_id: text(namespaceId), task_queue_name: "'queue ' || i" },
  build_id_to_task_queue: {
    namespace_id: text(namespaceId),
    build_id: "CASE WHEN i % 100 = 0 THEN 'hot' ELSE 'build ' || i END",
    task_queue_name: "'queue ' || i"
  },
  transfer_tasks: task,
  replication_tasks: task,
  visibility_tasks: task,
  timer_tasks: timer,
  history_immediate_tasks: { ...task, category_id: String(HistoryTask.outbound.id) },
  history_scheduled_tasks: { ...timer, category_id: String(HistoryTask.archival.id) },
  replication_tasks_dlq: { ...task, source_cluster_name: text(hot.sourceCluster) },
  history_node: {
    ...inShard,
    tree_id: text(hot.branch.treeId),
    branch_id: text(hot.branch.branchId),
    node_id: "i",
    txn_id: "-i",
    prev_txn_id: "i - 1"
  },
  history_tree: {
    shard_id: "1000 + i",
    tree_id: uuid,
    branch_id: uuid,
    data: "(SELECT data FROM history_tree WHERE shard_id = 7 LIMIT 1)"
  },
  queue: { queue_type: String(hot.queue), message_id: "i" },
  queue_messages: {
    queue_type: String(hot.named.type),
    queue_name: text(hot.named.name),
    queue_partition: "0",
    message_id: "i"
  },
  queues: {
    queue_type: String(hot.named.type),
    queue_name: "'queue ' || i",
    metadata_payload: "(SELECT metadata_payload FROM queues WHERE queue_name = 'hot')"
  },
  cluster_metadata_info: { metadata_partition: "0", cluster_name: "'cluster ' || i" },
  cluster_membership: {
    membership_partition: "0",
    host_id: uuid,
    rpc_address: "'10.0.0.1'",
    role: "1 + i % 4",
    record_expiry: "(now() AT TIME ZONE 'UTC') + (i % 100 - 10) * INTERVAL '1 day' + i * INTERVAL '1 microsecond'"
  },
  nexus_endpoints: { id: uuid }
}

/** The tables whose rows become many. Of the others each has one row. */
export const growing: ReadonlySet<string> = new Set(Object.keys(tables))

/** The owners of the hot places, by the stores. */
export const owners = Effect.gen(function* () {
  yield* (yield* Shards.Shards).getOrCreate(shardId, () => ({ rangeId: hot.rangeId, info: blob() }))
  yield* (yield* TaskQueues.TaskQueues).create({ id: hot.taskQueue, rangeId: hot.rangeId, info: blob() })
  yield* (yield* TaskQueues.FairTaskQueues).create({ id: hot.taskQueue, rangeId: hot.rangeId, info: blob() })
  yield* (yield* QueuesV2.QueuesV2).create(hot.named)
  const node = { nodeId: 1n, txnId: 1n, prevTxnId: 0n, events: blob() }
  const history = yield* HistoryBranches.HistoryBranches
  yield* history.append({ shardId, branch: hot.branch, nodes: [node], newBranch: { info: "hot" } })
})

/** Fills tables with the rows from one number up to another. */
export const fill = (sql: SqlClient.SqlClient, from: number, to: number, names: Iterable<string> = growing) =>
  Filling.fill(sql, Object.fromEntries(Array.from(names, (name) => [name, tables[name] ?? {}])), from, to)

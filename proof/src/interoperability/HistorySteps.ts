/**
 * Histories, and the tasks of queues that no run's write adds to.
 */
import { HistoryBranch, HistoryBranches, HistoryTask, HistoryTasks, Identifiers } from "@effect-dsql/persistence"
import { Effect } from "effect"
import * as Messages from "./Messages.ts"
import * as Plain from "./Plain.ts"
import { blob, columns, type Step, times, uuid } from "./Step.ts"

const shardId = Identifiers.ShardId.make(1)

/** A batch of one event. */
const events = (id: number) => ({
  data: Messages.encode("History", { events: [{ eventId: id }] }),
  encoding: "Proto3" as const
})

const history = (number: number): ReadonlyArray<Step> => {
  const treeId = Identifiers.TreeId.make(uuid(3, number))
  const [rootId, forkId] = [1, 2].map((of) => Identifiers.BranchId.make(uuid(4, number * 10 + of)))
  if (rootId === undefined || forkId === undefined) return []
  const root = HistoryBranch.root(treeId, rootId)
  const fork = HistoryBranch.fork(root, 3n, forkId)
  const info = `history ${number}`
  const node = (id: number, txnId: number, prevTxnId: number) => ({
    nodeId: BigInt(id),
    txnId: BigInt(txnId),
    prevTxnId: BigInt(prevTxnId),
    events: events(id)
  })
  // What the Go system sends: transactions are negated, so that the latest comes first.
  const write = (branchId: string, { events, nodeId, prevTxnId, txnId }: ReturnType<typeof node>) =>
    Plain.upsert(
      "history_node",
      { shard_id: 1, tree_id: treeId, branch_id: branchId, node_id: nodeId, txn_id: -txnId },
      { prev_txn_id: prevTxnId, ...columns(events) }
    )
  const branchInfo = ({ ancestors, branchId }: HistoryBranch.HistoryBranch) => ({
    treeId,
    branchId,
    ancestors: ancestors.map((range) => ({
      branchId: range.branchId,
      beginNodeId: Number(range.beginNodeId),
      endNodeId: Number(range.endNodeId)
    }))
  })
  const tree = (branch: HistoryBranch.HistoryBranch) => {
    const branchToken = Messages.encode("Branch", branchInfo(branch))
    const data = Messages.encode("TreeInfo", {
      branchInfo: branchInfo(branch),
      forkTime: { seconds: 1_758_000_000, nanos: 123_000_000 },
      info,
      branchToken
    })
    const key = { shard_id: 1, tree_id: treeId, branch_id: branch.branchId }
    return Plain.upsert("history_tree", key, columns({ data, encoding: "Proto3" }))
  }
  const use: typeof HistoryBranches.HistoryBranches.use = (write) => HistoryBranches.HistoryBranches.use(write)
  const append = (name: string, branch: HistoryBranch.HistoryBranch, of: ReturnType<typeof node>): Step => ({
    name: `${name} ${info}`,
    stores: use((store) => store.append({ shardId, branch, nodes: [of] })),
    go: write(branch.branchId, of)
  })
  const first = node(1, 10, 0)
  return [
    {
      name: `begin ${info}`,
      stores: use((store) => store.append({ shardId, branch: root, nodes: [first], newBranch: { info } })),
      go: Effect.andThen(tree(root), write(rootId, first))
    },
    append("append to", root, node(2, 11, 10)),
    append("append once more to", root, node(3, 12, 11)),
    append("try again at", root, node(3, 13, 11)),
    append("try once more at", root, node(3, 15, 11)),
    {
      name: `fork ${info}`,
      stores: use((store) => store.fork({ shardId, branch: root, nodeId: 3n, branchId: forkId, info })),
      go: tree(fork)
    },
    append("append to the fork of", fork, node(3, 14, 11)),
    {
      name: `delete a node of ${info}`,
      stores: use((store) => store.deleteNodes({ shardId, branch: root, nodes: [{ nodeId: 3n, txnId: 12n }] })),
      go: Plain.remove("history_node", { shard_id: 1, tree_id: treeId, branch_id: rootId, node_id: 3n, txn_id: -12n })
    },
    {
      name: `trim ${info}`,
      stores: use((store) => store.trim({ shardId, branch: root, nodeId: 3n, txnId: 15n })),
      go: Plain.remove("history_node", { shard_id: 1, tree_id: treeId, branch_id: rootId, node_id: 3n, txn_id: -13n })
    },
    {
      name: `delete the base of ${info}`,
      stores: use((store) => store.delete({ shardId, branch: root })),
      go: Effect.andThen(
        Plain.remove("history_tree", { shard_id: 1, tree_id: treeId, branch_id: rootId }),
        Effect.flatMap(
          Plain.read("history_tree", { shard_id: 1, tree_id: treeId }),
          // The fork reads the nodes before the third.
          () => Plain.remove("history_node", { shard_id: 1, tree_id: treeId, branch_id: rootId, node_id: 3n })
        )
      )
    }
  ]
}

const categories = [
  [HistoryTask.replication, "replication_tasks", {}],
  [HistoryTask.visibility, "visibility_tasks", {}],
  [HistoryTask.outbound, "history_immediate_tasks", { category_id: 7 }]
] as const

const tasks: ReadonlyArray<Step> = categories.flatMap(([category, table, fixed]) => {
  const rows = times(3, (number) => ({ category, taskId: BigInt(9_000 + number), task: blob(`${table} ${number}`) }))
  const use: typeof HistoryTasks.HistoryTasks.use = (write) => HistoryTasks.HistoryTasks.use(write)
  return [
    {
      name: `add ${table}`,
      stores: use((store) => store.add({ shardId, rangeId: 2n }, rows)),
      go: Effect.andThen(
        Plain.read("shards", { shard_id: 1 }),
        Effect.forEach(rows, ({ task, taskId }) =>
          Plain.insert(table, { shard_id: 1, ...fixed, task_id: taskId, ...columns(task) })
        )
      )
    },
    {
      name: `complete one of ${table}`,
      stores: use(({ immediate }) => immediate.delete({ shardId, rangeId: 2n, category, taskId: 9_002n })),
      go: Plain.remove(table, { shard_id: 1, ...fixed, task_id: 9_002n })
    },
    {
      name: `complete the first of ${table}`,
      stores: use(({ immediate }) => immediate.deleteRange({ shardId, rangeId: 2n, category, min: 0n, max: 9_002n })),
      go: Plain.removeRange(table, { shard_id: 1, ...fixed }, "task_id", "<", 9_002n)
    }
  ]
})

const sourceCluster = Identifiers.ClusterName.make("other")

const deadLetters: ReadonlyArray<Step> = times(4, (number) => ({
  name: `put dead letter ${number}`,
  stores: HistoryTasks.HistoryTasks.use(({ replicationDlq }) =>
    replicationDlq.put({ sourceCluster, shardId, taskId: BigInt(number), task: blob(`letter ${number}`) })
  ),
  go: Plain.insert("replication_tasks_dlq", {
    source_cluster_name: sourceCluster,
    shard_id: 1,
    task_id: BigInt(number),
    ...columns(blob(`letter ${number}`))
  })
}))

const handled: ReadonlyArray<Step> = [
  {
    name: "delete a dead letter",
    stores: HistoryTasks.HistoryTasks.use(({ replicationDlq }) =>
      replicationDlq.delete({ sourceCluster, shardId, taskId: 3n })
    ),
    go: Plain.remove("replication_tasks_dlq", { source_cluster_name: sourceCluster, shard_id: 1, task_id: 3n })
  },
  {
    name: "delete the first dead letters",
    stores: HistoryTasks.HistoryTasks.use(({ replicationDlq }) =>
      replicationDlq.deleteRange({ sourceCluster, shardId, min: 0n, max: 2n })
    ),
    go: Plain.removeRange(
      "replication_tasks_dlq",
      { source_cluster_name: sourceCluster, shard_id: 1 },
      "task_id",
      "<",
      2n
    )
  }
]

/** A category with a table of its own, and one without; times to the microsecond, before 1970 too. */
const scheduledCategories = [
  [HistoryTask.timer, "timer_tasks", {}],
  [HistoryTask.archival, "history_scheduled_tasks", { category_id: 5 }]
] as const

const fireTimes = [
  [-1n, "1969-12-31 23:59:59.999999"],
  [0n, "1970-01-01 00:00:00"],
  [1n, "1970-01-01 00:00:00.000001"]
] as const

const scheduled: ReadonlyArray<Step> = scheduledCategories.flatMap(([category, table, fixed]) => {
  const use: typeof HistoryTasks.HistoryTasks.use = (write) => HistoryTasks.HistoryTasks.use(write)
  const [first, second, third] = fireTimes
  const queue = { shard_id: 1, ...fixed }
  const task = blob(table)
  const time = HistoryTask.FireTime.make
  return [
    {
      name: `add ${table}`,
      stores: use((store) =>
        store.add(
          { shardId, rangeId: 2n },
          fireTimes.map(([micros]) => ({ category, fireTime: time(micros), taskId: 1n, task }))
        )
      ),
      go: Effect.forEach(fireTimes, ([, visibility_timestamp]) =>
        Plain.insert(table, { ...queue, visibility_timestamp, task_id: 1n, ...columns(task) })
      )
    },
    {
      name: `complete one of ${table}`,
      stores: use(({ scheduled }) =>
        scheduled.delete({ shardId, rangeId: 2n, category, fireTime: time(second[0]), taskId: 1n })
      ),
      go: Plain.remove(table, { ...queue, visibility_timestamp: second[1], task_id: 1n })
    },
    {
      name: `complete the first of ${table}`,
      stores: use(({ scheduled }) =>
        scheduled.deleteRange({ shardId, rangeId: 2n, category, min: time(first[0]), max: time(third[0]) })
      ),
      go: Plain.removeRange(table, queue, "visibility_timestamp", "<", third[1])
    }
  ]
})

export const steps: ReadonlyArray<Step> = [
  ...times(5, history).flat(),
  ...tasks,
  ...deadLetters,
  ...handled,
  ...scheduled
]

/**
 * The rows of `history_node`. Transaction ids are stored negated, so that in the order of the primary key the highest
 * one of a node comes first; nothing outside this module knows.
 */
import * as Expression from "@effect-dsql/core/Expression"
import type * as Guard from "@effect-dsql/core/Guard"
import type * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Encoding } from "../../DataBlob.ts"
import type { BranchRange, HistoryNode } from "../../HistoryBranch.ts"
import type { BranchId, ShardId, TreeId } from "../../Identifiers.ts"
import * as Row from "../page/row.ts"

/** The tree that nodes are of. */
export interface Tree {
  readonly shardId: ShardId
  readonly treeId: TreeId
}

/** A node without its events. */
export interface NodeKey {
  readonly branchId: BranchId
  readonly nodeId: bigint
  readonly txnId: bigint
  readonly prevTxnId: bigint
}

/** A node as it was read, its events not looked at yet. */
export interface NodeRow extends NodeKey {
  readonly data: unknown
  readonly data_encoding: unknown
}

/** Which nodes are read, and in which order: the order of their ids, or the reverse of all of it. */
export interface Selection extends Tree {
  readonly ranges: ReadonlyArray<BranchRange>
  readonly direction: "Forward" | "Backward"
  /** Goes on after this node. */
  readonly after: Pick<NodeKey, "nodeId" | "txnId"> | undefined
  readonly limit: number
  /** Whether to read the events too. */
  readonly events: boolean
}

export const table = "history_node"

const keyColumns = ["shard_id", "tree_id", "branch_id", "node_id", "txn_id"]

/** A node as it is written, with the columns of its key. */
export const toWrite = ({ shardId, treeId }: Tree, branchId: BranchId, node: HistoryNode) => ({
  table,
  key: keyColumns,
  row: { shard_id: shardId, tree_id: treeId, branch_id: branchId, ...toRecord(node) }
})

const toRecord = (node: HistoryNode) => ({
  node_id: node.nodeId,
  txn_id: -node.txnId,
  prev_txn_id: node.prevTxnId,
  data: node.events.data,
  data_encoding: node.events.encoding
})

/** Nodes of several ranges as one list. Each range is read along the primary key, and no further than the limit. */
export const select = Effect.fnUntraced(function* (selection: Selection) {
  const { after, direction, limit, ranges, shardId, treeId } = selection
  const sql = yield* Transaction.sql
  const [beyond, order] = direction === "Forward" ? [">", "ASC"] : ["<", "DESC"]
  const onwards =
    after === undefined
      ? sql``
      : sql`AND (node_id, txn_id) ${sql.literal(beyond)} (${after.nodeId}::bigint, ${-after.txnId}::bigint)`
  const parts = Expression.records(
    "part",
    { branch_id: "uuid", begin_node_id: "bigint", end_node_id: "bigint" },
    ranges.map((range) => ({
      branch_id: range.branchId,
      begin_node_id: range.beginNodeId,
      end_node_id: range.endNodeId
    }))
  )
  const rows = yield* sql<Stored>`
    SELECT node.* FROM ${Expression.fragment(sql, parts)}
    CROSS JOIN LATERAL (
      SELECT branch_id, node_id, txn_id, prev_txn_id ${sql.literal(selection.events ? ", data, data_encoding" : "")}
      FROM history_node
      WHERE shard_id = ${shardId} AND tree_id = ${treeId} AND branch_id = part.branch_id
        AND node_id >= part.begin_node_id AND node_id < part.end_node_id ${onwards}
      ORDER BY node_id ${sql.literal(order)}, txn_id ${sql.literal(order)}
      LIMIT ${limit}
    ) AS node
    ORDER BY node_id ${sql.literal(order)}, txn_id ${sql.literal(order)}
    LIMIT ${limit}`
  return rows.map(({ branch_id, data, data_encoding, node_id, prev_txn_id, txn_id }): NodeRow => ({
    branchId: branch_id,
    nodeId: node_id,
    txnId: -txn_id,
    prevTxnId: prev_txn_id,
    data,
    data_encoding
  }))
})

/** A row as the driver gives it: key columns are what their types say. */
interface Stored {
  readonly branch_id: BranchId
  readonly node_id: bigint
  readonly txn_id: bigint
  readonly prev_txn_id: bigint
  readonly data: unknown
  readonly data_encoding: unknown
}

const Events = Schema.Struct({ data: Schema.Uint8Array, data_encoding: Encoding })

/** A node with its events. */
export const decode = ({ shardId, treeId }: Tree, row: NodeRow) =>
  Effect.map(
    Row.decode(Events, row, {
      table,
      key: {
        shard_id: shardId,
        tree_id: treeId,
        branch_id: row.branchId,
        node_id: row.nodeId,
        txn_id: row.txnId
      }
    }),
    ({ data, data_encoding }): HistoryNode => ({
      nodeId: row.nodeId,
      txnId: row.txnId,
      prevTxnId: row.prevTxnId,
      events: { data, encoding: data_encoding }
    })
  )

/** Writes nodes, over those of the same key; and whatever is written beside them, below its guards. */
export const upsert = <E>(
  { shardId, treeId }: Tree,
  branchId: BranchId,
  nodes: ReadonlyArray<HistoryNode>,
  beside: ReadonlyArray<{ readonly guard: Guard.Guard<E>; readonly write: Write.Write; readonly free: string }>
): Guarded.Statement<E> => {
  const values = Object.keys(types).map(
    (column) => [column, Expression.sql`node.${Expression.column(column)}`] as const
  )
  const write = Write.insert({
    into: table,
    columns: {
      shard_id: Expression.value("integer", shardId),
      tree_id: Expression.value("uuid", treeId),
      branch_id: Expression.value("uuid", branchId),
      ...Object.fromEntries(values)
    },
    from: Expression.records("node", types, nodes.map(toRecord)),
    onConflict: Write.replacing(keyColumns, ["prev_txn_id", "data", "data_encoding"])
  })
  return {
    guards: beside.map(({ guard }) => guard),
    writes: [...beside.map(({ write }) => write), write],
    free: beside.map(({ free }) => free)
  }
}

const types = {
  node_id: "bigint",
  txn_id: "bigint",
  prev_txn_id: "bigint",
  data: "bytea",
  data_encoding: "text"
} as const

/** Deletes single nodes. */
export const remove = (
  { shardId, treeId }: Tree,
  nodes: ReadonlyArray<Pick<NodeKey, "branchId" | "nodeId" | "txnId">>
): Write.Write =>
  removing(
    Expression.records(
      "doomed",
      { shard_id: "integer", tree_id: "uuid", branch_id: "uuid", node_id: "bigint", txn_id: "bigint" },
      nodes.map(({ branchId, nodeId, txnId }) => ({
        shard_id: shardId,
        tree_id: treeId,
        branch_id: branchId,
        node_id: nodeId,
        txn_id: -txnId
      }))
    )
  )

/**
 * Deletes the nodes whose keys are `doomed`, a list as it stands in FROM, by all columns of the key from there. Were
 * the shard and the tree given as values, a planner that knows nothing of the table's size would go over the whole
 * tree for each node.
 */
export const removing = (doomed: Expression.Expression): Write.Write =>
  Write.remove({
    table,
    using: doomed,
    where: Expression.all(
      keyColumns.map((column) => {
        const name = Expression.column(column)
        return Expression.sql`history_node.${name} = doomed.${name}`
      })
    )
  })

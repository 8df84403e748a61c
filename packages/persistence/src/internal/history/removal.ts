/**
 * Taking history away: what never became history, and branches as a whole, but never what another branch still reads.
 */
import * as Batch from "@effect-dsql/core/Batch"
import * as Expression from "@effect-dsql/core/Expression"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Branch from "../../HistoryBranch.ts"
import type { BranchId } from "../../Identifiers.ts"
import * as Nodes from "./nodes.ts"
import * as Tree from "./tree.ts"
import { repeatable } from "../repeatable.ts"

/** Rows of one transaction. They have no secondary indexes, and only their keys are written. */
const perTransaction = 1_000

/** Deletes single nodes, as many transactions as they need. One round trip for each thousand. */
export const removeNodes = (
  tree: Nodes.Tree,
  nodes: ReadonlyArray<Pick<Nodes.NodeKey, "branchId" | "nodeId" | "txnId">>
) =>
  Stream.fromIterable(nodes).pipe(
    Stream.grouped(perTransaction),
    Stream.runForEach((some) => repeatable("DeleteHistoryNodes", { guards: [], writes: [Nodes.remove(tree, some)] }))
  )

/** The nodes up to a node that are not on the chain which ends there. One round trip for each thousand that are read. */
export const offChain = Effect.fnUntraced(function* (
  tree: Nodes.Tree,
  branch: Branch.HistoryBranch,
  end: Pick<Nodes.NodeKey, "nodeId" | "txnId">
) {
  const ranges = Branch.clip(Branch.ranges(branch), Branch.firstNodeId, end.nodeId + 1n)
  const broken = ({ nodeId, txnId }: Pick<Nodes.NodeKey, "nodeId" | "txnId">) =>
    Effect.fail(new Branch.BrokenChain({ branchId: branch.branchId, nodeId, txnId }))
  const off: Array<Nodes.NodeKey> = []
  let expected = end.txnId
  let reached: Nodes.NodeKey | undefined
  let after: Nodes.NodeKey | undefined
  for (;;) {
    const rows: ReadonlyArray<Nodes.NodeRow> = yield* Transaction.autocommit(
      Nodes.select({ ...tree, ranges, after, limit: perTransaction, direction: "Backward", events: false }),
      { operation: "TrimHistoryBranch", readOnly: "proven" }
    )
    for (const row of rows) {
      if (row.txnId === expected && (reached !== undefined || row.nodeId === end.nodeId)) {
        reached = row
        expected = row.prevTxnId
      } else if (reached === undefined && row.nodeId !== end.nodeId) return yield* broken(end)
      else off.push(row)
    }
    after = rows.at(-1)
    if (rows.length < perTransaction) break
  }
  // A chain that ends early would make valid nodes look as if they were off it.
  if (reached?.nodeId !== Branch.firstNodeId) return yield* broken(reached ?? end)
  return off
})

/**
 * Deletes a branch: its row, and all nodes that only it reads. Each transaction takes all rows of the tree FOR UPDATE,
 * so of two who delete branches of one tree at once, the later one sees what the other has left to it. The row goes
 * last: until then the branch can be found, and its deletion run again.
 */
export const removeBranch = (tree: Nodes.Tree, branch: Branch.HistoryBranch) =>
  draining("DeleteHistoryBranch", removePiece(tree, branch))

/** One transaction of a branch's deletion. */
export const removePiece = (tree: Nodes.Tree, branch: Branch.HistoryBranch) =>
  Effect.flatMap(Tree.lockAll(tree), (branches) => removeSome(tree, doomed(branch, branches), branch.branchId))

/** Deletes a branch's own nodes after one, but for those that other branches read. */
export const removeBeyond = (tree: Nodes.Tree, branch: Branch.HistoryBranch, nodeId: bigint) =>
  draining(
    "TrimHistoryBranch",
    Effect.flatMap(Tree.lockAll(tree), (branches) => {
      const parts = doomed(branch, branches).filter((part) => part.branch_id === branch.branchId)
      const after = parts.map(({ begin_node_id, branch_id }) => ({
        branch_id,
        begin_node_id: later(begin_node_id, nodeId + 1n)
      }))
      return removeSome(tree, after, undefined)
    })
  )

/** What was deleted stays deleted: an unknown outcome is settled by deleting again. */
const draining = <E>(operation: string, piece: Effect.Effect<number, E, Transaction.Transaction>) =>
  Batch.drain(() => piece, { rows: perTransaction }, { operation, repeat: true })

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** From which node on each part of a branch is read by no other branch. */
export const doomed = (branch: Branch.HistoryBranch, branches: ReadonlyArray<Branch.BranchInfo>) => {
  const used = new Map<string, bigint>()
  for (const other of branches) {
    if (other.branch.branchId === branch.branchId) continue
    for (const { branchId, endNodeId } of Branch.ranges(other.branch)) {
      const end = used.get(branchId)
      if (end === undefined || end < endNodeId) used.set(branchId, endNodeId)
    }
  }
  return Branch.ranges(branch).flatMap(({ beginNodeId, branchId }) => {
    const end = used.get(branchId) ?? beginNodeId
    if (end === Branch.endless) return []
    return [{ branch_id: branchId, begin_node_id: later(end, beginNodeId) }]
  })
}

/** Deletes as many nodes as a transaction takes; with the last of them the row of the branch that ends, if one does. */
export const removeSome = (
  { shardId, treeId }: Nodes.Tree,
  parts: ReturnType<typeof doomed>,
  ending: BranchId | undefined
) => {
  const tree = { shard_id: Expression.value("integer", shardId), tree_id: Expression.value("uuid", treeId) }
  const part = Expression.records("part", { branch_id: "uuid", begin_node_id: "bigint" }, parts)
  const own = Expression.all([Expression.key(Nodes.table, tree), Expression.literal("branch_id = part.branch_id")])
  const nodes = Expression.sql`
    SELECT node.* FROM ${part} CROSS JOIN LATERAL (
      SELECT shard_id, tree_id, branch_id, node_id, txn_id FROM history_node
      WHERE ${own} AND node_id >= part.begin_node_id
      ORDER BY node_id, txn_id LIMIT ${perTransaction}
    ) AS node LIMIT ${perTransaction}`
  const isLast = Expression.sql`(SELECT count(*) FROM (${nodes}) AS doomed) < ${perTransaction}`
  const ended = Write.remove({
    table: Tree.table,
    where: Expression.all([
      Expression.key(Tree.table, { ...tree, branch_id: Expression.value("uuid", ending ?? null) }),
      isLast
    ])
  })
  return Effect.map(
    Guarded.write({
      guards: [],
      // The row first: one transaction sees what it has deleted.
      writes: [
        ...(ending === undefined ? [] : [ended]),
        Write.counted("deleted", Nodes.removing(Expression.sql`(${nodes}) AS doomed`))
      ]
    }),
    ({ deleted }) => Number(deleted)
  )
}

/**
 * Histories with ids of their own.
 */
import { Transaction } from "@effect-dsql/core"
import { HistoryBranch, HistoryBranches, Identifiers } from "@effect-dsql/persistence"
import { Array as Arr, Effect, Stream } from "effect"
import { randomUUID } from "node:crypto"
import { blob, shardId } from "./rows.ts"

export const branchId = () => Identifiers.BranchId.make(randomUUID())

/** A branch that has not been written yet. */
export const located = (): HistoryBranches.Located => ({
  shardId: shardId(),
  branch: HistoryBranch.root(Identifiers.TreeId.make(randomUUID()), branchId())
})

export const node = (nodeId: number, txnId: number, prevTxnId = 0): HistoryBranch.HistoryNode => ({
  nodeId: BigInt(nodeId),
  txnId: BigInt(txnId),
  prevTxnId: BigInt(prevTxnId),
  events: blob()
})

/** A chain of `count` nodes of one event each, from `nodeId` on. */
export const chain = (count: number, nodeId = 1, prevTxnId = 0): Arr.NonEmptyArray<HistoryBranch.HistoryNode> =>
  Arr.makeBy(count, (index) => node(nodeId + index, prevTxnId + index + 1, prevTxnId + index))

/** Appends nodes one by one to a branch, which the first of them makes. */
export const written = (of: HistoryBranches.Located, nodes: ReadonlyArray<HistoryBranch.HistoryNode>) =>
  Effect.gen(function* () {
    const history = yield* HistoryBranches.HistoryBranches
    for (const [index, each] of nodes.entries()) {
      yield* history.append({ ...of, nodes: [each], newBranch: index === 0 ? { info: "test" } : undefined })
    }
    return of
  })

export const readAll = (range: HistoryBranches.NodeRange, size?: number) =>
  Effect.flatMap(HistoryBranches.HistoryBranches, (history) => Stream.runCollect(history.streamNodes(range, { size })))

export const readAllBackward = (range: HistoryBranches.NodeRange & { readonly lastTxnId: bigint }, size?: number) =>
  Effect.flatMap(HistoryBranches.HistoryBranches, (history) =>
    Stream.runCollect(history.streamNodesBackward(range, { size }))
  )

/** How many rows a tree has in both tables. */
export const rowsOf = ({ branch, shardId }: HistoryBranches.Located) =>
  Transaction.autocommit(
    Effect.gen(function* () {
      const sql = yield* Transaction.sql
      const [row] = yield* sql<{ readonly nodes: bigint; readonly branches: bigint }>`
        SELECT
          (SELECT count(*) FROM history_node WHERE shard_id = ${shardId} AND tree_id = ${branch.treeId}) AS nodes,
          (SELECT count(*) FROM history_tree WHERE shard_id = ${shardId} AND tree_id = ${branch.treeId}) AS branches`
      return { nodes: Number(row?.nodes), branches: Number(row?.branches) }
    }),
    { readOnly: true }
  )

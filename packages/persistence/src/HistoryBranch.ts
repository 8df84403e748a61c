/**
 * A history as a branch of a tree.
 *
 * A history is a row of batches of events, called nodes; a node's id is that of its first event. A fork shares the
 * nodes of the branch that it came from, up to the fork, and has its own from there on. So a branch is read from the
 * ranges of its ancestors first, and then from its own.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Schema from "effect/Schema"
import { DataBlob } from "./DataBlob.ts"
import { BranchId, TreeId } from "./Identifiers.ts"

/**
 * The nodes of one branch from `beginNodeId`, up to and without `endNodeId`.
 *
 * @since 0.1.0
 * @category models
 */
export const BranchRange = Schema.Struct({ branchId: BranchId, beginNodeId: Schema.BigInt, endNodeId: Schema.BigInt })

/**
 * @since 0.1.0
 * @category models
 */
export type BranchRange = typeof BranchRange.Type

/**
 * One history of a tree, and whose nodes it shares.
 *
 * @since 0.1.0
 * @category models
 */
export const HistoryBranch = Schema.Struct({
  treeId: TreeId,
  branchId: BranchId,
  /** Whose nodes come before its own. Empty for the first branch of a tree. */
  ancestors: Schema.Array(BranchRange)
})

/**
 * @since 0.1.0
 * @category models
 */
export type HistoryBranch = typeof HistoryBranch.Type

/**
 * A branch as the tree knows it.
 *
 * @since 0.1.0
 * @category models
 */
export const BranchInfo = Schema.Struct({
  branch: HistoryBranch,
  /** When it was made, to the millisecond. */
  forkTime: Schema.UndefinedOr(Schema.DateTimeUtc),
  /** Whose history it is, for people and for cleaning up. */
  info: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type BranchInfo = typeof BranchInfo.Type

/**
 * A batch of events.
 *
 * @since 0.1.0
 * @category models
 */
export const HistoryNode = Schema.Struct({
  /** The id of its first event; the first of all is 1. */
  nodeId: Schema.BigInt,
  /** Whose write it is: a writer's ids only grow, so of one node the highest is the latest attempt. */
  txnId: Schema.BigInt,
  /** The transaction id of the batch before it; 0 for the first. */
  prevTxnId: Schema.BigInt,
  events: DataBlob
})

/**
 * @since 0.1.0
 * @category models
 */
export type HistoryNode = typeof HistoryNode.Type

/**
 * What was asked for is not possible on this branch. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class HistoryInvalid extends Schema.TaggedError<HistoryInvalid>("@effect-dsql/persistence/HistoryInvalid")(
  "HistoryInvalid",
  { branchId: BranchId, reason: Schema.String }
) {
  override get message(): string {
    return `history branch ${this.branchId}: ${this.reason}`
  }
}

/**
 * The tree has no such branch: it was never made, or has been deleted.
 *
 * @since 0.1.0
 * @category errors
 */
export class BranchNotFound extends Schema.TaggedError<BranchNotFound>("@effect-dsql/persistence/BranchNotFound")(
  "BranchNotFound",
  { treeId: TreeId, branchId: BranchId }
) {
  override get message(): string {
    return `history tree ${this.treeId} has no branch ${this.branchId}`
  }
}

/**
 * The tree has another branch of this id, which shares other nodes. Nothing was written; take a new id.
 *
 * @since 0.1.0
 * @category errors
 */
export class BranchExists extends Schema.TaggedError<BranchExists>("@effect-dsql/persistence/BranchExists")(
  "BranchExists",
  { treeId: TreeId, branchId: BranchId }
) {
  override get message(): string {
    return `history tree ${this.treeId} has another branch ${this.branchId}`
  }
}

/**
 * From this node, the ids of the transactions before do not lead back to the first node. Nothing was deleted.
 *
 * @since 0.1.0
 * @category errors
 */
export class BrokenChain extends Schema.TaggedError<BrokenChain>("@effect-dsql/persistence/BrokenChain")(
  "BrokenChain",
  { branchId: BranchId, nodeId: Schema.BigInt, txnId: Schema.BigInt }
) {
  override get message(): string {
    return `history branch ${this.branchId}: node ${this.nodeId} of transaction ${this.txnId} does not lead back to node 1`
  }
}

/**
 * The first branch of a tree.
 *
 * @since 0.1.0
 * @category constructors
 */
export const root = (treeId: TreeId, branchId: BranchId): HistoryBranch => ({ treeId, branchId, ancestors: [] })

/**
 * The branch that shares all nodes before `nodeId` with this one, and goes its own way from there.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fork = (branch: HistoryBranch, nodeId: bigint, branchId: BranchId): HistoryBranch => ({
  treeId: branch.treeId,
  branchId,
  ancestors: clip(ranges(branch), firstNodeId, nodeId)
})

/**
 * Where a branch begins to have nodes of its own.
 *
 * @since 0.1.0
 * @category accessors
 */
export const beginNodeId = (branch: HistoryBranch): bigint =>
  branch.ancestors.reduce((begin, { endNodeId }) => (endNodeId > begin ? endNodeId : begin), firstNodeId)

/**
 * Where the nodes of a branch are: those of its ancestors, then its own, without gaps and without end.
 *
 * @since 0.1.0
 * @category accessors
 */
export const ranges = (branch: HistoryBranch): ReadonlyArray<BranchRange> => {
  // Each range begins where the one before it ends, whatever the ancestors say: so Temporal reads them.
  let begin = firstNodeId
  const sorted = branch.ancestors.toSorted((a, b) => (a.endNodeId < b.endNodeId ? -1 : 1))
  const before = sorted.map(({ branchId, endNodeId }) => {
    const range = { branchId, beginNodeId: begin, endNodeId }
    begin = endNodeId
    return range
  })
  return [...before, { branchId: branch.branchId, beginNodeId: begin, endNodeId: endless }]
}

/**
 * The parts of ranges that lie from `min`, up to and without `max`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const clip = (of: ReadonlyArray<BranchRange>, min: bigint, max: bigint): ReadonlyArray<BranchRange> =>
  of
    .map(({ beginNodeId, branchId, endNodeId }) => ({
      branchId,
      beginNodeId: beginNodeId > min ? beginNodeId : min,
      endNodeId: endNodeId < max ? endNodeId : max
    }))
    .filter(({ beginNodeId, endNodeId }) => beginNodeId < endNodeId)

/**
 * The first event of every history.
 *
 * @since 0.1.0
 * @category nodes
 */
export const firstNodeId = 1n

/**
 * Beyond the last node of any history.
 *
 * @since 0.1.0
 * @category nodes
 */
export const endless: bigint = 2n ** 63n - 1n

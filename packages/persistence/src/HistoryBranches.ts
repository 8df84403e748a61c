/**
 * Histories: appended to, read, forked, trimmed and deleted, as branches of trees.
 *
 * No fence guards them. A writer is known by its transaction ids, which only grow, and what a stale or failed writer
 * has left is passed over when it is read (`trim` takes it away). All writes leave the same rows behind however often
 * they are done, so a lost answer is settled by doing them again, once the lost one is void.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Branch from "./HistoryBranch.ts"
import type { BranchId, ShardId, TreeId } from "./Identifiers.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as Nodes from "./internal/history/nodes.ts"
import * as Reading from "./internal/history/reading.ts"
import * as Removal from "./internal/history/removal.ts"
import * as Tree from "./internal/history/tree.ts"
import * as List from "./internal/page/list.ts"
import { repeatable } from "./internal/repeatable.ts"
import type { Page, PageRequest } from "./PageToken.ts"
import type { OperationError, PageError, ReadError, WriteError } from "./PersistenceError.ts"

/**
 * A branch, in the shard of its execution.
 *
 * @since 0.1.0
 * @category models
 */
export interface Located {
  readonly shardId: ShardId
  readonly branch: Branch.HistoryBranch
}

/**
 * What is appended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Append extends Located {
  readonly nodes: Arr.NonEmptyReadonlyArray<Branch.HistoryNode>
  /**
   * Makes the branch as well, with this description of whose history it is. The same made twice is one; another branch
   * of its id, or another description, is `BranchExists`.
   */
  readonly newBranch?: { readonly info: string } | undefined
}

/**
 * Nodes of a branch from `min`, up to and without `max`. Left out: from the first, to the last.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeRange extends Located {
  readonly min?: bigint | undefined
  readonly max?: bigint | undefined
}

/**
 * A node, as the transaction that wrote it knows it.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeRef {
  readonly nodeId: bigint
  readonly txnId: bigint
}

/**
 * The last valid node of a branch, and whether what comes after it goes too.
 *
 * @since 0.1.0
 * @category models
 */
export interface Trim extends Located, NodeRef {
  readonly beyond?: boolean | undefined
}

/**
 * Nodes that are to be deleted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deletion extends Located {
  readonly nodes: ReadonlyArray<NodeRef>
}

/**
 * A branch that is to be made from another.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fork extends Located {
  /** The first node that the new branch has of its own. */
  readonly nodeId: bigint
  /** The new branch's id. The same fork made twice is one; any other of this id or description is `BranchExists`. */
  readonly branchId: BranchId
  readonly info: string
}

/**
 * Keeps histories.
 *
 * @example
 * ```ts
 * import { HistoryBranch, HistoryBranches, type Identifiers } from "@effect-dsql/persistence"
 * import { Effect, Stream } from "effect"
 *
 * const record = (shardId: Identifiers.ShardId, branch: HistoryBranch.HistoryBranch, events: Uint8Array) =>
 *   Effect.gen(function*() {
 *     const history = yield* HistoryBranches.HistoryBranches
 *     const first = { nodeId: 1n, txnId: 7n, prevTxnId: 0n, events: { data: events, encoding: "Proto3" as const } }
 *     yield* history.append({ shardId, branch, nodes: [first], newBranch: { info: "order-4711" } })
 *     yield* history.streamNodes({ shardId, branch }).pipe(
 *       Stream.runForEach((node) => Effect.log(`events from ${node.nodeId} on`))
 *     )
 *   })
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class HistoryBranches extends Context.Service<
  HistoryBranches,
  {
    /**
     * Writes nodes of a branch over those that are there, and the branch itself if it is new. One round trip, two where
     * the new branch is there already.
     */
    readonly append: (append: Append) => Effect.Effect<void, WriteError | Branch.BranchExists | Branch.HistoryInvalid>
    /**
     * A page of a branch's history in order, its ancestors' part included. Nodes that never became history are passed
     * over: those whose transaction id is lower than one's before them. They count for the page's size, so a page may
     * have fewer items than asked for. One round trip.
     */
    readonly listNodes: (range: NodeRange, request?: PageRequest) => Effect.Effect<Page<Branch.HistoryNode>, PageError>
    /** A branch's history in order, in the memory of one page. One round trip for each page. */
    readonly streamNodes: (range: NodeRange, request?: PageRequest) => Stream.Stream<Branch.HistoryNode, PageError>
    /**
     * A page of a branch's history from its end, following the chain of transactions from the one that wrote the last
     * node: all other nodes are passed over. A chain without an end, `lastTxnId` 0, is `HistoryInvalid`. One round trip.
     */
    readonly listNodesBackward: (
      range: NodeRange & { readonly lastTxnId: bigint },
      request?: PageRequest
    ) => Effect.Effect<Page<Branch.HistoryNode>, PageError | Branch.HistoryInvalid>
    /** A branch's history from its end, in the memory of one page. One round trip for each page. */
    readonly streamNodesBackward: (
      range: NodeRange & { readonly lastTxnId: bigint },
      request?: PageRequest
    ) => Stream.Stream<Branch.HistoryNode, PageError | Branch.HistoryInvalid>
    /** Makes a branch that shares the nodes before `nodeId` with another one, and gives it. One round trip. */
    readonly fork: (
      fork: Fork
    ) => Effect.Effect<
      Branch.HistoryBranch,
      WriteError | Branch.BranchExists | Branch.BranchNotFound | Branch.HistoryInvalid
    >
    /**
     * Deletes the nodes up to a valid one that are not on its chain, and gives how many. With `beyond` it also deletes
     * the branch's own nodes after the valid one, but for those that other branches read: for branches that nobody
     * appends to. One round trip for each 1,000 nodes that are looked at, without their events, and one for each 1,000
     * that are deleted; beyond, four.
     */
    readonly trim: (trim: Trim) => Effect.Effect<number, ReadError | Branch.BrokenChain>
    /** Deletes nodes of the branch's own; those that are not there are deleted. One round trip for each 1,000. */
    readonly deleteNodes: (of: Deletion) => Effect.Effect<void, OperationError | Branch.HistoryInvalid>
    /**
     * Deletes a branch, with all nodes that no other branch of the tree reads. Four round trips for each 1,000 nodes:
     * what may go depends on the other branches, whose rows are read in the same transaction. Stopped anywhere and run
     * again, it finishes.
     */
    readonly delete: (located: Located) => Effect.Effect<void, ReadError>
    /** A page of a tree's branches. One round trip. */
    readonly list: (
      tree: { readonly shardId: ShardId; readonly treeId: TreeId },
      request?: PageRequest
    ) => Effect.Effect<Page<Branch.BranchInfo>, PageError>
    /** A tree's branches. One round trip for each page. */
    readonly stream: (
      tree: { readonly shardId: ShardId; readonly treeId: TreeId },
      request?: PageRequest
    ) => Stream.Stream<Branch.BranchInfo, PageError>
    /** A page of the branches of all trees, by shard, tree and branch. One round trip. */
    readonly listAll: (
      request?: PageRequest
    ) => Effect.Effect<Page<Branch.BranchInfo & { readonly shardId: ShardId }>, PageError>
    /** The branches of all trees, by shard, tree and branch. One round trip for each page. */
    readonly streamAll: (
      request?: PageRequest
    ) => Stream.Stream<Branch.BranchInfo & { readonly shardId: ShardId }, PageError>
  }
>()("@effect-dsql/persistence/HistoryBranches") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HistoryBranches, never, DsqlClient> = Layer.effect(
  HistoryBranches,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    const listNodes = operation("HistoryBranches.listNodes", (range: NodeRange, request: PageRequest) =>
      Reading.page(forward(small(range)), request)
    )
    const listNodesBackward = operation(
      "HistoryBranches.listNodesBackward",
      (range: NodeRange & { readonly lastTxnId: bigint }, request: PageRequest) =>
        Effect.flatMap(backward(small(range)), (reading) => Reading.page(reading, request))
    )
    const list = operation("HistoryBranches.list", (tree: Nodes.Tree, request: PageRequest) => Tree.page(tree, request))
    const listAll = operation("HistoryBranches.listAll", (request: PageRequest) => Tree.page(undefined, request))
    return HistoryBranches.of({
      append: operation("HistoryBranches.append", (of: Append) => append(small(of))),
      listNodes: (range, request = {}) => listNodes(range, request),
      streamNodes: (range, request = {}) => List.stream(request, (next) => listNodes(range, next)),
      listNodesBackward: (range, request = {}) => listNodesBackward(range, request),
      streamNodesBackward: (range, request = {}) => List.stream(request, (next) => listNodesBackward(range, next)),
      fork: operation("HistoryBranches.fork", (of: Fork) => fork({ ...small(of), branchId: lower(of.branchId) })),
      trim: operation("HistoryBranches.trim", (of: Trim) => trim(small(of))),
      deleteNodes: operation("HistoryBranches.deleteNodes", (of: Deletion) => deleteNodes(small(of))),
      delete: operation("HistoryBranches.delete", (of: Located) => remove(small(of))),
      list: (tree, request = {}) => list(tree, request),
      stream: (tree, request = {}) => List.stream(request, (next) => list(tree, next)),
      listAll: (request = {}) => listAll(request),
      streamAll: (request = {}) => List.stream(request, listAll)
    })
  })
)

/** The same id: letters have no case in a UUID. */
const lower = <Id extends BranchId | TreeId>(id: Id) => id.toLowerCase() as Id

/**
 * A branch in the letters of its columns. What was cast to be an id is looked at as well: of a branch in other letters
 * it would be unknown which nodes others read.
 */
const small = <A extends Located>(of: A): A => {
  const { ancestors, branchId, treeId } = of.branch
  const branch = {
    treeId: lower(treeId),
    branchId: lower(branchId),
    ancestors: ancestors.map(({ beginNodeId, branchId, endNodeId }) => ({
      branchId: lower(branchId),
      beginNodeId,
      endNodeId
    }))
  }
  return { ...of, branch }
}

const tree = ({ branch, shardId }: Located): Nodes.Tree => ({ shardId, treeId: branch.treeId })

const reading = (range: NodeRange) => ({
  ...tree(range),
  branch: range.branch,
  min: range.min ?? Branch.firstNodeId,
  max: range.max ?? Branch.endless
})

const forward = (range: NodeRange): Reading.Reading => ({ ...reading(range), direction: "Forward", txnId: 0n })

const backward = (
  range: NodeRange & { readonly lastTxnId: bigint }
): Effect.Effect<Reading.Reading, Branch.HistoryInvalid> =>
  range.lastTxnId === 0n
    ? Effect.fail(invalid(range.branch, "it is read backward from the transaction of its last node, and 0 is none"))
    : Effect.succeed({ ...reading(range), direction: "Backward", txnId: range.lastTxnId })

const invalid = (branch: Branch.HistoryBranch, reason: string) =>
  new Branch.HistoryInvalid({ branchId: branch.branchId, reason })

/** Nodes before its beginning are its ancestors', and none of a branch's business. */
const own = (branch: Branch.HistoryBranch, nodes: ReadonlyArray<NodeRef>) => {
  if (nodes.some(({ txnId }) => -txnId > Edge.largest)) {
    return Effect.fail(invalid(branch, "a transaction id is stored negated, and the lowest BIGINT has no opposite"))
  }
  const begin = Branch.beginNodeId(branch)
  const foreign = nodes.find(({ nodeId }) => nodeId < begin)
  return foreign === undefined
    ? Effect.void
    : Effect.fail(invalid(branch, `it begins at node ${begin}; node ${foreign.nodeId} is not its own`))
}

const append = Effect.fnUntraced(function* ({ branch, newBranch, nodes, shardId }: Append) {
  yield* own(branch, nodes)
  if (new Set(nodes.map(({ nodeId, txnId }) => `${nodeId} ${txnId}`)).size < nodes.length) {
    return yield* invalid(branch, "a node is given twice for one transaction")
  }
  if (nodes.length === 0) return yield* invalid(branch, "there are no nodes to append")
  const empty = nodes.find(({ events }) => events.data.length === 0)
  if (empty !== undefined) return yield* invalid(branch, `the batch of node ${empty.nodeId} has no events`)
  const info = newBranch && { branch, forkTime: yield* DateTime.now, info: newBranch.info }
  const of = { shardId, treeId: branch.treeId }
  yield* Size.checkAll([
    ...(info === undefined ? [] : [Tree.toWrite(info, shardId)]),
    ...nodes.map((node) => Nodes.toWrite(of, branch.branchId, node))
  ])
  const operation = "AppendHistoryNodes"
  const alone = Effect.asVoid(repeatable(operation, Nodes.upsert<never>(of, branch.branchId, nodes, [])))
  if (info === undefined) return yield* alone
  const made = Transaction.autocommit(
    Effect.map(
      Guarded.write(Nodes.upsert(of, branch.branchId, nodes, [Tree.make(info, shardId)])),
      (): Tree.Made => "made"
    ),
    { operation, repeat: true, verify: () => Tree.verifyMade(info, shardId) }
  )
  const branchIs = yield* Effect.catchTag(made, "BranchMade", () => Effect.succeed<Tree.Made>("there"))
  // Whoever made it, these nodes may not be there.
  if (branchIs === "there") yield* alone
})

const fork = Effect.fnUntraced(function* ({ branch, branchId, info, nodeId, shardId }: Fork) {
  if (nodeId <= Branch.firstNodeId) {
    return yield* invalid(branch, `a fork at node ${nodeId} would share nothing; fork at node 2 or later`)
  }
  if (Branch.ranges(branch).some((range) => range.branchId === branchId)) {
    return yield* invalid(branch, `it has nodes of branch ${branchId}, which a fork cannot be; take a new id`)
  }
  const made = { branch: Branch.fork(branch, nodeId, branchId), forkTime: yield* DateTime.now, info }
  const { key, row, table } = Tree.toWrite(made, shardId)
  yield* Size.check(table, row, key)
  const written = Transaction.autocommit(Tree.fork(branch, shardId, Tree.make(made, shardId)), {
    operation: "ForkHistoryBranch",
    verify: () => Tree.verifyFork(branch, shardId, made)
  })
  yield* Effect.catchTag(written, "BranchMade", () => Effect.void)
  return made.branch
})

const trim = Effect.fnUntraced(function* (of: Trim) {
  const off = yield* Removal.offChain(tree(of), of.branch, of)
  yield* Removal.removeNodes(tree(of), off)
  if (of.beyond !== true) return off.length
  const after = yield* Stream.runSum(Removal.removeBeyond(tree(of), of.branch, of.nodeId))
  return off.length + after
})

const deleteNodes = Effect.fnUntraced(function* (of: Deletion) {
  yield* own(of.branch, of.nodes)
  const { branchId } = of.branch
  yield* Removal.removeNodes(
    tree(of),
    of.nodes.map((node) => ({ ...node, branchId }))
  )
})

const remove = (of: Located) => Stream.runDrain(Removal.removeBranch(tree(of), of.branch))

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
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Transaction from "@effect-dsql/core/Transaction"
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Branch from "./HistoryBranch.ts"
import type { BranchId, ShardId, TreeId } from "./Identifiers.ts"
import * as Nodes from "./internal/history/nodes.ts"
import * as Reading from "./internal/history/reading.ts"
import * as Removal from "./internal/history/removal.ts"
import * as Tree from "./internal/history/tree.ts"
import * as List from "./internal/page/list.ts"
import { repeatable } from "./internal/repeatable.ts"
import type { Page, PageRequest } from "./PageToken.ts"
import type { PageError, ReadError, WriteError } from "./PersistenceError.ts"
import * as Storable from "./internal/storable/rows.ts"

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
  /** Makes the branch as well, with this description of whose history it is; another of its id is `BranchExists`. */
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
 * A branch that is to be made from another.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fork extends Located {
  /** The first node that the new branch has of its own. */
  readonly nodeId: bigint
  /** The new branch's id. The same fork made twice is one; any other branch of this id is `BranchExists`. */
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
    /** Writes nodes of a branch, and the branch itself if it is new; over those that are there. One round trip. */
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
    readonly trim: (
      trim: Located & NodeRef & { readonly beyond?: boolean | undefined }
    ) => Effect.Effect<number, ReadError | Branch.BrokenChain>
    /** Deletes nodes of the branch's own; those that are not there are deleted. One round trip for each 1,000. */
    readonly deleteNodes: (
      of: Located & { readonly nodes: ReadonlyArray<NodeRef> }
    ) => Effect.Effect<void, TransactionError | Branch.HistoryInvalid>
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
    const connected = <A, E>(effect: Effect.Effect<A, E, DsqlClient>) =>
      Effect.provideService(effect, DsqlClient, client)
    const listNodes = (range: NodeRange, request: PageRequest = {}) => connected(Reading.page(forward(range), request))
    const listNodesBackward = (range: NodeRange & { readonly lastTxnId: bigint }, request: PageRequest = {}) =>
      connected(Effect.flatMap(backward(range), (reading) => Reading.page(reading, request)))
    const list = (tree: Nodes.Tree, request: PageRequest = {}) => connected(Tree.page(tree, request))
    const listAll = (request: PageRequest = {}) => connected(Tree.page(undefined, request))
    return HistoryBranches.of({
      append: Effect.fn("HistoryBranches.append")((of) => connected(append(of))),
      listNodes: Effect.fn("HistoryBranches.listNodes")(listNodes),
      streamNodes: (range, request = {}) => List.stream(request, (next) => listNodes(range, next)),
      listNodesBackward: Effect.fn("HistoryBranches.listNodesBackward")(listNodesBackward),
      streamNodesBackward: (range, request = {}) => List.stream(request, (next) => listNodesBackward(range, next)),
      fork: Effect.fn("HistoryBranches.fork")((of) => connected(fork(of))),
      trim: Effect.fn("HistoryBranches.trim")((of) => connected(trim(of))),
      deleteNodes: Effect.fn("HistoryBranches.deleteNodes")((of) => connected(deleteNodes(of))),
      delete: Effect.fn("HistoryBranches.delete")((of) =>
        connected(Stream.runDrain(Removal.removeBranch(tree(of), of.branch)))
      ),
      list: Effect.fn("HistoryBranches.list")(list),
      stream: (tree, request = {}) => List.stream(request, (next) => list(tree, next)),
      listAll: Effect.fn("HistoryBranches.listAll")(listAll),
      streamAll: (request = {}) => List.stream(request, listAll)
    })
  })
)

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
  const forkTime = yield* DateTime.now
  const made = newBranch === undefined ? undefined : Tree.toRow({ branch, forkTime, info: newBranch.info }, shardId)
  const of = { shardId, treeId: branch.treeId }
  if (newBranch !== undefined) yield* Storable.text("the info of a branch", newBranch.info)
  yield* Storable.checkAll([
    ...(made === undefined ? [] : [{ table: Tree.table, row: made, key: Tree.keyColumns }]),
    ...nodes.map((node) => Nodes.toWrite(of, branch.branchId, node))
  ])
  yield* repeatable(
    "AppendHistoryNodes",
    Nodes.upsert(of, branch.branchId, nodes, made === undefined ? [] : [Tree.make(branch, made)])
  )
})

const fork = Effect.fnUntraced(function* ({ branch, branchId, info, nodeId, shardId }: Fork) {
  if (nodeId <= Branch.firstNodeId) {
    return yield* invalid(branch, `a fork at node ${nodeId} would share nothing; fork at node 2 or later`)
  }
  const made = Branch.fork(branch, nodeId, branchId)
  if (Branch.ranges(branch).some((range) => range.branchId === branchId)) {
    return yield* invalid(branch, `it has nodes of branch ${branchId}, which a fork cannot be; take a new id`)
  }
  const row = Tree.toRow({ branch: made, forkTime: yield* DateTime.now, info }, shardId)
  yield* Storable.text("the info of a branch", info)
  yield* Storable.check(Tree.table, row, Tree.keyColumns)
  yield* Transaction.autocommit(Tree.fork(branch, shardId, Tree.make(made, row)), {
    operation: "ForkHistoryBranch",
    verify: () => Tree.verifyFork(branch, shardId, made)
  })
  return made
})

const trim = Effect.fnUntraced(function* (of: Located & NodeRef & { readonly beyond?: boolean | undefined }) {
  const off = yield* Removal.offChain(tree(of), of.branch, of)
  yield* Removal.removeNodes(tree(of), off)
  if (of.beyond !== true) return off.length
  const after = yield* Stream.runSum(Removal.removeBeyond(tree(of), of.branch, of.nodeId))
  return off.length + after
})

const deleteNodes = Effect.fnUntraced(function* (of: Located & { readonly nodes: ReadonlyArray<NodeRef> }) {
  yield* own(of.branch, of.nodes)
  const { branchId } = of.branch
  yield* Removal.removeNodes(
    tree(of),
    of.nodes.map((node) => ({ ...node, branchId }))
  )
})

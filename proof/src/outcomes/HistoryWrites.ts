/**
 * Writes of histories.
 */
import { HistoryBranch, HistoryBranches, Identifiers } from "@effect-dsql/persistence"
import { Array as Arr, Effect } from "effect"
import { blob, shardId, uuid, write } from "./Case.ts"

const branch = HistoryBranch.root(Identifiers.TreeId.make(uuid(1)), Identifiers.BranchId.make(uuid(2)))

const at = { shardId, branch }

const node = (nodeId: number, txnId: number, prevTxnId: number) => ({
  nodeId: BigInt(nodeId),
  txnId: BigInt(txnId),
  prevTxnId: BigInt(prevTxnId),
  events: blob(`event ${nodeId} of ${txnId}`)
})

const history = HistoryBranches.HistoryBranches

/** Three nodes, one of an attempt that failed, and one more. */
const begun = Effect.flatMap(history, (store) =>
  store.append({
    ...at,
    nodes: Arr.make(node(1, 1, 0), node(2, 2, 1), node(3, 3, 2), node(3, 5, 2), node(4, 6, 5)),
    newBranch: { info: "order" }
  })
)

export const HistoryBranchWrites = {
  append: [
    write(
      Effect.flatMap(history, (store) =>
        store.append({ ...at, nodes: Arr.make(node(1, 1, 0)), newBranch: { info: "order" } })
      ),
      undefined,
      { when: "a new branch" }
    ),
    write(
      Effect.flatMap(history, (store) => store.append({ ...at, nodes: Arr.make(node(5, 7, 6)) })),
      begun
    )
  ],
  fork: [
    write(
      Effect.flatMap(history, (store) =>
        store.fork({ ...at, nodeId: 3n, branchId: Identifiers.BranchId.make(uuid(3)), info: "order" })
      ),
      begun
    )
  ],
  trim: [
    write(
      Effect.flatMap(history, (store) => store.trim({ ...at, nodeId: 3n, txnId: 5n })),
      begun
    )
  ],
  deleteNodes: [
    write(
      Effect.flatMap(history, (store) => store.deleteNodes({ ...at, nodes: [{ nodeId: 4n, txnId: 6n }] })),
      begun
    )
  ],
  delete: [
    write(
      Effect.flatMap(history, (store) => store.delete(at)),
      begun
    )
  ]
}

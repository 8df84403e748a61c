/**
 * Reading a branch: which of the nodes that are there belong to its history.
 *
 * A writer may have left nodes behind that never became history: a later attempt has another batch for the same node,
 * or a longer one that covers what followed. Its transaction id is higher than all of theirs.
 *
 * - Forwards, a node belongs if its transaction id is not below that of the node before. Of one node the highest comes
 *   first, so it shadows the others, and all that a later attempt covers.
 * - Backwards, the chain of previous transaction ids is followed from the last node: what it does not name is passed
 *   over. It is the stricter of the two, and needs to be told where the chain ends.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Branch from "../../HistoryBranch.ts"
import type * as PageToken from "../../PageToken.ts"
import type { PageError } from "../../PersistenceError.ts"
import * as Nodes from "./nodes.ts"
import * as List from "../page/list.ts"
import * as Tokens from "../page/tokens.ts"

/** What is read of a branch. */
export interface Reading extends Nodes.Tree {
  readonly branch: Branch.HistoryBranch
  readonly direction: "Forward" | "Backward"
  readonly min: bigint
  readonly max: bigint
  /** Forwards: 0. Backwards: the transaction id of the last node. */
  readonly txnId: bigint
}

/** Where a reading stands: after which row, and the transaction id that decides about the next ones. */
const Position = Schema.Struct({ nodeId: Schema.BigInt, txnId: Schema.BigInt, decisive: Schema.BigInt })

type Position = typeof Position.Type

const tokens = {
  Forward: Tokens.codec(Nodes.table, Position),
  Backward: Tokens.codec(`${Nodes.table}, backward`, Position)
}

/** A page of the nodes that belong to a branch. One round trip. */
export const page = Effect.fnUntraced(function* (
  reading: Reading,
  request: PageToken.PageRequest
): Effect.fn.Return<PageToken.Page<Branch.HistoryNode>, PageError, DsqlClient> {
  const { branch, direction, max, min } = reading
  const nodes = `nodes from ${min} to ${max} of transaction ${reading.txnId}`
  const codec = tokens[direction].of(
    `shard ${reading.shardId}, tree ${branch.treeId}, branch ${branch.branchId}, ${nodes}`
  )
  const start = Option.getOrUndefined(yield* List.start(codec, request))
  const ranges = Branch.clip(Branch.ranges(branch), min, max)
  if (ranges.length === 0) return { items: [], next: undefined }
  const size = List.size(request)
  const found = yield* Transaction.autocommit(
    Nodes.select({ ...reading, ranges, after: start, limit: size + 1, events: true }),
    { operation: "ReadHistoryBranch", readOnly: "proven" }
  )
  const rows = found.slice(0, size)
  let decisive = start?.decisive ?? reading.txnId
  const belonging = rows.filter((row) => {
    const belongs = direction === "Forward" ? row.txnId >= decisive : row.txnId === decisive
    if (belongs) decisive = next(direction, row)
    return belongs
  })
  const last = rows.at(-1)
  const rest = last !== undefined && found.length > size ? position(last, decisive) : undefined
  return yield* List.page(
    belonging,
    request,
    (row) => Nodes.decode(reading, row),
    (row) => position(row, next(direction, row)),
    codec,
    rest
  )
})

/** What decides about the rows after one that belongs. */
const next = (direction: Reading["direction"], row: Nodes.NodeRow): bigint =>
  direction === "Forward" ? row.txnId : row.prevTxnId

const position = ({ nodeId, txnId }: Nodes.NodeRow, decisive: bigint): Position => ({ nodeId, txnId, decisive })

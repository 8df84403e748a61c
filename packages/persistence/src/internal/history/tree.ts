/**
 * The rows of `history_tree`: one for each branch.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Encoding } from "../../DataBlob.ts"
import { BranchExists, BranchNotFound, type BranchInfo, type HistoryBranch } from "../../HistoryBranch.ts"
import type { BranchId, ShardId, TreeId } from "../../Identifiers.ts"
import type * as PageToken from "../../PageToken.ts"
import type { MalformedRow } from "../../PersistenceError.ts"
import * as Info from "./branchInfo.ts"
import * as Message from "./branchMessage.ts"
import type { Tree } from "./nodes.ts"
import * as List from "../page/list.ts"
import * as Decoding from "../page/row.ts"
import * as Tokens from "../page/tokens.ts"

/** A branch and the shard that it is in. */
export interface Located extends BranchInfo {
  readonly shardId: ShardId
}

export const table = "history_tree"

const keyColumns = ["shard_id", "tree_id", "branch_id"]

/** A branch as it is written, with the columns of its key. */
export const toWrite = (info: BranchInfo, shardId: ShardId) => ({ table, key: keyColumns, row: toRow(info, shardId) })

const toRow = ({ branch, ...rest }: BranchInfo, shardId: ShardId) => {
  const { data, encoding } = Info.encode({ branch, ...rest })
  return { shard_id: shardId, tree_id: branch.treeId, branch_id: branch.branchId, data, data_encoding: encoding }
}

type Row = ReturnType<typeof toRow>

/** A branch's row, as what an insert sets. */
const columns = (row: Row) =>
  Expression.row({ shard_id: "integer", tree_id: "uuid", branch_id: "uuid", data: "bytea", data_encoding: "text" }, row)

/** The very branch that was to be made is there. */
export class BranchMade extends Data.TaggedError("BranchMade")<{}> {}

type Refusal = BranchExists | BranchMade | MalformedRow

/** A branch that is made: its row, and the guard that its key is free. */
export interface Making<E> {
  readonly guard: Guard.Guard<E>
  readonly write: Write.Write
  /** The constraint under which the key was free. */
  readonly free: string
}

/**
 * Makes a branch. A row that is there stays as it is, with the time of its fork: another branch's nodes would be
 * forgotten with it, and whose history it is.
 */
export const make = (info: BranchInfo, shardId: ShardId): Making<Refusal> => {
  const row = toRow(info, shardId)
  const { branchId, treeId } = info.branch
  const key = Object.fromEntries(Object.entries(columns(row)).filter(([column]) => keyColumns.includes(column)))
  const place = { table, key: { shard_id: shardId, tree_id: treeId, branch_id: branchId } }
  return {
    guard: Guard.make({
      name: "branch",
      row: Guard.row(table, key, ["data", "data_encoding"], undefined),
      columns: ["data", "data_encoding"],
      holds: (found) => Guard.absent(found),
      refuse: Effect.fnUntraced(function* (found) {
        const stored = yield* toInfo(found, place)
        return yield* isSame(stored, info) ? new BranchMade() : new BranchExists({ treeId, branchId })
      })
    }),
    write: Write.insert({ into: table, columns: columns(row) }),
    free: "history_tree_pkey"
  }
}

/** The same nodes of the same history, whenever they were forked. */
const isSame = (a: BranchInfo, b: BranchInfo): boolean =>
  a.info === b.info && Buffer.compare(Message.encode(a.branch), Message.encode(b.branch)) === 0

/** Whether a branch has been made by a write, or was there before it. */
export type Made = "made" | "there"

/** What became of a branch that was made again: it is there, or nobody knows. */
export const verifyMade = Effect.fnUntraced(function* (info: BranchInfo, shardId: ShardId) {
  const branches = yield* lockAll({ shardId, treeId: info.branch.treeId })
  return branches.some((found) => isSame(found, info)) ? Transaction.committed<Made>("there") : Transaction.unknown
})

/** Makes a fork while the branch that it comes from is there, and keeps that one there until COMMIT. */
export const fork = (
  { branchId, treeId }: HistoryBranch,
  shardId: ShardId,
  { free, guard, write }: Making<Refusal>
) => {
  const key = {
    shard_id: Expression.value("integer", shardId),
    tree_id: Expression.value("uuid", treeId),
    branch_id: Expression.value("uuid", branchId)
  }
  const there = Guard.make({
    name: "source",
    row: Guard.row(table, key, ["shard_id"], "shared"),
    columns: ["shard_id"],
    refuse: () => Effect.fail(new BranchNotFound({ treeId, branchId }))
  })
  const guards: ReadonlyArray<Guard.Guard<Refusal | BranchNotFound>> = [there, guard]
  return Effect.asVoid(Guarded.write({ guards, writes: [write], free: [free] }))
}

/** What became of a fork: the branch that it comes from is held against one that is still under way. */
export const verifyFork = Effect.fnUntraced(function* (source: HistoryBranch, shardId: ShardId, made: BranchInfo) {
  const branches = yield* lockAll({ shardId, treeId: source.treeId })
  const found = branches.find(({ branch }) => branch.branchId === made.branch.branchId)
  if (found !== undefined) return isSame(found, made) ? Transaction.committed(undefined) : Transaction.notCommitted
  return branches.some(({ branch }) => branch.branchId === source.branchId)
    ? Transaction.notCommitted
    : Transaction.unknown
})

/** All branches of a tree, taken FOR UPDATE: whoever forks or deletes one of them at the same time conflicts. */
export const lockAll = Effect.fnUntraced(function* ({ shardId, treeId }: Tree) {
  const sql = yield* Transaction.sql
  const rows = yield* sql<Stored>`
    SELECT * FROM history_tree WHERE shard_id = ${shardId} AND tree_id = ${treeId} FOR UPDATE`
  return yield* Effect.forEach(rows, decode)
})

/** A page of the branches of one tree, or of all trees. One round trip. */
export const page = Effect.fnUntraced(function* (tree: Tree | undefined, request: PageToken.PageRequest) {
  const codec = tree === undefined ? tokens : tokens.of(`shard ${tree.shardId}, tree ${tree.treeId}`)
  const start = yield* List.start(codec, request)
  const statement = Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const conditions = [
      ...(tree === undefined ? [] : [sql`shard_id = ${tree.shardId} AND tree_id = ${tree.treeId}`]),
      ...(start._tag === "None"
        ? []
        : [sql`(${sql.csv(keyColumns)}) > (${start.value.shardId}, ${start.value.treeId}, ${start.value.branchId})`])
    ]
    return yield* sql<Stored>`
      SELECT * FROM history_tree WHERE ${sql.and(conditions)}
      ORDER BY ${sql.csv(keyColumns)} LIMIT ${List.size(request) + 1}`
  })
  const rows = yield* Transaction.autocommit(statement, { operation: "ListHistoryBranches", readOnly: "proven" })
  return yield* List.page(rows, request, decode, position, codec)
})

const Position = Schema.Struct({ shardId: Schema.Int, treeId: Schema.String, branchId: Schema.String })

const tokens = Tokens.codec(table, Position)

/** A row as the driver gives it: key columns are what their types say. */
interface Stored {
  readonly shard_id: ShardId
  readonly tree_id: TreeId
  readonly branch_id: BranchId
}

const position = (row: Stored) => ({ shardId: row.shard_id, treeId: row.tree_id, branchId: row.branch_id })

const Columns = Schema.Struct({ data: Schema.Uint8Array, data_encoding: Encoding })

const toInfo = (row: unknown, place: Decoding.Place) =>
  Effect.flatMap(Decoding.decode(Columns, row, place), ({ data, data_encoding }) =>
    Info.decode({ data, encoding: data_encoding }, place)
  )

const decode = (row: Stored) => {
  const { branch_id, shard_id, tree_id } = row
  return Effect.map(toInfo(row, { table, key: { shard_id, tree_id, branch_id } }), (info): Located => ({
    shardId: shard_id,
    ...info
  }))
}

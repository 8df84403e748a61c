/**
 * The rows of `history_tree`: one for each branch.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Encoding } from "../../DataBlob.ts"
import { BranchNotFound, type BranchInfo, type HistoryBranch } from "../../HistoryBranch.ts"
import type { BranchId, ShardId, TreeId } from "../../Identifiers.ts"
import type * as PageToken from "../../PageToken.ts"
import * as Info from "./branchInfo.ts"
import type { Tree } from "./nodes.ts"
import * as List from "../page/list.ts"
import * as Row from "../page/row.ts"
import * as Tokens from "../page/tokens.ts"

/** A branch and the shard that it is in. */
export interface Located extends BranchInfo {
  readonly shardId: ShardId
}

export const table = "history_tree"

export const keyColumns = ["shard_id", "tree_id", "branch_id"]

/** A branch's row. */
export const toRow = ({ branch, ...rest }: BranchInfo, shardId: ShardId) => {
  const { data, encoding } = Info.encode({ branch, ...rest })
  return { shard_id: shardId, tree_id: branch.treeId, branch_id: branch.branchId, data, data_encoding: encoding }
}

/** A branch's row, as what an insert sets. */
export const columns = (row: ReturnType<typeof toRow>) =>
  Expression.row({ shard_id: "integer", tree_id: "uuid", branch_id: "uuid", data: "bytea", data_encoding: "text" }, row)

/** Writes a branch's row, over one that is there. */
export const upsert = (row: ReturnType<typeof toRow>): Write.Write =>
  Write.insert({
    into: table,
    columns: columns(row),
    onConflict: Write.replacing(keyColumns, ["data", "data_encoding"])
  })

/** Writes the row of a fork while the branch that it comes from is there, and keeps that one there until COMMIT. */
export const fork = (source: HistoryBranch, made: ReturnType<typeof toRow>) => {
  const { branchId, treeId } = source
  const key = {
    shard_id: Expression.value("integer", made.shard_id),
    tree_id: Expression.value("uuid", treeId),
    branch_id: Expression.value("uuid", branchId)
  }
  const there = Guard.make({
    name: "source",
    row: Guard.row(table, key, ["shard_id"], "shared"),
    columns: ["shard_id"],
    refuse: () => Effect.fail(new BranchNotFound({ treeId, branchId }))
  })
  return Effect.asVoid(Guarded.write({ guards: [there], writes: [upsert(made)] }))
}

/** What became of a fork: the branch that it comes from is held against one that is still under way. */
export const verifyFork = Effect.fnUntraced(function* (source: HistoryBranch, made: ReturnType<typeof toRow>) {
  const branches = yield* lockAll({ shardId: made.shard_id, treeId: source.treeId })
  if (branches.some(({ branch }) => branch.branchId === made.branch_id)) return Transaction.committed(undefined)
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
  const codec = tree === undefined ? tokens : tokens.of(`${tree.shardId} ${tree.treeId}`)
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

const tokens = Tokens.codec("history branches", Position)

/** A row as the driver gives it: key columns are what their types say. */
interface Stored {
  readonly shard_id: ShardId
  readonly tree_id: TreeId
  readonly branch_id: BranchId
}

const position = (row: Stored) => ({ shardId: row.shard_id, treeId: row.tree_id, branchId: row.branch_id })

const Columns = Schema.Struct({ data: Schema.Uint8Array, data_encoding: Encoding })

const decode = Effect.fnUntraced(function* (row: Stored) {
  const { branch_id, shard_id, tree_id } = row
  const place = { table, key: { shard_id, tree_id, branch_id } }
  const { data, data_encoding } = yield* Row.decode(Columns, row, place)
  const info = yield* Info.decode({ data, encoding: data_encoding }, place)
  const located: Located = { shardId: shard_id, ...info }
  return located
})

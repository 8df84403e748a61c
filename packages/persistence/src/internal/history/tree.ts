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
import { BranchExists, BranchNotFound, type BranchInfo, type HistoryBranch } from "../../HistoryBranch.ts"
import type { BranchId, ShardId, TreeId } from "../../Identifiers.ts"
import type * as PageToken from "../../PageToken.ts"
import * as Info from "./branchInfo.ts"
import type { Tree } from "./nodes.ts"
import * as List from "../page/list.ts"
import * as Decoding from "../page/row.ts"
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

type Row = ReturnType<typeof toRow>

/** A branch's row, as what an insert sets. */
const columns = (row: Row) =>
  Expression.row({ shard_id: "integer", tree_id: "uuid", branch_id: "uuid", data: "bytea", data_encoding: "text" }, row)

/** A branch that is made: its row, over one of the same branch, and what must hold of the row that is there. */
export interface Making {
  readonly guard: Guard.Guard<BranchExists>
  readonly write: Write.Write
}

/** Makes a branch. The key may be taken by the same branch, but by no other: whose nodes it shares would be forgotten. */
export const make = (branch: HistoryBranch, row: Row): Making => {
  const { treeId, branchId } = branch
  const own = Info.prefix(branch)
  const begins = Expression.sql`substr(data, 1, ${Expression.value("integer", own.length)})`
  const key = Object.fromEntries(Object.entries(columns(row)).filter(([column]) => keyColumns.includes(column)))
  return {
    guard: Guard.make({
      name: "branch",
      row: Guard.row(table, key, ["data"], undefined),
      columns: ["data"],
      holds: (found) => Guard.absent(found, Expression.sql`${begins} <> ${Expression.value("bytea", own)}`),
      refuse: () => Effect.fail(new BranchExists({ treeId, branchId }))
    }),
    write: Write.insert({
      into: table,
      columns: columns(row),
      onConflict: Write.replacing(keyColumns, ["data", "data_encoding"])
    })
  }
}

/** Makes a fork while the branch that it comes from is there, and keeps that one there until COMMIT. */
export const fork = ({ branchId, treeId }: HistoryBranch, shardId: ShardId, { guard, write }: Making) => {
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
  const guards: ReadonlyArray<Guard.Guard<BranchExists | BranchNotFound>> = [there, guard]
  return Effect.asVoid(Guarded.write({ guards, writes: [write] }))
}

/** What became of a fork: the branch that it comes from is held against one that is still under way. */
export const verifyFork = Effect.fnUntraced(function* (source: HistoryBranch, shardId: ShardId, made: HistoryBranch) {
  const branches = yield* lockAll({ shardId, treeId: source.treeId })
  const found = branches.find(({ branch }) => branch.branchId === made.branchId)
  if (found !== undefined) {
    const same = Buffer.compare(Info.prefix(found.branch), Info.prefix(made)) === 0
    return same ? Transaction.committed(undefined) : Transaction.notCommitted
  }
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

const decode = Effect.fnUntraced(function* (row: Stored) {
  const { branch_id, shard_id, tree_id } = row
  const place = { table, key: { shard_id, tree_id, branch_id } }
  const { data, data_encoding } = yield* Decoding.decode(Columns, row, place)
  const info = yield* Info.decode({ data, encoding: data_encoding }, place)
  const located: Located = { shardId: shard_id, ...info }
  return located
})

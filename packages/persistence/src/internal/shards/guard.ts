/**
 * The row of a shard, as the guard of everything that is written below it.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Guard from "@effect-dsql/core/Guard"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type MalformedRow, ShardOwnershipLost } from "../../PersistenceError.ts"
import type { OwnedShard } from "../../Shard.ts"
import * as Row from "../page/row.ts"

/** What the guard of a shard refuses with. */
export type ShardRefusal = ShardOwnershipLost | MalformedRow

const Columns = Schema.Struct({ range_id: Schema.BigInt })

/** The caller owns the shard, and keeps it until this commits. */
export const owned = (shard: OwnedShard): Guard.Guard<ShardRefusal> => guard(shard, "shared")

/**
 * The caller owns the shard at the instant that the statement sees, in which nobody after him has added anything below it:
 * for one that takes away what is there.
 */
export const ownedNow = (shard: OwnedShard): Guard.Guard<ShardRefusal> => guard(shard, undefined)

const guard = ({ rangeId, shardId }: OwnedShard, lock: Guard.Lock | undefined): Guard.Guard<ShardRefusal> =>
  Guard.make({
    name: "shard",
    row: Guard.row("shards", { shard_id: Expression.value("integer", shardId) }, ["range_id"], lock),
    columns: ["range_id"],
    holds: (row) => Guard.exists(row, Expression.sql`range_id = ${Expression.value("bigint", rangeId)}`),
    refuse: Effect.fnUntraced(function* (found) {
      const place = { table: "shards", key: { shard_id: shardId } }
      const actual = found === undefined ? undefined : (yield* Row.decode(Columns, found, place)).range_id
      return yield* new ShardOwnershipLost({ shardId, expected: rangeId, actual })
    })
  })

/**
 * Shards: who owns which part of the keyspace, by a range id that only grows.
 *
 * The range id is the fence of everything below a shard. An owner writes in a
 * transaction that holds it with `shared`; whoever takes over moves it with
 * `update`. A stale owner's write conflicts with the takeover, runs again, and
 * ends with `ShardOwnershipLost`.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import { ConditionFailed, type Token } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Fence from "@effect-dsql/core/Fence"
import * as Guard from "@effect-dsql/core/Guard"
import * as Guarded from "@effect-dsql/core/Guarded"
import * as Size from "@effect-dsql/core/Size"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Write from "@effect-dsql/core/Write"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { Encoding, equals } from "./DataBlob.ts"
import type { ShardId } from "./Identifiers.ts"
import * as Edge from "./internal/storable/edge.ts"
import * as Row from "./internal/page/row.ts"
import {
  type MalformedRow,
  type ReadError,
  ShardOwnershipLost,
  type ValueInvalid,
  type WriteError
} from "./PersistenceError.ts"
import type { OwnedShard, Shard } from "./Shard.ts"

/**
 * Reads, creates and fences shards.
 *
 * @example
 * ```ts
 * import { Transaction } from "@effect-dsql/core"
 * import { type Shard, Shards } from "@effect-dsql/persistence"
 * import { Effect } from "effect"
 *
 * // Takes a shard over, then writes below it for as long as nobody else takes it.
 * const own = (shard: Shard.Shard) =>
 *   Effect.gen(function*() {
 *     const shards = yield* Shards.Shards
 *     const owned = { ...shard, rangeId: shard.rangeId + 1n }
 *     yield* shards.update(owned, shard.rangeId)
 *     const write = Effect.gen(function*() {
 *       const sql = yield* Transaction.sql
 *       yield* shards.shared(owned)
 *       yield* sql`INSERT INTO transfer_tasks ${sql.insert({ shard_id: shard.shardId, task_id: 1n })}`
 *     })
 *     yield* Transaction.run(write, { operation: "AddTransferTask" })
 *   })
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class Shards extends Context.Service<
  Shards,
  {
    /** The shard, created by `create` where it is missing; one that is there wins. One round trip. */
    readonly getOrCreate: (shardId: ShardId, create: () => Omit<Shard, "shardId">) => Effect.Effect<Shard, WriteError>
    /** The shard, if there is one. One round trip. */
    readonly find: (shardId: ShardId) => Effect.Effect<Option.Option<Shard>, ReadError>
    /**
     * Writes the shard if it still has the expected range. One round trip.
     *
     * After a lost answer the shard is known by its bytes. So let the info name its owner: of two who take a shard with
     * the same info at once, both might be told that they have it.
     */
    readonly update: (shard: Shard, expectedRangeId: bigint) => Effect.Effect<void, WriteError | ShardOwnershipLost>
    /** Holds the shard for the writes of this transaction: it keeps this range until COMMIT. One round trip. */
    readonly shared: (
      owned: OwnedShard
    ) => Effect.Effect<void, ShardOwnershipLost | SqlError | ValueInvalid, Transaction.Transaction>
    /** Takes the shard against everybody who holds or moves it, and gives its range. One round trip. */
    readonly exclusive: (shardId: ShardId) => Effect.Effect<Option.Option<bigint>, SqlError, Transaction.Transaction>
  }
>()("@effect-dsql/persistence/Shards") {}

/**
 * Provides the store.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Shards, never, DsqlClient> = Layer.effect(
  Shards,
  Effect.map(DsqlClient, (client) => {
    const operation = Edge.connected(client)
    return Shards.of({
      getOrCreate: operation("Shards.getOrCreate", getOrCreate),
      find: operation("Shards.find", (shardId: ShardId) =>
        Transaction.autocommit(select(shardId, ""), { operation: "ReadShard", readOnly: "proven" })
      ),
      update: operation("Shards.update", update),
      shared: (owned) => Effect.andThen(Edge.check("Shards.shared", [owned]), shared(owned)),
      exclusive: (shardId) => Effect.map(Fence.exclusive(guard(shardId)), Option.map(toRangeId))
    })
  })
)

const table = "shards"

const guard = (shardId: ShardId): Fence.Guard => ({ table, key: { shard_id: shardId }, token: "range_id" })

const columns = (shard: Omit<Shard, "shardId">) => ({
  range_id: shard.rangeId,
  data: shard.info.data,
  data_encoding: shard.info.encoding
})

const shared = ({ rangeId, shardId }: OwnedShard) => ownership(shardId, Fence.shared(guard(shardId), rangeId))

const check = (shard: Shard) => Size.check(table, { shard_id: shard.shardId, ...columns(shard) }, ["shard_id"])

const getOrCreate = Effect.fnUntraced(function* (shardId: ShardId, create: () => Omit<Shard, "shardId">) {
  const shard = { shardId, ...create() }
  // What the caller's function gives is no argument.
  yield* Edge.check("Shards.getOrCreate", [shard])
  yield* check(shard)
  const key = { shard_id: Expression.value("integer", shardId) }
  const there = Guard.make({
    name: "shard",
    row: Guard.row(table, key, ["range_id", "data", "data_encoding"], undefined),
    columns: [],
    holds: () => Expression.literal("TRUE"),
    refuse: () => Effect.die(new Error("nothing is asked of a shard that is there"))
  })
  const types = { range_id: "bigint", data: "bytea", data_encoding: "text" } as const
  const body = Effect.flatMap(
    Guarded.write({
      guards: [there],
      writes: [
        Write.insert({
          into: table,
          columns: { ...key, ...Expression.row(types, columns(shard)) },
          onConflict: Write.replacing(["shard_id"], [])
        })
      ],
      tells: {
        range_id: Guard.column(there, "range_id", "bigint"),
        data: Guard.column(there, "data", "bytea"),
        data_encoding: Guard.column(there, "data_encoding", "text")
      }
    }),
    (told) => (told["range_id"] === null ? Effect.succeed(shard) : decode(shardId, told))
  )
  return yield* Transaction.autocommit(body, { operation: "GetOrCreateShard", repeat: true })
})

const update = Effect.fnUntraced(function* (shard: Shard, expected: bigint) {
  yield* check(shard)
  const body = ownership(shard.shardId, Fence.compareAndSet(guard(shard.shardId), expected, columns(shard)))
  const verify = () =>
    Effect.map(select(shard.shardId, "FOR UPDATE"), (found): Transaction.Outcome<void> => {
      if (Option.isNone(found)) return Transaction.notCommitted
      if (found.value.rangeId === shard.rangeId && equals(found.value.info, shard.info)) {
        return Transaction.committed(undefined)
      }
      // A range that moved on says nothing about who moved it, or whether this write came before.
      return found.value.rangeId === expected ? Transaction.notCommitted : Transaction.unknown
    })
  // A range that moves makes a late twin of this write harmless; one that stays does not.
  yield* Transaction.autocommit(body, { operation: "UpdateShard", repeat: shard.rangeId !== expected, verify })
})

const select = Effect.fnUntraced(function* (shardId: ShardId, lock: "" | "FOR UPDATE") {
  const sql = yield* Transaction.sql
  const rows = yield* sql`
    SELECT range_id, data, data_encoding FROM shards WHERE shard_id = ${shardId} ${sql.literal(lock)}`
  return rows[0] === undefined ? Option.none<Shard>() : Option.some(yield* decode(shardId, rows[0]))
})

const ShardRow = Schema.Struct({ range_id: Schema.BigInt, data: Schema.Uint8Array, data_encoding: Encoding })

const decode = (shardId: ShardId, row: unknown): Effect.Effect<Shard, MalformedRow> =>
  Effect.map(Row.decode(ShardRow, row, { table, key: { shard_id: shardId } }), (columns) => ({
    shardId,
    rangeId: columns.range_id,
    info: { data: columns.data, encoding: columns.data_encoding }
  }))

/** A BIGINT that is NOT NULL comes as a bigint. */
const toRangeId = (token: Token | null): bigint => BigInt(token ?? 0n)

const ownership = <A, E, R>(shardId: ShardId, effect: Effect.Effect<A, E | ConditionFailed, R>) =>
  Effect.mapError(effect, (error) =>
    error instanceof ConditionFailed
      ? new ShardOwnershipLost({
          shardId,
          expected: toRangeId(error.expected),
          actual: error.actual === undefined ? undefined : toRangeId(error.actual)
        })
      : // The guard takes it out of the union; the compiler cannot see that through the type parameter.
        (error as Exclude<E, ConditionFailed>)
  )

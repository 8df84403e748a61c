/**
 * The fence of an entity's shard, for tables of one's own.
 *
 * Sharding runs an entity on one runner, as far as that runner knows. One that
 * was paused past its lease does not know, and goes on writing beside the new
 * owner. What is written under this fence is refused then, by the database: a
 * write holds the shard's row, and whoever takes the shard over moves it.
 *
 * @since 0.1.0
 * @stability unstable
 */
import type { ConditionFailed } from "@effect-dsql/core/DsqlError"
import * as DsqlError from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Fence from "@effect-dsql/core/Fence"
import * as Guard from "@effect-dsql/core/Guard"
import type { Transaction } from "@effect-dsql/core/Transaction"
import { CurrentAddress } from "effect/cluster/Entity"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import { type Held, Holding, nameOf } from "./Holding.ts"

/**
 * A shard under the fence under which this process holds it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClusterFence {
  /** The shard's row, as `Fence` of `@effect-dsql/core` takes it. */
  readonly shard: Fence.Guard
  readonly fence: bigint
}

/**
 * This process has never held the shard, or has got it back under a later fence than the one for which it was asked; or
 * what asks is no entity. A workflow and its activities are entities.
 *
 * @since 0.1.0
 * @category errors
 */
export class ShardNotHeld extends Schema.TaggedError<ShardNotHeld>("@effect-dsql/cluster/ShardNotHeld")(
  "ShardNotHeld",
  {
    /** The shard, as `group:number`; undefined outside an entity. */
    shardId: Schema.UndefinedOr(Schema.String)
  }
) {
  override get message(): string {
    return this.shardId === undefined
      ? "there is no shard here: ask for its fence in an entity, a workflow or an activity"
      : `this process does not hold shard ${this.shardId}`
  }
}

/**
 * The fence of the entity that asks. Ask for it where the entity is built, or where an activity begins, and not just
 * before the write: what was decided under one fence must not be written under the next.
 *
 * A runner that has lost the shard waits here. Either it turns out to hold it still, under the same fence; or Sharding
 * interrupts the entity, and leaves the request to the shard's owner; or it gets the shard back under a later fence, which
 * is `ShardNotHeld`: what was handed out before decides nothing then, and an entity that is being built is built anew. So
 * a loss is never the answer of a request. Outside an entity, and in one that no runner runs, as `Entity.makeTestClient`
 * makes them, it fails at once.
 *
 * @example
 * ```ts
 * import { ClusterFence } from "@effect-dsql/cluster"
 * import { DsqlClient, Transaction } from "@effect-dsql/core"
 * import { Effect, Schema } from "effect"
 * import { Entity } from "effect/cluster"
 * import { Rpc } from "effect/rpc"
 *
 * const Deposit = Rpc.make("Deposit", { payload: { cents: Schema.Int } })
 * const Account = Entity.make("Account", [Deposit])
 *
 * const AccountLive = Account.toLayer(
 *   Effect.gen(function*() {
 *     const client = yield* DsqlClient.DsqlClient
 *     const { entityId } = yield* Entity.CurrentAddress
 *     const fence = yield* Effect.orDie(ClusterFence.current)
 *     return {
 *       Deposit: ({ payload }) =>
 *         Effect.gen(function*() {
 *           const sql = yield* Transaction.sql
 *           yield* ClusterFence.shared(fence)
 *           yield* sql`UPDATE accounts SET cents = cents + ${payload.cents} WHERE id = ${entityId}`
 *         }).pipe(
 *           (deposit) => Transaction.run(deposit, { operation: "Deposit" }),
 *           Effect.provideService(DsqlClient.DsqlClient, client),
 *           Effect.orDie
 *         )
 *     }
 *   })
 * )
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const current: Effect.Effect<ClusterFence, ShardNotHeld, Holding> = Effect.flatMap(Holding, (holding) =>
  Effect.withFiber((fiber) => {
    const address = Context.getOption(fiber.context, CurrentAddress)
    const shardId = address._tag === "Some" ? address.value.shardId.toString() : undefined
    if (shardId === undefined) return Effect.fail(new ShardNotHeld({ shardId }))
    const under = ({ fence }: Held): ClusterFence => ({
      shard: { table: "cluster_shards", key: { shard_id: nameOf(holding, shardId) }, token: "fence" },
      fence
    })
    const held = holding.find(shardId)
    if (held !== undefined) return Effect.succeed(under(held))
    // Sharding waits for what must not be interrupted, and this waits for Sharding.
    const regained = Effect.interruptible(holding.regain(shardId))
    return Effect.flatMap(regained, (held) =>
      held === undefined ? Effect.fail(new ShardNotHeld({ shardId })) : Effect.succeed(under(held))
    )
  })
)

/**
 * Holds the shard for what this transaction writes: fails with `ConditionFailed` unless it still has this fence, and
 * keeps it so until COMMIT. Writers below one shard do not conflict with each other.
 *
 * @since 0.1.0
 * @category fences
 */
export const shared = ({ fence, shard }: ClusterFence): Effect.Effect<void, ConditionFailed | SqlError, Transaction> =>
  Fence.shared(shard, fence)

/**
 * The same as a guard, for `Guarded.write`: the write and its fence are one statement.
 *
 * @example
 * ```ts
 * import { ClusterFence } from "@effect-dsql/cluster"
 * import { Expression, Guarded, Transaction, Write } from "@effect-dsql/core"
 *
 * const append = (fence: ClusterFence.ClusterFence, id: bigint, text: string) =>
 *   Transaction.autocommit(
 *     Guarded.write({
 *       guards: [ClusterFence.guard(fence)],
 *       writes: [
 *         Write.insert({
 *           into: "entries",
 *           columns: { id: Expression.value("bigint", id), text: Expression.value("text", text) }
 *         })
 *       ]
 *     }),
 *     { operation: "AppendEntry" }
 *   )
 * ```
 *
 * @since 0.1.0
 * @category guards
 */
export const guard = ({ fence, shard }: ClusterFence): Guard.Guard<ConditionFailed> =>
  Guard.make({
    name: "shard",
    row: Guard.row(
      shard.table,
      Object.fromEntries(Object.entries(shard.key).map(([column, key]) => [column, Expression.sql`${key}`])),
      [shard.token],
      "shared"
    ),
    columns: [shard.token],
    holds: (row) =>
      Guard.exists(row, Expression.sql`${Expression.column(shard.token)} = ${Expression.value("bigint", fence)}`),
    refuse: (found) => {
      const actual = found?.[shard.token]
      const what = `${shard.table}(${Object.values(shard.key).join(", ")}).${shard.token}`
      return Effect.fail(
        new DsqlError.ConditionFailed({
          what,
          expected: fence,
          actual: typeof actual === "bigint" ? actual : undefined
        })
      )
    }
  })

/**
 * Effect's `Persistence` on Aurora DSQL: results of requests by store and key, until they expire. `PersistedCache`
 * stands on it.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import type * as Removal from "@effect-dsql/core/Removal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { drain } from "./internal/statement/drain.ts"
import * as Statement from "./internal/statement/statement.ts"
import * as Store from "./internal/persistence/store.ts"
import { ensure } from "./internal/tables/ensure.ts"
import type { MissingTables } from "./MissingTables.ts"

/**
 * The entries of all stores in the table `effect_persistence` of the schema `dsql/storage`.
 *
 * Each operation is one round trip, but `setMany`, which takes one for each 500 entries or 4 MiB, and `clear`, one for
 * each 500. When an entry has expired is for the database's clock to say. What has is deleted when the layer is built
 * and every five minutes, 500 at a time.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBackingSql: Layer.Layer<
  Persistence.BackingPersistence,
  MissingTables | TransactionError,
  DsqlClient
> = Layer.effect(
  Persistence.BackingPersistence,
  Effect.gen(function* () {
    yield* ensure("Persistence", [shared])
    const statements = Statement.make(yield* DsqlClient)
    yield* Effect.forkScoped(Effect.repeat(expire(statements, overInSlots), Schedule.spaced("5 minutes")))
    return Persistence.BackingPersistence.of({
      make: (storeId) =>
        Effect.succeed(Store.make({ table: shared, store: { store_id: storeId }, beside: { slot } }, statements))
    })
  })
)

/**
 * The entries of each store in a table of its own, `effect_persistence_${storeId}`, which your own schema has to make:
 *
 * ```sql
 * CREATE TABLE effect_persistence_users (id TEXT PRIMARY KEY, value TEXT NOT NULL, expires TIMESTAMPTZ NULL);
 * ```
 *
 * An operation of a store whose table is not there fails with `PersistenceError`, caused by `MissingTables`. What has
 * expired is deleted when a store is made, which reads all of its table.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBackingSqlMultiTable: Layer.Layer<Persistence.BackingPersistence, never, DsqlClient> = Layer.effect(
  Persistence.BackingPersistence,
  Effect.map(DsqlClient, (client) => {
    const statements = Statement.make(client)
    return Persistence.BackingPersistence.of({
      make: Effect.fnUntraced(function* (storeId) {
        const table = `effect_persistence_${storeId}`
        const found = yield* Effect.result(
          Effect.provideService(ensure("Persistence", [table], "own"), DsqlClient, client)
        )
        if (Result.isFailure(found)) return Store.refusing(found.failure)
        yield* expire(statements, { table, order: { id: "text" }, where: over })
        return Store.make({ table, store: {}, beside: {} }, statements)
      })
    })
  })
)

/**
 * Effect's `Persistence` on `layerBackingSql`.
 *
 * @example
 * ```ts
 * import { DsqlClient } from "@effect-dsql/core"
 * import { Persistence } from "@effect-dsql/storage"
 * import { Effect, Layer, Schema } from "effect"
 * import { Persistable, PersistedCache } from "effect/persistence"
 *
 * class User extends Persistable.Class<{ payload: { id: number } }>()("User", {
 *   primaryKey: ({ id }) => String(id),
 *   success: Schema.String
 * }) {}
 *
 * // What one process has looked up, all find, for an hour.
 * const program = Effect.gen(function*() {
 *   const users = yield* PersistedCache.make(({ id }: User) => Effect.succeed(`user ${id}`), {
 *     storeId: "users",
 *     timeToLive: () => "1 hour"
 *   })
 *   return yield* users.get(new User({ id: 1 }))
 * })
 *
 * const live = Persistence.layerSql.pipe(Layer.provide(DsqlClient.layerConfig()))
 * const main = Effect.scoped(Effect.provide(program, live))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSql: Layer.Layer<Persistence.Persistence, MissingTables | TransactionError, DsqlClient> =
  Persistence.layer.pipe(Layer.provide(layerBackingSql))

/**
 * Effect's `Persistence` on `layerBackingSqlMultiTable`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSqlMultiTable: Layer.Layer<Persistence.Persistence, never, DsqlClient> = Persistence.layer.pipe(
  Layer.provide(layerBackingSqlMultiTable)
)

const shared = "effect_persistence"

const slots = Array.from({ length: 16 }, (_, slot) => slot)

/** Draws a slot for each entry that is written. */
const slot = Expression.literal(`floor(random() * ${slots.length})::smallint`)

const over = Expression.literal("expires <= now()")

/** What is over in all slots, found by the index. */
const overInSlots: Removal.Rows = {
  table: shared,
  order: { slot: "smallint", expires: "timestamptz" },
  where: Expression.literal(`slot IN (${slots.join(", ")}) AND expires <= now()`)
}

const expire = (statements: Statement.Statements, rows: Removal.Rows): Effect.Effect<void> =>
  Effect.catch(drain(statements, "Persistence.expire", rows), (error) =>
    Effect.logWarning("what has expired was not deleted", error)
  )

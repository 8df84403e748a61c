/**
 * The desk that ships orders: one process has it at a time, and whoever takes it shuts the others out.
 */
import { DsqlClient, Fence, Transaction } from "@effect-dsql/core"
import { Context, DateTime, Effect, Layer, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import type { Order, OrderId } from "./Order.ts"
import { repository } from "./Orders.ts"
import { DeskTaken, OrderNotFound, orUnavailable, type Unavailable } from "./Refusal.ts"

/** The row that guards all shipping, and its token. */
const guard = { table: "desks", key: { name: "main" }, token: "epoch" }

export class Desk extends Context.Service<
  Desk,
  { readonly ship: (id: OrderId) => Effect.Effect<Order, OrderNotFound | DeskTaken | Unavailable> }
>()("orders/Desk") {}

/** Takes the desk: from now on its earlier owner ships nothing. */
export const layer = Layer.effect(
  Desk,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const orders = yield* repository
    const connected = Effect.provideService(DsqlClient.DsqlClient, yield* DsqlClient.DsqlClient)
    const current = SqlSchema.findOne({
      Request: Schema.Void,
      Result: Schema.Struct({ epoch: Schema.BigInt }),
      execute: () => sql`SELECT epoch FROM desks WHERE name = 'main'`
    })

    const epoch = yield* Transaction.run(
      Effect.gen(function* () {
        const before = yield* current()
        yield* Fence.compareAndSet(guard, before.epoch, { epoch: before.epoch + 1n })
        return before.epoch + 1n
      }),
      { operation: "TakeDesk" }
    )
    yield* Effect.logInfo(`took the desk, epoch ${epoch}`)

    const ship = Effect.fn("Desk.ship")((id: OrderId) =>
      Transaction.run(
        Effect.gen(function* () {
          // Fails unless the epoch is still ours, and keeps it so until COMMIT.
          yield* Fence.shared(guard, epoch)
          const order = yield* orders.findById(id)
          if (Option.isSome(order.shipped)) return order
          return yield* orders.update({ ...order, shipped: Option.some(yield* DateTime.now) })
        }),
        { operation: "ShipOrder" }
      ).pipe(
        Effect.catchTags({
          ConditionFailed: ({ message }) => Effect.fail(new DeskTaken({ reason: message })),
          NoSuchElementError: () => Effect.fail(new OrderNotFound({ id }))
        })
      )
    )

    return Desk.of({ ship: (id) => ship(id).pipe(orUnavailable, connected) })
  })
)

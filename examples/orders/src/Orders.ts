/**
 * Orders, and the stock that they are taken from.
 */
import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { Context, Effect, Layer, Option } from "effect"
import { SqlModel } from "effect/sql"
import { Order, type OrderId } from "./Order.ts"
import { OrderNotFound, orUnavailable, OutOfStock, type Unavailable } from "./Refusal.ts"

/** When an order whose COMMIT lost a conflict is placed again. */
export const Patience = Context.Reference<RetryPolicy.RetryPolicy>("orders/Patience", {
  defaultValue: () => RetryPolicy.standard
})

/** Insert, update, findById and delete, made from the model by Effect SQL. */
export const repository = SqlModel.makeRepository(Order, { tableName: "orders", idColumn: "id", spanPrefix: "Orders" })

export class Orders extends Context.Service<
  Orders,
  {
    readonly place: (order: typeof Order.jsonCreate.Type) => Effect.Effect<Order, OutOfStock | Unavailable>
    readonly find: (id: OrderId) => Effect.Effect<Order, OrderNotFound | Unavailable>
  }
>()("orders/Orders") {}

export const layer = Layer.effect(
  Orders,
  Effect.gen(function* () {
    const orders = yield* repository
    const connected = Effect.provideService(DsqlClient.DsqlClient, yield* DsqlClient.DsqlClient)

    const place = Effect.fn("Orders.place")(function* (wanted: typeof Order.jsonCreate.Type) {
      // Made once and not in the body, so that every attempt writes the same order.
      const order = yield* Effect.orDie(Order.insert.makeEffect(wanted))

      const taken = Effect.gen(function* () {
        const sql = yield* Transaction.sql
        const found = yield* sql`
          UPDATE stock SET available = available - ${order.quantity}
          WHERE item = ${order.item} AND available >= ${order.quantity} RETURNING item`
        if (found.length === 0) return yield* new OutOfStock({ item: order.item })
        return yield* orders.insert(order)
      })

      // Was it committed before the answer was lost? The order changed the stock's row: as long as that is locked
      // here, no COMMIT of the order can come after this look.
      const look = Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* sql`SELECT item FROM stock WHERE item = ${order.item} FOR UPDATE`
        const found = yield* Effect.option(orders.findById(order.id))
        return Option.match(found, {
          onNone: () => Transaction.notCommitted,
          onSome: (order) => Transaction.committed(order)
        })
      })

      const policy = yield* Patience
      return yield* Transaction.run(taken, {
        operation: "PlaceOrder",
        deadline: "5 seconds",
        policy,
        verify: () => look
      })
    })

    const find = Effect.fn("Orders.find")((id: OrderId) =>
      Transaction.autocommit(orders.findById(id), { operation: "FindOrder", readOnly: "proven" }).pipe(
        Effect.catchTag("NoSuchElementError", () => Effect.fail(new OrderNotFound({ id })))
      )
    )

    return Orders.of({
      place: (order) => place(order).pipe(orUnavailable, connected),
      find: (id) => find(id).pipe(orUnavailable, connected)
    })
  })
)

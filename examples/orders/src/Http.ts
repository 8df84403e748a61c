/**
 * The service over HTTP.
 */
import { Effect, Schema } from "effect"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Desk } from "./Desk.ts"
import { Order, OrderId } from "./Order.ts"
import { Orders } from "./Orders.ts"
import { DeskTaken, OrderNotFound, OutOfStock, Unavailable } from "./Refusal.ts"

const params = Schema.Struct({ id: OrderId })

class OrdersGroup extends HttpApiGroup.make("orders", { topLevel: true }).add(
  HttpApiEndpoint.post("place", "/orders", {
    payload: Order.jsonCreate,
    success: Order.json,
    error: [OutOfStock, Unavailable]
  }),
  HttpApiEndpoint.get("find", "/orders/:id", { params, success: Order.json, error: [OrderNotFound, Unavailable] }),
  HttpApiEndpoint.post("ship", "/orders/:id/ship", {
    params,
    success: Order.json,
    error: [OrderNotFound, DeskTaken, Unavailable]
  })
) {}

export class Api extends HttpApi.make("orders").add(OrdersGroup) {}

export const handlers = HttpApiBuilder.group(
  Api,
  "orders",
  Effect.fnUntraced(function* (routes) {
    const orders = yield* Orders
    const desk = yield* Desk
    return routes.handleAll({
      place: ({ payload }) => orders.place(payload),
      find: ({ params }) => orders.find(params.id),
      ship: ({ params }) => desk.ship(params.id)
    })
  })
)

/**
 * An order: as a row, and as JSON.
 */
import { Schema } from "effect"
import { Model } from "effect/schema"

export const OrderId = Schema.String.check(Schema.isUUID()).pipe(Schema.brand("OrderId"))
export type OrderId = typeof OrderId.Type

export class Order extends Model.Class<Order>("Order")({
  // Random: AWS advises against keys that rise with every insert, because all inserts then go to one place.
  id: Model.UuidV4Insert(OrderId),
  customer: Schema.NonEmptyString,
  item: Schema.NonEmptyString,
  quantity: Schema.Int.check(Schema.isGreaterThan(0)),
  placed: Model.DateTimeInsertFromDate,
  // NULL until it is shipped, and nobody who places an order says when that was.
  shipped: Model.Field({
    select: Schema.OptionFromNullOr(Schema.DateTimeUtcFromDate),
    update: Schema.OptionFromNullOr(Schema.DateTimeUtcFromDate),
    json: Schema.OptionFromNullOr(Schema.DateTimeUtcFromString)
  })
}) {}

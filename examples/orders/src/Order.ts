/**
 * An order: as a row, and as JSON.
 */
import { Schema } from "effect"
import { Model } from "effect/schema"

export const OrderId = Schema.String.check(Schema.isUUID()).pipe(Schema.brand("OrderId"))
export type OrderId = typeof OrderId.Type

/** As long as its column, so that a longer one is the caller's fault and not the database's. */
const text = (length: number) => Schema.NonEmptyString.check(Schema.isMaxLength(length))

export class Order extends Model.Class<Order>("Order")({
  // Random: AWS advises against keys that rise with every insert, because all inserts then go to one place.
  id: Model.UuidV4Insert(OrderId),
  customer: text(200),
  item: text(100),
  quantity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
  placed: Model.DateTimeInsertFromDate,
  // NULL until it is shipped, and nobody who places an order says when that was.
  shipped: Model.Field({
    select: Schema.OptionFromNullOr(Schema.DateTimeUtcFromDate),
    update: Schema.OptionFromNullOr(Schema.DateTimeUtcFromDate),
    json: Schema.OptionFromNullOr(Schema.DateTimeUtcFromString)
  })
}) {}

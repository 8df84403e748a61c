/**
 * Fields of Effect's `Model` that fit the columns of Aurora DSQL: what they write is stored, and what is read back is
 * what was written.
 *
 * `Model.JsonFromString` and `Model.DateTimeInsert` write texts, which a jsonb or timestamptz column takes and gives
 * back as a value: the row is stored, and reading it fails. Their like is here, by the column's type.
 *
 * # Which keys
 *
 * DSQL splits a table by ranges of its primary key, and an index by ranges of its columns. A key that rises with time
 * puts all new rows into one range, which one storage node then writes alone: a sequence, a timestamp in front, and
 * `Model.UuidV7Insert`, whose first bits are the time. `UuidInsert` and `BigintInsert` are random and spread. What is to
 * be read in the order of time gets a column for it and an index with something in front that spreads: the owner of the
 * rows, or a bucket of their hash. An identity column with a large cache spreads too, but gives numbers that are equal
 * modulo its cache.
 *
 * Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-primary-keys.html
 *
 * @since 0.2.0
 * @stability unstable
 */
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Model from "effect/schema/Model"
import type * as VariantSchema from "effect/schema/VariantSchema"
import * as Statement from "effect/sql/Statement"
import { fragment, valueOf } from "./internal/connection/json.ts"

/**
 * A value as it is written, or as it is read: a field of one schema for the database and one for JSON.
 *
 * @since 0.2.0
 * @category models
 */
export interface Column<Database extends Schema.Top, Json extends Schema.Top> extends VariantSchema.Field<{
  readonly select: Database
  readonly insert: Database
  readonly update: Database
  readonly json: Json
  readonly jsonCreate: Json
  readonly jsonUpdate: Json
}> {}

const column = <Database extends Schema.Top, Json extends Schema.Top>(
  database: Database,
  json: Json
): Column<Database, Json> =>
  Model.Field({ select: database, insert: database, update: database, json, jsonCreate: json, jsonUpdate: json })

/**
 * A key that the program makes: a value that its `insert` variant draws, unless it is given one.
 *
 * @since 0.2.0
 * @category models
 */
export interface Key<
  Database extends Schema.Top & Schema.WithoutConstructorDefault,
  Json extends Schema.Top
> extends VariantSchema.Field<{
  readonly select: Database
  readonly insert: Schema.withConstructorDefault<Database>
  readonly update: Database
  readonly json: Json
}> {}

/**
 * A `jsonb` column.
 *
 * @since 0.2.0
 * @category models
 */
export interface Jsonb<S extends Schema.Top> extends VariantSchema.Field<{
  readonly select: Schema.toCodecJson<S>
  readonly insert: WrittenJson<S>
  readonly update: WrittenJson<S>
  readonly json: S
  readonly jsonCreate: S
  readonly jsonUpdate: S
}> {}

/**
 * A value that is written to a `jsonb` column.
 *
 * @since 0.2.0
 * @category models
 */
export interface WrittenJson<S extends Schema.Top> extends Schema.decodeTo<
  Schema.toCodecJson<S>,
  Schema.declare<Statement.Fragment>
> {}

/**
 * A `jsonb` column. A column that may be NULL is `Model.FieldOption(DsqlModel.Jsonb(schema))`.
 *
 * @example
 * ```ts
 * import { DsqlModel } from "@effect-dsql/core"
 * import { Schema } from "effect"
 * import { Model } from "effect/schema"
 *
 * const OrderId = Schema.String.pipe(Schema.brand("OrderId"))
 *
 * class Order extends Model.Class<Order>("Order")({
 *   id: DsqlModel.UuidInsert(OrderId),
 *   lines: DsqlModel.Jsonb(Schema.Array(Schema.Struct({ sku: Schema.String, count: Schema.Int }))),
 *   total: DsqlModel.Numeric,
 *   version: DsqlModel.Bigint,
 *   created_at: DsqlModel.TimestamptzInsert
 * }) {}
 * ```
 *
 * @since 0.2.0
 * @category fields
 */
export const Jsonb = <S extends Schema.Top>(schema: S): Jsonb<S> => {
  const read = Schema.toCodecJson(schema)
  const written: WrittenJson<S> = Schema.declare(Statement.isFragment).pipe(
    // What is no JSON, because the fragment is another one, `read` refuses.
    Schema.decodeTo(
      read,
      SchemaTransformation.transform({ decode: (value) => valueOf(value) as Schema.Json, encode: fragment })
    )
  )
  return Model.Field({
    select: read,
    insert: written,
    update: written,
    json: schema,
    jsonCreate: schema,
    jsonUpdate: schema
  })
}

/**
 * A `timestamptz` column that the program sets. It keeps milliseconds.
 *
 * @since 0.2.0
 * @category fields
 */
export const Timestamptz: Column<Schema.DateTimeUtcFromDate, Schema.DateTimeUtcFromString> = column(
  Schema.DateTimeUtcFromDate,
  Schema.DateTimeUtcFromString
)

/**
 * A `timestamptz` column that is set when the row is inserted, by the program's clock, and then stays.
 *
 * @since 0.2.0
 * @category fields
 */
export const TimestamptzInsert: Model.DateTimeInsertFromDate = Model.DateTimeInsertFromDate

/**
 * A `timestamptz` column that is set when the row is inserted and whenever it is updated, by the program's clock.
 *
 * @since 0.2.0
 * @category fields
 */
export const TimestamptzUpdate: Model.DateTimeUpdateFromDate = Model.DateTimeUpdateFromDate

const least = -(2n ** 63n)
const most = 2n ** 63n - 1n

/**
 * The values of a `bigint` column. A branded one makes a key: `DsqlModel.Int8.pipe(Schema.brand("OrderNumber"))`.
 *
 * @since 0.2.0
 * @category schemas
 */
export const Int8: Schema.BigInt = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: least, maximum: most }))

/**
 * A `bigint` column; in JSON a string, because JSON's numbers are shorter.
 *
 * @since 0.2.0
 * @category fields
 */
export const Bigint: Column<Schema.BigInt, Schema.BigIntFromString> = column(Int8, Schema.BigIntFromString)

/**
 * A `bigint` key that is drawn from all positive ones when the row is inserted, so that rows spread. Among a hundred
 * million rows two of a key are drawn with a probability of about 0.05 percent, which ends in a `UniqueViolation`.
 *
 * @since 0.2.0
 * @category fields
 */
export const BigintInsert = <const B extends string>(
  schema: Schema.brand<Schema.BigInt, B>
): Key<Schema.brand<Schema.BigInt, B>, Schema.decodeTo<Schema.brand<Schema.BigInt, B>, Schema.BigIntFromString>> =>
  Model.Field({
    select: schema,
    insert: schema.pipe(Schema.withConstructorDefault(Effect.sync(drawn))),
    update: schema,
    json: Schema.BigIntFromString.pipe(Schema.decodeTo(schema))
  })

/** 63 random bits. */
const drawn = (): bigint => {
  const { buffer } = SecureRandom.randomBytesUnsafe(8)
  return new DataView(buffer).getBigUint64(0) >> 1n
}

/**
 * A `uuid` column that the program sets. It gives small letters, whatever was written.
 *
 * @since 0.2.0
 * @category fields
 */
export const Uuid: Column<Schema.String, Schema.String> = column(
  Schema.String.check(Schema.isUUID()),
  Schema.String.check(Schema.isUUID())
)

/**
 * A `uuid` key that is drawn when the row is inserted. It is a version 4, so that rows spread.
 *
 * @since 0.2.0
 * @category fields
 */
export const UuidInsert: <const B extends string>(schema: Schema.brand<Schema.String, B>) => Model.UuidV4Insert<B> =
  Model.UuidV4Insert

/**
 * A `bytea` column; in JSON base64.
 *
 * @since 0.2.0
 * @category fields
 */
export const Bytea: Column<Schema.Uint8Array, Schema.Uint8ArrayFromBase64> = column(
  Schema.Uint8Array,
  Schema.Uint8ArrayFromBase64
)

/**
 * A `numeric` column, exact. `NaN` and the infinities, which a column can hold, have no decimal and fail to decode.
 *
 * @since 0.2.0
 * @category fields
 */
export const Numeric: Column<Schema.BigDecimalFromString, Schema.BigDecimalFromString> = column(
  Schema.BigDecimalFromString,
  Schema.BigDecimalFromString
)

/**
 * Fields of models: each is stored in its column, read back as what was written, and the same in JSON.
 */
import { DsqlModel, Transaction } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { BigDecimal, DateTime, Effect, Layer, Option, Schema, String } from "effect"
import { Model } from "effect/schema"
import { SqlClient, SqlModel } from "effect/sql"
import { guarded } from "../../../test/database.ts"

const RowId = Schema.String.pipe(Schema.brand("RowId"))
const Number64 = DsqlModel.Int8.pipe(Schema.brand("Number64"))

class Row extends Model.Class<Row>("Row")({
  id: DsqlModel.UuidInsert(RowId),
  other: DsqlModel.Uuid,
  orderNumber: DsqlModel.BigintInsert(Number64),
  version: DsqlModel.Bigint,
  data: DsqlModel.Jsonb(
    Schema.Struct({
      at: Schema.DateTimeUtcFromString,
      big: Schema.BigIntFromString,
      deepKeys: Schema.Array(Schema.Int)
    })
  ),
  nothing: Model.FieldOption(DsqlModel.Jsonb(Schema.String)),
  bytes: DsqlModel.Bytea,
  amount: DsqlModel.Numeric,
  dueAt: DsqlModel.Timestamptz,
  createdAt: DsqlModel.TimestamptzInsert,
  updatedAt: DsqlModel.TimestamptzUpdate
}) {}

const rows = Layer.effectDiscard(
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      sql`CREATE TABLE ${sql("rows")} (
        id uuid PRIMARY KEY, other uuid, order_number bigint UNIQUE, version bigint, data jsonb, nothing jsonb,
        bytes bytea, amount numeric(38, 18), due_at timestamptz, created_at timestamptz, updated_at timestamptz)`
  )
)

const at = DateTime.makeUnsafe("2026-11-28T12:34:56.789Z")

const values = {
  other: "0b6f2a53-26ef-4e6c-9d1f-1a2b3c4d5e6f",
  version: 2n ** 63n - 1n,
  data: { at, big: 2n ** 60n, deepKeys: [1, 2] },
  nothing: Option.none(),
  bytes: Uint8Array.of(0, 1, 255),
  amount: BigDecimal.fromStringUnsafe("12345678901234567890.123456789012345678"),
  dueAt: at
}

layer(
  rows.pipe(
    Layer.provideMerge(
      Testing.layer({
        client: { guarded, transformQueryNames: String.camelToSnake, transformResultNames: String.snakeToCamel }
      })
    )
  ),
  { excludeTestServices: true }
)("a field of DsqlModel", (it) => {
  const repository = SqlModel.makeRepository(Row, { tableName: "rows", idColumn: "id", spanPrefix: "Rows" })

  it.effect("is stored and read back as it was written", () =>
    Effect.gen(function* () {
      const repo = yield* repository
      const stored = yield* Transaction.autocommit(repo.insert(Row.insert.make(values)))
      const { amount, createdAt, id, orderNumber, updatedAt, ...rest } = yield* repo.findById(stored.id)
      const { amount: written, ...others } = values
      assert.isTrue(BigDecimal.equals(amount, written))
      assert.deepStrictEqual({ ...rest }, others)
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
      assert.isTrue(orderNumber >= 0n)
      assert.isTrue(DateTime.isLessThanOrEqualTo(createdAt, updatedAt))
    })
  )

  it.effect("is changed by an update, and the time of the update with it", () =>
    Effect.gen(function* () {
      const repo = yield* repository
      const stored = yield* repo.insert(Row.insert.make(values))
      const data = { ...values.data, deepKeys: [3] }
      const changed = yield* repo.update(
        Row.update.make({ ...stored, data, nothing: Option.some("text"), updatedAt: undefined })
      )
      assert.deepStrictEqual(changed.data, data)
      assert.deepStrictEqual(changed.nothing, Option.some("text"))
      assert.deepStrictEqual(changed.createdAt, stored.createdAt)
      assert.isTrue(DateTime.isGreaterThanOrEqualTo(changed.updatedAt, stored.updatedAt))
    })
  )

  it.effect("goes to JSON and back", () =>
    Effect.gen(function* () {
      const repo = yield* repository
      const stored = yield* repo.insert(Row.insert.make(values))
      const codec = Schema.fromJsonString(Schema.toCodecJson(Row.json))
      const text = yield* Schema.encodeEffect(codec)(Row.json.make(stored))
      assert.include(text, `"version":"9223372036854775807"`)
      const { amount, ...rest } = yield* Schema.decodeEffect(codec)(text)
      const { amount: written, ...others } = stored
      assert.isTrue(BigDecimal.equals(amount, written))
      assert.deepStrictEqual({ ...rest }, { ...others })
    })
  )

  it.effect("refuses what its column cannot hold before anything is sent", () =>
    Effect.sync(() => {
      assert.throws(() => Row.insert.make({ ...values, version: 2n ** 63n }))
      assert.throws(() => Row.insert.make({ ...values, other: "no uuid" }))
    })
  )

  it.effect("draws another key for each row", () =>
    Effect.sync(() => {
      const drawn = Array.from({ length: 100 }, () => Row.insert.make(values))
      assert.strictEqual(new Set(drawn.map(({ orderNumber }) => orderNumber)).size, 100)
      assert.strictEqual(new Set(drawn.map(({ id }) => id)).size, 100)
      // Spread over the whole of what they may be: a hundred of 63 bits that all begin with 0 would not be.
      assert.isTrue(drawn.some(({ orderNumber }) => orderNumber >= 2n ** 62n))
    })
  )
})

/**
 * Effect's own SQL tools on the layer: names that are transformed, repositories and resolvers inside transactions, and
 * layers made of configuration.
 */
import { DsqlClient, DsqlModel, Fence, RetryPolicy, Transaction } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { PgTypes } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Redacted, Result, Schema, String } from "effect"
import { Model } from "effect/schema"
import { SqlClient, SqlModel, SqlResolver, SqlSchema } from "effect/sql"
import { database, guarded } from "../../../test/database.ts"
import { Control } from "../../../test/emulator.ts"

const policy = RetryPolicy.make({ base: "1 millis", jitter: "none", attempts: 5 })

const UserId = Schema.Int.pipe(Schema.brand("UserId"))

class User extends Model.Class<User>("User")({
  userId: UserId,
  fullName: Schema.String,
  homeTown: DsqlModel.Jsonb(Schema.Record(Schema.String, Schema.String)),
  rangeId: Schema.BigInt
}) {}

const user = (id: number) =>
  User.make({ userId: UserId.make(id), fullName: "Ada", homeTown: { cityName: "London" }, rangeId: 1n })

const transforms = { transformQueryNames: String.camelToSnake, transformResultNames: String.snakeToCamel }

const users = Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) =>
  sql.unsafe(
    "CREATE TABLE app_users (user_id integer PRIMARY KEY, full_name text, home_town jsonb, range_id bigint NOT NULL)"
  )
)

const words = Effect.map(
  Effect.flatMap(Control, (control) => control.statements()),
  (arrivals) => arrivals.map(({ sql }) => sql.split(" ")[0]?.toUpperCase())
)

layer(
  Layer.effectDiscard(users).pipe(
    Layer.provideMerge(Testing.layer({ client: { guarded, policy, nested: "join", ...transforms } }))
  ),
  { excludeTestServices: true }
)("names that are transformed", (it) => {
  const repository = SqlModel.makeRepository(User, {
    tableName: "appUsers",
    idColumn: "userId",
    spanPrefix: "Users"
  })

  it.effect("are those of a repository's model, and of keys within JSON", () =>
    Effect.gen(function* () {
      const repo = yield* repository
      assert.deepStrictEqual({ ...(yield* repo.insert(user(1))) }, { ...user(1) })
      const { sql } = yield* DsqlClient.DsqlClient
      assert.deepStrictEqual(yield* sql`SELECT full_name, home_town FROM app_users WHERE user_id = 1`, [
        { full_name: "Ada", home_town: { city_name: "London" } }
      ])
    })
  )

  it.effect("are as they are written in Transaction.sql and fences, in the same transaction", () =>
    Effect.gen(function* () {
      const repo = yield* repository
      const row = { table: "app_users", key: { user_id: 2 }, token: "range_id" }
      yield* Transaction.run(
        Effect.gen(function* () {
          yield* repo.insertVoid(user(2))
          const sql = yield* Transaction.sql
          assert.deepStrictEqual(yield* sql`SELECT full_name FROM app_users WHERE user_id = 2`, [{ full_name: "Ada" }])
          yield* Fence.compareAndSet(row, 1n, { range_id: 2n })
        })
      )
      assert.strictEqual((yield* repo.findById(UserId.make(2))).rangeId, 2n)
    })
  )

  it.effect("are left as they are by a client without transforms", () =>
    Effect.gen(function* () {
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      assert.deepStrictEqual(yield* sql`SELECT 1 AS "one_two"`, [{ one_two: 1 }])
    })
  )

  it.effect("are transformed in a joined part and in a stream as well", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = Effect.map(sql`SELECT 1 AS ${sql("oneTwo")}`, (found) => found)
      assert.deepStrictEqual(yield* sql.withTransaction(sql.withTransaction(rows)), [{ oneTwo: 1 }])
    })
  )
})

layer(
  Layer.effectDiscard(users).pipe(
    Layer.provideMerge(Testing.layer({ client: { guarded, policy, ...transforms, transformJson: false } }))
  ),
  { excludeTestServices: true }
)("Effect's repositories and resolvers", (it) => {
  const options = { tableName: "app_users", idColumn: "userId", spanPrefix: "Users" } as const
  const setUp = Effect.gen(function* () {
    const control = yield* Control
    yield* control.clear
    return { control, repo: yield* SqlModel.makeRepository(User, options) }
  })

  it.effect("leave keys within JSON alone where the options say so", () =>
    Effect.gen(function* () {
      const { repo } = yield* setUp
      const stored = yield* repo.insert(User.make({ ...user(10), homeTown: { city_name: "Paris" } }))
      assert.deepStrictEqual(stored.homeTown, { city_name: "Paris" })
    })
  )

  it.effect("are parts of Transaction.run, and start over with it", () =>
    Effect.gen(function* () {
      const { control, repo } = yield* setUp
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
      yield* control.reset
      const change = Effect.gen(function* () {
        yield* repo.insertVoid(user(11))
        const found = yield* repo.findById(UserId.make(11))
        return yield* repo.update(User.update.make({ ...found, fullName: "Grace" }))
      })
      assert.strictEqual((yield* Transaction.run(change, { policy })).fullName, "Grace")
      const once = ["BEGIN", "INSERT", "SELECT", "UPDATE", "COMMIT"]
      assert.deepStrictEqual(yield* words, [...once, ...once])
    })
  )

  it.effect("are one statement of Transaction.autocommit", () =>
    Effect.gen(function* () {
      const { control, repo } = yield* setUp
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
      yield* control.reset
      assert.strictEqual((yield* Transaction.autocommit(repo.insert(user(12)), { policy })).userId, 12)
      assert.deepStrictEqual(yield* words, ["INSERT", "INSERT"])
    })
  )

  it.effect("are sent again by themselves outside of both", () =>
    Effect.gen(function* () {
      const { control, repo } = yield* setUp
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1, 3] })
      yield* control.reset
      yield* repo.insert(user(13))
      yield* repo.delete(UserId.make(13))
      assert.deepStrictEqual(yield* words, ["INSERT", "INSERT", "DELETE", "DELETE"])
    })
  )

  it.effect("batch what is asked of them at once, in a transaction too", () =>
    Effect.gen(function* () {
      const { control } = yield* setUp
      const resolvers = yield* SqlModel.makeResolvers(User, options)
      const ids = [20, 21, 22]
      const insert = Effect.forEach(ids, (id) => SqlResolver.request(user(id), resolvers.insert), {
        concurrency: "unbounded"
      })
      const find = Effect.forEach(ids, (id) => SqlResolver.request(UserId.make(id), resolvers.findById), {
        concurrency: "unbounded"
      })
      yield* control.reset
      const found = yield* Transaction.run(Effect.andThen(insert, find))
      assert.deepStrictEqual(
        found.map(({ userId }) => userId),
        ids.map((id) => UserId.make(id))
      )
      assert.deepStrictEqual(yield* words, ["BEGIN", "INSERT", "SELECT", "COMMIT"])
    })
  )

  it.effect("ask by a schema", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const named = SqlSchema.findAll({
        Request: Schema.String,
        Result: User,
        execute: (name) => sql`SELECT * FROM app_users WHERE full_name = ${name}`
      })
      assert.deepStrictEqual(yield* named("nobody"), [])
    })
  )
})

const one = (what: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.map(sql.unsafe(`SELECT ${what} AS one`), (rows) => rows))

describe("DsqlClient", () => {
  it.live("reads values as a registry of types says", () =>
    Effect.gen(function* () {
      const url = yield* database
      const types = PgTypes.makeRegistry()
      types.register(20, { encode: () => Result.succeed(new Uint8Array(8)), decode: () => Result.succeed("a big one") })
      const rows = yield* one("1::int8").pipe(Effect.provide(DsqlClient.layerUrl({ url, types })))
      assert.deepStrictEqual(rows, [{ one: "a big one" }])
    })
  )

  it.live("has its options from configuration, for two databases in one program", () =>
    Effect.gen(function* () {
      const environment = {
        DSQL_URL: Redacted.value(yield* database),
        ORDERS_DSQL_URL: Redacted.value(yield* database),
        LEDGER: Redacted.value(yield* database),
        LEDGER_LIFE: "10 minutes"
      }
      const nameOf = <E>(live: Layer.Layer<DsqlClient.Provided, E>) =>
        Effect.gen(function* () {
          const { pool, sql } = yield* DsqlClient.DsqlClient
          const [row] = yield* sql<{ name: string }>`SELECT current_database() AS name`
          return [row?.name, (yield* pool).max]
        }).pipe(Effect.provide(live), Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(environment))))
      const named = (url: string) => new URL(url).pathname.slice(1)
      assert.deepStrictEqual(yield* nameOf(DsqlClient.layerConfig()), [named(environment.DSQL_URL), 10])
      assert.deepStrictEqual(yield* nameOf(DsqlClient.layerConfig(Config.nested(DsqlClient.environment, "ORDERS"))), [
        named(environment.ORDERS_DSQL_URL),
        10
      ])
      assert.deepStrictEqual(
        yield* nameOf(
          DsqlClient.layerConfig({
            url: Config.Redacted("LEDGER"),
            connectionLife: Config.Duration("LEDGER_LIFE"),
            maxConnections: Config.succeed(3),
            transformResultNames: Config.succeed(String.snakeToCamel)
          })
        ),
        [named(environment.LEDGER), 3]
      )
    })
  )

  it.effect("is built once where it is provided twice from the environment", () =>
    Effect.sync(() => assert.strictEqual(DsqlClient.layerConfig(), DsqlClient.layerConfig()))
  )

  it.live("can be made of what a program finds out first", () =>
    Effect.gen(function* () {
      const live = DsqlClient.layerFrom(Effect.flatMap(database, (url) => DsqlClient.makeUrl({ url })))
      assert.deepStrictEqual(yield* Effect.provide(one("1"), live), [{ one: 1 }])
    })
  )
})

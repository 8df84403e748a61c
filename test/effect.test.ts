/**
 * Every row of `docs/effect.md`, tried: Effect's own tool on an empty database, and what stands in for it here on one
 * with the built-in schemas.
 */
import { DsqlCluster, DsqlSingleRunner } from "@effect-dsql/cluster"
import { type DsqlClient, Transaction } from "@effect-dsql/core"
import { EffectMigrator, Outline, SchemaSource } from "@effect-dsql/schema"
import * as Here from "@effect-dsql/storage"
import { Testing } from "@effect-dsql/testing"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schema, type Scope, Stream } from "effect"
import {
  MessageStorage,
  RunnerAddress,
  RunnerStorage,
  ShardId,
  Sharding,
  ShardingConfig,
  SingleRunner,
  SqlMessageStorage,
  SqlRunnerStorage
} from "effect/cluster"
import { Digest } from "effect/crypto"
import {
  EventJournal,
  EventLogServerEncrypted,
  EventLogServerUnencrypted,
  SqlEventJournal,
  SqlEventLogServerEncrypted,
  SqlEventLogServerUnencrypted
} from "effect/eventlog"
import { KeyValueStore, Persistable, PersistedCache, PersistedQueue, Persistence } from "effect/persistence"
import { Model } from "effect/schema"
import { Migrator, SqlClient, SqlModel, SqlResolver, SqlSchema } from "effect/sql"
import { read } from "./pages.ts"

const rows = read("docs/effect.md")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .slice(2)
  .map((line) => {
    const [tool = "", asItIs = "", here = ""] = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
    return { tool, asItIs, here }
  })

type Program = Effect.Effect<unknown, unknown, DsqlClient.Provided | Scope.Scope>

/** Effect's own tool in use, and in its place what is here: undefined where nothing is. */
interface Tried {
  readonly effects: Program
  readonly here?: Program
}

const withSql = <A, E, R>(f: (sql: SqlClient.SqlClient) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(SqlClient.SqlClient, f)

const created = withSql((sql) => sql`CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)`)

const loader = Migrator.fromRecord({ "0001_users": Effect.asVoid(created) })

/** A use of a service, with the layer that provides it. */
const used = <R, A, E>(
  use: Effect.Effect<A, E, R>,
  provider: Layer.Layer<NoInfer<R>, unknown, DsqlClient.Provided>
): Program =>
  // All that the use asks for is what the layer provides.
  Effect.provide(use, Layer.fresh(provider)) as Effect.Effect<A, unknown, DsqlClient.Provided>

/** The same use, of Effect's own layer and of the one that is here. */
const same = <R, A, E>(
  use: Effect.Effect<A, E, R>,
  effects: Layer.Layer<NoInfer<R>, unknown, DsqlClient.Provided>,
  here: Layer.Layer<NoInfer<R>, unknown, DsqlClient.Provided>
): Tried => ({ effects: used(use, effects), here: used(use, here) })

class User extends Model.Class<User>("User")({ id: Schema.Int, name: Schema.String }) {}

class Find extends Persistable.Class<{ payload: { id: number } }>()("Find", {
  primaryKey: ({ id }) => String(id),
  success: Schema.String
}) {}

const kept = Effect.gen(function* () {
  const store = yield* KeyValueStore.KeyValueStore
  yield* store.set("k", "v")
  assert.strictEqual(yield* store.get("k"), "v")
})

const persisted = (storeId: string) =>
  Effect.gen(function* () {
    const store = yield* (yield* Persistence.Persistence).make({ storeId })
    yield* store.set(new Find({ id: 1 }), Exit.succeed("one"))
    assert.deepStrictEqual(yield* store.get(new Find({ id: 1 })), Exit.succeed("one"))
  }).pipe(Effect.scoped)

const cached = Effect.gen(function* () {
  const cache = yield* PersistedCache.make(({ id }: Find) => Effect.succeed(String(id)), {
    storeId: "users",
    timeToLive: () => "1 hour"
  })
  assert.strictEqual(yield* cache.get(new Find({ id: 1 })), "1")
}).pipe(Effect.scoped)

const queued = Effect.gen(function* () {
  const queue = yield* (yield* PersistedQueue.PersistedQueueFactory).make({ name: "q", schema: Schema.String })
  yield* queue.offer("job")
  assert.strictEqual(yield* queue.take(Effect.succeed), "job")
})

const payload = new Uint8Array([1])

const journaled = Effect.gen(function* () {
  const journal = yield* EventJournal.EventJournal
  yield* journal.write({ event: "A", primaryKey: "a", payload, effect: () => Effect.void })
  assert.lengthOf(yield* journal.entries, 1)
})

const logged = Effect.gen(function* () {
  const storage = yield* EventLogServerUnencrypted.Storage
  const entry = new EventJournal.Entry(
    { id: EventJournal.makeEntryIdUnsafe(), event: "A", primaryKey: "a", payload },
    { disableChecks: true }
  )
  // Any text is a store's id.
  const storeId = "store" as Parameters<typeof storage.write>[0]
  const changes = yield* Effect.andThen(
    storage.write(storeId, [entry]),
    Stream.runHead(storage.changes({ storeId, startSequence: 0, compactors: new Map() }))
  )
  assert.strictEqual(changes.valueOrUndefined?.remoteSequence, 1)
})

const shard = ShardId.make("default", 1)

const polled = Effect.flatMap(MessageStorage.MessageStorage, (storage) => storage.unprocessedMessages([shard]))

const acquired = Effect.gen(function* () {
  const runners = yield* RunnerStorage.RunnerStorage
  assert.deepStrictEqual(yield* runners.acquire(RunnerAddress.make("localhost", 1), [shard]), [shard])
})

const sharded = Effect.flatMap(Sharding.Sharding, ({ getSnowflake }) => getSnowflake)

const encrypted = Effect.gen(function* () {
  const storage = yield* EventLogServerEncrypted.Storage
  const batch = { entryIds: [EventJournal.makeEntryIdUnsafe()] as const, iv: payload, encryptedBatch: payload }
  // Any text is a store's id.
  const storeId = "store" as Parameters<typeof storage.write>[1]
  const changes = yield* Effect.andThen(
    storage.write("key", storeId, [batch]),
    Stream.runHead(storage.changes("key", storeId, 0))
  )
  assert.strictEqual(changes.valueOrUndefined?.sequence, 1)
})

const sharding = ShardingConfig.layer()

const cluster = DsqlCluster.layerWith({ prefix: "effect" })

const multiTable = Here.Persistence.layerSqlMultiTable.pipe(
  Layer.provide(
    Layer.effectDiscard(
      withSql(
        (sql) =>
          sql`CREATE TABLE IF NOT EXISTS effect_persistence_users (id TEXT PRIMARY KEY, value TEXT NOT NULL, expires TIMESTAMPTZ NULL)`
      )
    )
  )
)

const tools: Readonly<Record<string, Tried>> = {
  "`SqlClient`, `PgClient`": {
    effects: Effect.andThen(
      created,
      withSql((sql) => sql`INSERT INTO users ${sql.insert([{ id: 1, name: "Ada" }]).returning("id")}`)
    )
  },
  "`SqlClient.withTransaction`": {
    effects: Effect.andThen(
      created,
      withSql((sql) => sql.withTransaction(sql.withTransaction(sql`INSERT INTO users VALUES (1, 'Ada')`)))
    ),
    here: Transaction.run(Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1`))
  },
  "`SqlClient.reactive`": { effects: withSql((sql) => Stream.runHead(sql.reactive(["users"], sql`SELECT 1`))) },
  "`PgClient.listen`": {
    effects: Effect.flatMap(PgClient.PgClient, (client) => client.listen("users"))
  },
  "`SqlSchema`": {
    effects: withSql((sql) =>
      SqlSchema.findAll({
        Request: Schema.Int,
        Result: Schema.Struct({ n: Schema.Int }),
        execute: (n) => sql`SELECT ${n}::integer AS n`
      })(1)
    )
  },
  "`SqlResolver`": {
    effects: Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* created
      yield* sql`INSERT INTO users ${sql.insert({ id: 1, name: "Ada" })}`
      const resolver = SqlResolver.findById({
        Id: Schema.Int,
        Result: User,
        ResultId: ({ id }) => id,
        execute: (ids) => sql`SELECT * FROM users WHERE ${sql.in("id", ids)}`
      })
      assert.strictEqual((yield* SqlResolver.request(1, resolver)).name, "Ada")
    })
  },
  "`SqlModel`": {
    effects: Effect.gen(function* () {
      yield* created
      const users = yield* SqlModel.makeRepository(User, { tableName: "users", idColumn: "id", spanPrefix: "Users" })
      yield* users.insert(User.make({ id: 1, name: "Ada" }))
      assert.strictEqual((yield* users.findById(1)).name, "Ada")
    })
  },
  "`Migrator`": {
    effects: Migrator.make({})({ loader }),
    here: Effect.gen(function* () {
      assert.deepStrictEqual(yield* EffectMigrator.run({ loader }), [[1, "users"]])
      assert.deepStrictEqual(yield* EffectMigrator.run({ loader }), [])
    })
  },
  "`KeyValueStore.layerSql`": same(kept, KeyValueStore.layerSql(), Here.KeyValueStore.layerSql()),
  "`Persistence.layerSql`": same(persisted("users"), Persistence.layerSql, Here.Persistence.layerSql),
  "`Persistence.layerSqlMultiTable`": same(persisted("users"), Persistence.layerSqlMultiTable, multiTable),
  "`PersistedCache`": same(cached, Persistence.layerSqlMultiTable, Here.Persistence.layerSql),
  "`PersistedQueue.layerStoreSql`": same(
    queued,
    PersistedQueue.layer.pipe(Layer.provide(PersistedQueue.layerStoreSql())),
    PersistedQueue.layer.pipe(Layer.provide(Here.PersistedQueue.layerStoreSql()))
  ),
  "`SqlEventJournal`": same(journaled, SqlEventJournal.layer(), Here.SqlEventJournal.layer()),
  "`SqlEventLogServerUnencrypted`": same(
    logged,
    SqlEventLogServerUnencrypted.layerStorage(),
    Here.SqlEventLogServerUnencrypted.layerStorage()
  ),
  "`SqlEventLogServerEncrypted`": same(
    encrypted,
    SqlEventLogServerEncrypted.layerStorageSubtle(),
    Here.SqlEventLogServerEncrypted.layerStorageSubtle()
  ),
  "`SqlMessageStorage`": same(
    polled,
    SqlMessageStorage.layer.pipe(Layer.provide(Layer.merge(sharding, Digest.layerWebCrypto))),
    cluster
  ),
  "`SqlRunnerStorage`": same(acquired, SqlRunnerStorage.layer.pipe(Layer.provide(sharding)), cluster),
  "`SingleRunner`": same(
    sharded,
    SingleRunner.layer().pipe(Layer.provide(Digest.layerWebCrypto)),
    DsqlSingleRunner.layer({ prefix: "effect" })
  )
}

describe("docs/effect.md", () => {
  it("has these rows and no others", () => {
    assert.deepStrictEqual(
      rows.map(({ tool }) => tool),
      Object.keys(tools)
    )
  })

  it.live.each(rows)("$tool works as it is on an empty database: $asItIs", ({ asItIs, tool }) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.scoped(tools[tool]?.effects ?? Effect.void))
      assert.strictEqual(Exit.isSuccess(exit) ? "yes" : "no", asItIs, String(exit))
    }).pipe(Effect.provide(Testing.layer({ client: { nested: "join" } })))
  )

  it.live.each(rows.filter(({ here }) => here !== "–"))("$tool has $here, which works", ({ tool }) =>
    Effect.scoped(tools[tool]?.here ?? Effect.die(new Error("there is nothing to try"))).pipe(
      Effect.provide(
        Testing.layer({ source: Effect.all(Outline.builtInNames.map((name) => SchemaSource.builtIn(name))) })
      )
    )
  )

  it("names something here for no tool that has nothing", () => {
    for (const { here, tool } of rows) assert.strictEqual(here !== "–", tools[tool]?.here !== undefined, tool)
  })
})

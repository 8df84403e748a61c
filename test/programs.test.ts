/**
 * The programs in the documentation run, and do what is said beside them. That they compile is `examples.test.ts`'s.
 */
import { DsqlClient, Transaction } from "@effect-dsql/core"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Logger, Redacted } from "effect"
import { clusterDatabase } from "./database.ts"
import { printed } from "./printed.ts"

/** What a page exports. Its types are `examples.test.ts`'s. */
const exported = <A>(page: string, name: string): Effect.Effect<A> =>
  Effect.promise(async () => (await import(/* @vite-ignore */ printed(page, `export const ${name} =`)))[name])

/** Runs a program, and gives the messages that it logged. */
const logged = <E>(program: Effect.Effect<unknown, E>) => {
  const messages: Array<string> = []
  const logger = Logger.make(({ message }) => messages.push(String(message)))
  return Effect.as(Effect.provide(program, Logger.layer([logger])), messages)
}

/** A database of its own, as the environment names it. */
const environment = Effect.map(clusterDatabase, (url) => ({
  client: DsqlClient.layerUrl({ url }),
  variables: ConfigProvider.layer(ConfigProvider.fromEnvRecord({ DSQL_URL: Redacted.value(url) }))
}))

const rows = (text: string) =>
  Transaction.autocommit(Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(text).unprepared))

describe("the program of", () => {
  it.live("README.md adds a task while it owns the shard, and says so where it does not", () =>
    Effect.gen(function* () {
      const { client, variables } = yield* environment
      const main = yield* exported<Effect.Effect<void, unknown>>("README.md", "main")
      yield* Effect.gen(function* () {
        const migrator = yield* Migrator.Migrator
        yield* migrator.setup({ source: yield* SchemaSource.builtIn() })
        yield* rows("INSERT INTO shards (shard_id, range_id, data, data_encoding) VALUES (7, 5, '', '')")
        assert.deepStrictEqual(yield* logged(Effect.provide(main, variables)), [])
        assert.deepStrictEqual(yield* rows("SELECT shard_id, task_id FROM transfer_tasks"), [
          { shard_id: 7, task_id: 42n }
        ])
        yield* rows("UPDATE shards SET range_id = 6")
        const [message = ""] = yield* logged(Effect.provide(main, variables))
        assert.match(message, /^not the owner any more: /)
      }).pipe(Effect.provide(Migrator.layer.pipe(Layer.provideMerge(client), Layer.provideMerge(NodeServices.layer))))
    })
  )

  it.live("the schema package migrates when it starts", () =>
    Effect.gen(function* () {
      const { client, variables } = yield* environment
      const live = yield* exported<Layer.Layer<DsqlClient.DsqlClient, unknown>>("packages/schema/README.md", "live")
      yield* Effect.scoped(Layer.build(Layer.provide(live, variables)))
      const versions = yield* Effect.provide(rows("SELECT curr_version FROM schema_version"), client)
      assert.deepStrictEqual(versions, [{ curr_version: "1.1" }])
    })
  )

  it.live("the simulator prints its table", () =>
    Effect.flatMap(exported<Effect.Effect<void, unknown>>("packages/simulator/README.md", "program"), logged)
  )

  const unknown = [
    ["README.md", "test"],
    ["docs/from-postgresql.md", "rehearsal"]
  ] as const
  it.live.each(unknown)("%s hears that an outcome is unknown: %s", ([page, name]) =>
    Effect.gen(function* () {
      const program = yield* exported<Effect.Effect<void, unknown>>(page, name)
      assert.include(yield* logged(program), "CommitOutcomeUnknown")
    })
  )
})

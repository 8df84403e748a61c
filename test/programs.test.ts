/**
 * The programs in the documentation run, and do what is said beside them. That they compile is `examples.test.ts`'s.
 */
import { DsqlClient, Transaction } from "@effect-dsql/core"
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
  it.live("README.md ships an order while it owns the desk, and says so where it does not", () =>
    Effect.gen(function* () {
      const { client, variables } = yield* environment
      const main = yield* exported<Effect.Effect<void, unknown>>("README.md", "main")
      yield* Effect.gen(function* () {
        yield* rows("CREATE TABLE desks (name TEXT PRIMARY KEY, epoch BIGINT NOT NULL)")
        yield* rows("CREATE TABLE orders (id TEXT PRIMARY KEY, shipped TIMESTAMPTZ)")
        yield* rows("INSERT INTO desks VALUES ('main', 5)")
        yield* rows("INSERT INTO orders (id) VALUES ('0e1f9c52-8a35-4f2b-8b55-1c0d5d7f1a01')")
        assert.deepStrictEqual(yield* logged(Effect.provide(main, variables)), [])
        assert.deepStrictEqual(yield* rows("SELECT shipped IS NOT NULL AS shipped FROM orders"), [{ shipped: true }])
        yield* rows("UPDATE desks SET epoch = 6")
        const [message = ""] = yield* logged(Effect.provide(main, variables))
        assert.match(message, /^not the owner any more: /)
      }).pipe(Effect.provide(client))
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

  it.live("docs/from-postgresql.md hears that an outcome is unknown", () =>
    Effect.gen(function* () {
      const rehearsal = yield* exported<Effect.Effect<void, unknown>>("docs/from-postgresql.md", "rehearsal")
      assert.include(yield* logged(rehearsal), "CommitOutcomeUnknown")
    })
  )
})

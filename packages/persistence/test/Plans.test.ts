/**
 * How a server does what the stores send, on a filled database: along an index, whether it knows of the tables' sizes or
 * not, and whether it plans for the parameters of a statement or for any.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { faults } from "../../../test/planFaults.ts"
import * as Plans from "../../../test/plans.ts"
import { everyOperation } from "./support/everyOperation.ts"
import { growing } from "./support/filled.ts"
import { Filled, FilledDatabase } from "./support/filledDatabase.ts"

/** Rows that one statement may read: those of a page, or of a part of a range that is deleted, each a few times. */
const most = 3_100

/** Runs every operation, on connections that have seen nothing before, and gives what is wrong with how it was done. */
const faulty = (mode: Plans.Mode) =>
  Effect.gen(function* () {
    const { schema, url } = yield* Filled
    const listener = yield* Plans.listen(url, mode)
    const stores = Layer.fresh(Persistence.layer).pipe(Layer.provideMerge(DsqlClient.layerUrl({ url: listener.url })))
    return yield* Effect.gen(function* () {
      const found: Array<string> = []
      for (const [name, readied] of everyOperation) {
        const operation = yield* readied
        listener.take()
        yield* operation
        const plans = listener.take()
        if (plans.length === 0) found.push(`${name}: nothing was heard of it`)
        for (const fault of yield* faults(plans, { growing, schema, most })) found.push(`${name}: ${fault}`)
      }
      return found
    }).pipe(Effect.provide(stores))
  }).pipe(Effect.scoped)

/** What would cost more with each row that lies around it, and how that is found. */
const bad: Readonly<Record<string, readonly [sql: string, fault: string]>> = {
  "reads all of a table": ["SELECT * FROM transfer_tasks WHERE task_id + 0 = 5", "all of transfer_tasks is read"],
  "sorts what an index gives": [
    "SELECT * FROM transfer_tasks WHERE shard_id = 7 ORDER BY task_id + 0 LIMIT 1",
    "rows of transfer_tasks are sorted"
  ],
  "reads more than it has to": ["SELECT count(*) FROM transfer_tasks WHERE shard_id = 7", "many rows are read"],
  "compares across types": [
    "SELECT * FROM timer_tasks WHERE shard_id = 7 AND visibility_timestamp = TIMESTAMPTZ '2030-01-01 00:00:07+00'",
    "timer_tasks.visibility_timestamp is timestamp and is compared as timestamptz: no index on it is used"
  ]
}

layer(FilledDatabase, { excludeTestServices: true })("on a filled database", (it) => {
  const modes = ["force_custom_plan", "force_generic_plan"] as const
  const asFor = { force_custom_plan: "the parameters of each", force_generic_plan: "any parameters" }

  for (const mode of modes) {
    it.effect(
      `every statement goes along an index, planned for ${asFor[mode]}, where nothing is known of the tables`,
      () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* faulty(mode), [])
        })
    )
  }

  for (const mode of modes) {
    it.effect(`every statement goes along an index, planned for ${asFor[mode]}, where the tables are analysed`, () =>
      Effect.gen(function* () {
        const { url } = yield* Filled
        const analyse = Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql`ANALYZE`)
        yield* Effect.provide(analyse, DsqlClient.layerUrl({ url }))
        assert.deepStrictEqual(yield* faulty(mode), [])
      })
    )
  }

  for (const [name, [sql, fault]] of Object.entries(bad)) {
    it.effect(`a statement is found that ${name}`, () =>
      Effect.gen(function* () {
        const { schema, url } = yield* Filled
        const listener = yield* Plans.listen(url, "force_custom_plan")
        const send = Effect.flatMap(DsqlClient.DsqlClient, (client) => client.sql.unsafe(sql))
        yield* Effect.provide(send, DsqlClient.layerUrl({ url: listener.url }))
        const found = yield* faults(listener.take(), { growing, schema, most })
        assert.include(
          found.map((each) => each.split("\n")[0]?.replace(/^\d+/, "many")),
          fault
        )
      }).pipe(Effect.scoped)
    )
  }
})

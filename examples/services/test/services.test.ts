import { assert, layer } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { DsqlClient } from "@effect-dsql/core"
import { Effect } from "effect"
import * as Backend from "../src/Backend.ts"
import * as Scenario from "../src/Scenario.ts"
import { refusedStatements } from "../src/Statements.ts"

const rounds = 2

const completed = [
  "Started",
  "ActivityScheduled",
  "ActivityCompleted",
  "TimerStarted",
  "TimerFired",
  "Signaled",
  "Completed"
]

layer(NodeServices.layer, { excludeTestServices: true })("a backend of four roles", (it) => {
  it.effect("runs workflows to their end over HTTP while shards move, with statements that Aurora DSQL takes", () =>
    Effect.gen(function* () {
      const backend = yield* Backend.start
      const { activity, moves, orders, runs } = yield* Scenario.run(backend, { orders: 4, rounds })

      for (const [index, { events, id, result }] of orders.entries()) {
        assert.deepStrictEqual(events.toSorted(), completed.toSorted(), id)
        assert.strictEqual(result, `${rounds} x ${id}`)
        assert.lengthOf(runs[index] ?? [], rounds, id)
      }
      assert.deepStrictEqual([activity.status, activity.result], ["Completed", "hello, world"])
      assert.isAbove(moves, 0)

      yield* Effect.gen(function* () {
        const { sql } = yield* DsqlClient.DsqlClient
        const open = yield* sql<{ readonly count: bigint }>`
            SELECT count(*) AS count FROM current_executions WHERE state <> 3`
        assert.strictEqual(open[0]?.count, 0n)
        const chasm = yield* sql<{ readonly business_id: string }>`SELECT business_id FROM current_chasm_executions`
        assert.deepStrictEqual(chasm, [{ business_id: "greeting" }])
      }).pipe(Effect.provide(backend.client))

      for (const { url } of [backend.processes.frontend, ...backend.processes.histories]) {
        const health = yield* Effect.promise(() => fetch(`${url}/health`))
        assert.strictEqual(health.status, 200)
      }
      const metrics = yield* Effect.promise(async () =>
        (await fetch(`${backend.processes.histories[0].url}/metrics`)).text()
      )
      assert.match(metrics, /dsql_tx_latency/)

      const { refused, total } = yield* refusedStatements(backend.emulator)
      assert.isAbove(total, 100)
      assert.deepStrictEqual(refused, [])

      const { frontend, histories, matching, worker } = backend.processes
      for (const { stop } of [worker, frontend, ...histories, matching]) {
        assert.oneOf(yield* stop, [0, 130, 143])
      }
    }).pipe(Effect.scoped)
  )
})

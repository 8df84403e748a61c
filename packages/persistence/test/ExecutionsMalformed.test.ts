import { DsqlClient } from "@effect-dsql/core"
import { Archetype, Executions } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { created, executionOf, mutation, place, snapshot } from "./support/executions.ts"
import { blob } from "./support/rows.ts"
import { describeStores } from "./support/persistence.ts"

/** A column of each table, and what it holds that it should not. */
const spoiled = [
  ["executions", "data_encoding", "'Thrift'"],
  ["executions", "state_encoding", "'Thrift'"],
  ["activity_info_maps", "data_encoding", "NULL"],
  ["timer_info_maps", "data_encoding", "'Thrift'"],
  ["child_execution_info_maps", "data_encoding", "NULL"],
  ["request_cancel_info_maps", "data_encoding", "''"],
  ["signal_info_maps", "data_encoding", "'proto3'"],
  ["signals_requested_sets", "signal_id", "''"],
  ["chasm_node_maps", "metadata_encoding", "NULL"],
  ["chasm_node_maps", "data_encoding", "'Thrift'"],
  ["buffered_events", "data_encoding", "'Thrift'"]
] as const

describeStores("a row that does not decode", (it) => {
  for (const [table, column, value] of spoiled) {
    it.effect(`is named with its key, and spoils nothing else: ${column} ${value} in ${table}`, () =>
      Effect.gen(function* () {
        const executions = yield* Executions.Executions
        const at = yield* place(Archetype.workflow)
        const run = yield* created(at)
        const { runId } = run
        const change = mutation(runId, 1n, { bufferEvents: [blob(), blob()] })
        yield* executions.update(at, { mode: "UpdateCurrent", mutation: change })
        const whole = yield* executions.get({ ...at, runId })
        const { sql } = yield* DsqlClient.DsqlClient
        // One row of the table, and of the nodes one that has data.
        yield* sql.unsafe(
          `UPDATE ${table} SET ${column} = ${value} WHERE ctid = (SELECT min(ctid) FROM ${table} WHERE run_id = $1${
            table === "chasm_node_maps" ? " AND data IS NOT NULL" : ""
          })`,
          [runId]
        )
        const malformed = yield* Effect.flip(executions.get({ ...at, runId }))
        assert.include(malformed, { _tag: "MalformedRow", table } as const)
        assert(malformed._tag === "MalformedRow")
        assert.include(malformed.key, `run_id = ${runId}`)
        assert.include(malformed.reason, column)

        const { execution, malformed: found, ...parts } = yield* executions.salvage({ ...at, runId })
        assert.strictEqual(found.length, 1)
        assert.strictEqual(found[0]?.message, malformed.message)
        const expected = table === "executions" ? Option.none() : Option.some(executionOf(change, 2n))
        assert.deepStrictEqual(execution, expected)
        const { execution: _, ...all } = whole
        const sizes = (of: Omit<typeof whole, "execution">) =>
          Object.values(of).reduce((sum, part) => sum + ("size" in part ? part.size : part.length), 0)
        assert.strictEqual(sizes(all) - sizes(parts), table === "executions" ? 0 : 1)
      })
    )
  }

  it.effect("is named where it is in the way of a write", () =>
    Effect.gen(function* () {
      const executions = yield* Executions.Executions
      const at = yield* place(Archetype.workflow)
      yield* created(at)
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE current_executions SET status = 99 WHERE shard_id = ${at.shardId}`
      const malformed = yield* Effect.flip(executions.create(at, { _tag: "BrandNew" }, snapshot()))
      assert.include(malformed, { _tag: "MalformedRow", table: "current_executions" } as const)
      assert.include(malformed.message, "status")
    })
  )
})

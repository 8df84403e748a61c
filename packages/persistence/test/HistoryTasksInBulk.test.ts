/**
 * A hundred thousand tasks in one range: read in the memory of a page, deleted in transactions below the limits,
 * whatever happens in between.
 */
import { Transaction } from "@effect-dsql/core"
import { HistoryTask, HistoryTasks, Shards } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { heldBytes } from "../../../test/heldBytes.ts"
import { Control } from "./support/emulated.ts"
import { blob, shardId } from "./support/rows.ts"
import { describeEmulated } from "./support/persistence.ts"

const range = { shardId: shardId(), rangeId: 5n, category: HistoryTask.transfer, min: 1n, max: 100_001n }

/** Fills the range up to `count`, in transactions that DSQL takes. A task has a kilobyte. */
const fill = (count: number) =>
  Effect.gen(function* () {
    for (let from = 1; from <= count; from += 3_000) {
      const insert = Effect.flatMap(
        Transaction.sql,
        (sql) => sql`
        INSERT INTO transfer_tasks (shard_id, task_id, data, data_encoding)
        SELECT ${range.shardId}::integer, id, convert_to(repeat(id::text, 200), 'UTF8'), 'Proto3'
        FROM generate_series(${from}::bigint, ${Math.min(count, from + 2_999)}::bigint) AS id`
      )
      yield* Transaction.autocommit(insert)
    }
  })

const remaining = Transaction.autocommit(
  Effect.gen(function* () {
    const sql = yield* Transaction.sql
    const [row] = yield* sql<{ readonly count: bigint }>`
      SELECT count(*) AS count FROM transfer_tasks WHERE shard_id = ${range.shardId}`
    return Number(row?.count)
  }),
  { readOnly: true }
)

/** Deletes that arrived since the last reset. */
const deletes = Effect.gen(function* () {
  const control = yield* Control
  return (yield* control.statements()).filter(({ sql }) => sql.includes("DELETE FROM")).length
})

describeEmulated("a hundred thousand tasks", (it) => {
  it.effect("are read in the memory of a page and deleted below the limits, after a kill and a cut", () =>
    Effect.gen(function* () {
      const { immediate } = yield* HistoryTasks.HistoryTasks
      const control = yield* Control
      const shards = yield* Shards.Shards
      yield* shards.getOrCreate(range.shardId, () => ({ rangeId: range.rangeId, info: blob() }))
      yield* fill(100_000)

      yield* Stream.runDrain(immediate.stream({ ...range, max: 2_000n }, { size: 1_000 }))
      yield* control.reset
      const before = heldBytes()
      let highest = 0
      let read = 0
      yield* immediate.stream(range, { size: 1_000 }).pipe(
        Stream.runForEachArray((page) =>
          Effect.sync(() => {
            assert.isAtMost(page.length, 1_000)
            assert.strictEqual(page[0]?.taskId, BigInt(read + 1))
            read += page.length
            if (read % 20_000 === 0) highest = Math.max(highest, heldBytes() - before)
          })
        )
      )
      assert.strictEqual(read, 100_000)
      assert.strictEqual((yield* control.counts()).roundTrips, 100)
      // All of it would be a hundred megabytes; what is held is a page of one or two.
      assert.isBelow(highest, 20 * 1024 * 1024)

      assert.strictEqual(yield* immediate.deleteRange(range, { limit: 3_200 }), 3_200)
      assert.strictEqual(yield* remaining, 96_800)

      // The connection is cut at the second statement, which is sent again.
      yield* control.inject({ on: "statement", fault: "cut", nth: [2] })
      assert.strictEqual(yield* immediate.deleteRange(range, { limit: 800 }), 800)
      yield* control.clear
      assert.strictEqual(yield* remaining, 96_000)

      yield* control.reset
      assert.strictEqual(yield* immediate.deleteRange(range), 96_000)
      // 500 rows in each; the last finds nothing.
      assert.strictEqual(yield* deletes, 193)
      assert.strictEqual(yield* remaining, 0)
    })
  )
})

/**
 * How long it takes to list many rows and to delete them, and in which memory: of what is linear, the last tenth takes
 * as long as the first.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Executions, type ExecutionWrite, Identifiers } from "@effect-dsql/persistence"
import { Clock, Console, Effect, Stream } from "effect"
import { created, noParts } from "../../packages/persistence/test/support/executions.ts"
import { place } from "../../packages/persistence/test/support/filled.ts"
import { hotRows } from "../../packages/persistence/test/support/hotRows.ts"

const millisOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = yield* Clock.monotonicTimeNanos
    const value = yield* work
    return [value, Number((yield* Clock.monotonicTimeNanos) - start) / 1e6] as const
  })

const mebibytes = () => process.memoryUsage().rss / 2 ** 20

/** The most memory that a process has while something runs, looked at now and then. */
const peakOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let peak = mebibytes()
    const timer = setInterval(() => (peak = Math.max(peak, mebibytes())), 20)
    return Effect.map(
      Effect.ensuring(
        work,
        Effect.sync(() => clearInterval(timer))
      ),
      (value) => [value, Math.max(peak, mebibytes())] as const
    )
  })

/** Lists and deletes what lies in the hot places of a filled database. */
export const draining = (rows: number) =>
  Effect.gen(function* () {
    const tenth = Math.floor(rows / 10)
    yield* Console.log(`\nMilliseconds for 1,000 rows of ${rows.toLocaleString("en-US")}`)
    const heads = ["listed", "deleted first", "deleted last", "peak MiB"].map((head) => head.padStart(15)).join("")
    yield* Console.log(`  ${"".padEnd(30)}${heads}`)
    for (const [name, { remove, stream }] of Object.entries(yield* hotRows)) {
      const work = Effect.gen(function* () {
        const [count, listed] = yield* millisOf(Stream.runCount(stream))
        const parts: Array<number> = []
        for (let part = 0; part < 10; part++) parts.push((yield* millisOf(remove(tenth)))[1])
        return [(listed / count) * 1000, ((parts[0] ?? 0) / tenth) * 1000, ((parts[9] ?? 0) / tenth) * 1000]
      })
      const [figures, peak] = yield* peakOf(work)
      const cells = [...figures.map((figure) => figure.toFixed(2)), peak.toFixed(0)]
      yield* Console.log(`  ${name.padEnd(30)}${cells.map((text) => text.padStart(15)).join("")}`)
    }
  })

const activities = 2_000

/** Deletes runs of so many activities. */
export const runsOf = (sizes: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    yield* Console.log("\nMilliseconds to delete a run with so many activities")
    const executions = yield* Executions.Executions
    const { sql } = yield* DsqlClient.DsqlClient
    for (const size of sizes) {
      const at = place()
      const { runId } = yield* created(at, noParts satisfies Partial<ExecutionWrite.Snapshot>)
      for (let from = 0; from < size; from += activities) {
        yield* sql`
          INSERT INTO activity_info_maps (shard_id, namespace_id, workflow_id, run_id, schedule_id, data, data_encoding)
          SELECT ${at.shardId}::integer, ${at.namespaceId}::uuid, ${at.businessId}::text, ${runId}::uuid, i, '', 'Proto3'
          FROM generate_series(${from}::bigint, ${Math.min(from + activities, size) - 1}::bigint) AS i`
      }
      const [, millis] = yield* millisOf(executions.delete(at, Identifiers.RunId.make(runId)))
      yield* Console.log(`  ${size.toLocaleString("en-US").padStart(30)}${millis.toFixed(0).padStart(15)}`)
    }
  })

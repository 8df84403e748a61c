/**
 * What must hold after the fight, checked against what the workers were told.
 */
import { DsqlClient, Transaction } from "@effect-dsql/core"
import { CurrentExecutions, Identifiers, Shards } from "@effect-dsql/persistence"
import { Effect, Option } from "effect"
import * as Counter from "./Counter.ts"
import type { Result } from "./Protocol.ts"

/** A promise of the toolkit, and what was found. */
export interface Check {
  readonly promise: string
  readonly found: string
  readonly holds: boolean
}

/** Checks everything that the workers acknowledge against the database. */
export const checks = (results: ReadonlyArray<Result>, shardCount: number) =>
  Effect.all([
    noLostUpdate(results, shardCount),
    oneOwnerPerRange(results, shardCount),
    everyWritePresent(results),
    Effect.succeed(noStaleWrite(results))
  ])

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, number) => total + number, 0)

const shardIds = (count: number) => Array.from({ length: count }, (_, index) => Identifiers.ShardId.make(index + 1))

/** A counter is what was acknowledged, or more by what ended unknown, and never less. */
const noLostUpdate = Effect.fnUntraced(function* (results: ReadonlyArray<Result>, shardCount: number) {
  const current = yield* CurrentExecutions.CurrentExecutions
  const counts = yield* Effect.forEach(shardIds(shardCount), (shardId) =>
    Effect.map(
      Transaction.autocommit(current.find(Counter.key(shardId)), { readOnly: true }),
      Option.match({ onNone: () => 0, onSome: (row) => Counter.content(row).count })
    )
  )
  const acknowledged = sum(results.flatMap((result) => result.increments.map((increment) => increment.count)))
  const unknown = sum(results.map((result) => result.unknown))
  const stored = sum(counts)
  return {
    promise: "no update is lost",
    found: `${stored} increments stored, ${acknowledged} acknowledged, ${unknown} unknown`,
    holds: stored >= acknowledged && stored <= acknowledged + unknown
  }
})

/** No range was given to two owners, and no range was skipped or taken back. */
const oneOwnerPerRange = Effect.fnUntraced(function* (results: ReadonlyArray<Result>, shardCount: number) {
  const shards = yield* Shards.Shards
  const taken = results.flatMap((result) => result.takeovers)
  const ranges = new Set(taken.map(({ rangeId, shardId }) => `${shardId}/${rangeId}`))
  const stored = yield* Effect.forEach(shardIds(shardCount), (shardId) =>
    Effect.map(shards.find(shardId), Option.match({ onNone: () => 0, onSome: (shard) => Number(shard.rangeId) }))
  )
  const unknown = sum(results.map((result) => result.unknown))
  return {
    promise: "one owner per range",
    found: `${taken.length} takeovers of ${ranges.size} ranges, ${sum(stored)} ranges stored`,
    holds: ranges.size === taken.length && sum(stored) >= taken.length && sum(stored) <= taken.length + unknown
  }
})

/** Every execution whose start was acknowledged is there, with the run that was acknowledged. */
const everyWritePresent = Effect.fnUntraced(function* (results: ReadonlyArray<Result>) {
  const { sql } = yield* DsqlClient.DsqlClient
  const started = results.flatMap((result) => result.started)
  const rows = yield* sql<{ shard_id: number; workflow_id: string; run_id: string }>`
    SELECT shard_id, workflow_id, run_id FROM current_executions WHERE workflow_id <> 'counter'`
  const stored = new Set(rows.map((row) => `${row.shard_id}/${row.workflow_id}/${row.run_id}`))
  const missing = started.filter((one) => !stored.has(`${one.shardId}/${one.businessId}/${one.runId}`))
  return {
    promise: "every acknowledged write is present",
    found: `${started.length} executions acknowledged, ${missing.length} missing`,
    holds: missing.length === 0
  }
})

/** No owner wrote after a newer owner of the same shard had written. */
const noStaleWrite = (results: ReadonlyArray<Result>): Check => {
  const stale = sum(results.map((result) => result.stale))
  return { promise: "no stale owner writes", found: `${stale} writes after a newer owner's`, holds: stale === 0 }
}

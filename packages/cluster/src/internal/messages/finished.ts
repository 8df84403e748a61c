/**
 * Finished requests, for those who forget them: read along an index, each once.
 */
import type { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { TransactionError } from "@effect-dsql/core/DsqlError"
import * as Expression from "@effect-dsql/core/Expression"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tuple from "effect/Tuple"
import * as Stream from "effect/Stream"
import type { Row } from "../storing.ts"
import { having } from "../shards.ts"

const { literal, sql, value, values } = Expression

const isFinished = literal("finished_at IS NOT NULL")

const before = (millis: number) => sql`request.finished_at < ${value("timestamptz", millis)}`

/** Of a workflow everything is finished long enough, and its run does not wait; whatever else is nobody's part. */
const isWhole = (millis: number) => sql`(NOT starts_with(request.entity_type, 'Workflow/') OR NOT EXISTS (
  SELECT 1 FROM cluster_requests AS other
  WHERE other.shard_id = request.shard_id AND other.entity_type = request.entity_type
    AND other.entity_id = request.entity_id
    AND (other.finished_at IS NULL OR other.finished_at >= ${value("timestamptz", millis)}
      OR (other.suspended AND other.tag = 'run'))))`

/** From its WHERE on, the query of those of these requests that may be forgotten still. */
export const still = (keys: ReadonlyArray<bigint>, millis: number): Expression.Expression => sql`
  WHERE request.request_key = ANY (${values("bigint", keys)}) AND request.finished_at IS NOT NULL
    AND ${before(millis)} AND ${isWhole(millis)}`

/** How far a shard was read; nothing of it where there is no last row. */
interface Place {
  readonly shard_id: string
  readonly finished_at: string | null
  readonly request_key: bigint | null
}

/** Requests that one statement reads at most, and shards of which it does. */
const page = { requests: 3_000, shards: 100 }

/** The shards that have something that was finished before. */
const places = (cluster: string, millis: number) => sql`
  WITH ${having("cluster_requests", cluster, isFinished)}
  SELECT place.shard_id FROM place WHERE place.shard_id IS NOT NULL AND EXISTS (
    SELECT 1 FROM cluster_requests AS request
    WHERE request.shard_id = place.shard_id AND request.finished_at IS NOT NULL AND ${before(millis)})`

/** Of each of these shards so many requests behind a place, in the order of their index. */
const behind = (from: ReadonlyArray<Place>, millis: number, rows: number) => sql`
  SELECT request.shard_id, request.request_key, request.finished_at::text AS finished_at, ${isWhole(millis)} AS is_whole
  FROM ${Expression.records("place", { shard_id: "text", finished_at: "text", request_key: "bigint" }, from)}
  CROSS JOIN LATERAL (
    SELECT request.* FROM cluster_requests AS request
    WHERE request.shard_id = place.shard_id AND request.finished_at IS NOT NULL AND ${before(millis)}
      AND (request.finished_at, request.request_key) > (
        COALESCE(place.finished_at::timestamptz, '-infinity'), COALESCE(place.request_key, 0))
    ORDER BY request.finished_at, request.request_key
    LIMIT ${value("integer", rows)}
  ) AS request`

const read = (statement: Expression.Expression): Effect.Effect<ReadonlyArray<Row>, TransactionError, DsqlClient> =>
  Transaction.autocommit(
    Effect.flatMap(Transaction.sql, (sql) => sql<Row>`${Expression.fragment(sql, statement)}`),
    { operation: "ReadFinished", readOnly: "proven" }
  )

/** The keys of requests that may be forgotten, shard by shard, of each the oldest first. */
export const keys = (cluster: string, millis: number): Stream.Stream<bigint, TransactionError, DsqlClient> =>
  Stream.fromEffect(read(places(cluster, millis))).pipe(
    Stream.flatMap((rows) =>
      Stream.paginate<ReadonlyArray<Place>, bigint, TransactionError, DsqlClient>(rows.map(begin), (left) =>
        step(left, millis)
      )
    )
  )

/** The keys of the next page, and the places that are left. */
const step = Effect.fnUntraced(function* (left: ReadonlyArray<Place>, millis: number) {
  const from = left.slice(0, page.shards)
  const each = Math.floor(page.requests / Math.max(from.length, 1))
  const rows = from.length === 0 ? [] : yield* read(behind(from, millis, each))
  const further = [...furtherOf(rows, each), ...left.slice(page.shards)]
  // A BIGINT comes as a bigint.
  const keys = rows.filter((row) => row["is_whole"] === true).map((row) => row["request_key"] as bigint)
  return Tuple.make(
    keys,
    Option.liftPredicate(further, ({ length }) => length > 0)
  )
})

const begin = (row: Row): Place => ({ shard_id: String(row["shard_id"]), finished_at: null, request_key: null })

/** The shards of which there may be more, and behind what. */
const furtherOf = (rows: ReadonlyArray<Row>, each: number): ReadonlyArray<Place> =>
  [...Map.groupBy(rows, ({ shard_id }) => String(shard_id))]
    .filter(([, found]) => found.length === each)
    .map(([shard_id, found]) => {
      const last = found.at(-1)
      return { shard_id, finished_at: String(last?.["finished_at"]), request_key: last?.["request_key"] as bigint }
    })

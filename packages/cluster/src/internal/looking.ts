/**
 * What is read of a cluster from outside, each as one statement.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Transaction from "@effect-dsql/core/Transaction"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as ClusterStatus from "../ClusterStatus.ts"
import * as Polling from "./messages/polling.ts"
import { isOf } from "./shards.ts"
import type { Row } from "./storing.ts"

const { literal, sql, value } = Expression

/** Requests are counted so far: there may be millions. */
export const countedAtMost = 100_000

const rows = (statement: Expression.Expression) =>
  Effect.flatMap(Transaction.sql, (sql) => sql<Row>`${Expression.fragment(sql, statement)}`)

const first = (statement: Expression.Expression) => Effect.map(rows(statement), ([row = {}]) => row)

const millis = (at: Expression.Expression) => sql`floor(extract(epoch FROM ${at}) * 1000)::double precision`

const leaseLeft = sql`floor(extract(epoch FROM expires_at - now()) * 1000)::double precision`

const instant = (millis: unknown) => DateTime.makeUnsafe(Number(millis))

/** The database's clock, and how many machine ids are leased. */
export const overview = Effect.map(
  first(sql`SELECT ${millis(literal("now()"))} AS at,
    (SELECT count(*) FROM cluster_runners WHERE expires_at > now()) AS taken`),
  ({ at, taken }) => ({ at: instant(at), taken: Number(taken) })
)

export const runners = (cluster: string) =>
  Effect.map(
    rows(sql`SELECT machine_id, address, owner, healthy, runner IS NULL AS has_left, ${leaseLeft} AS lease_left
      FROM cluster_runners WHERE cluster = ${value("text", cluster)} ORDER BY machine_id`),
    (found) =>
      found.map((row): ClusterStatus.Runner => ({
        machineId: Number(row["machine_id"]),
        address: String(row["address"]),
        owner: String(row["owner"]),
        healthy: row["healthy"] === true,
        left: row["has_left"] === true,
        leaseLeft: Number(row["lease_left"])
      }))
  )

export const shards = (cluster: string) =>
  Effect.map(
    rows(sql`SELECT shard_id, fence, owner, address, ${millis(literal("acquired_at"))} AS since,
        CASE WHEN owner IS NOT NULL THEN ${leaseLeft} END AS lease_left
      FROM cluster_shards WHERE ${isOf(cluster, literal("shard_id"))} ORDER BY shard_id`),
    (found) =>
      found.map((row): ClusterStatus.Shard => ({
        shard: nameOf(cluster, row),
        // A BIGINT comes as a bigint.
        fence: row["fence"] as bigint,
        holder:
          row["owner"] === null
            ? null
            : {
                address: String(row["address"]),
                owner: String(row["owner"]),
                since: instant(row["since"]),
                leaseLeft: Number(row["lease_left"])
              }
      }))
  )

const nameOf = (cluster: string, row: Row) => String(row["shard_id"]).slice(cluster.length + 1)

const now = sql`floor(extract(epoch FROM now()) * 1000)::bigint`

/** What has been due for longest, of all that waits. */
export const oldest = (cluster: string) =>
  Effect.map(
    rows(sql`SELECT waiting.*, ${Polling.age}
      FROM cluster_inbox AS waiting WHERE ${isOf(cluster, literal("shard_id"))} AND due_at <= ${now}
      ORDER BY age DESC, request_id LIMIT 1`),
    ([row]) =>
      row === undefined
        ? undefined
        : {
            shard: nameOf(cluster, row),
            entityType: String(row["entity_type"]),
            entityId: String(row["entity_id"]),
            // A BIGINT comes as a bigint.
            requestId: row["request_id"] as bigint,
            age: Number(row["age"])
          }
  )

/** Requests that are not decided. */
export const waiting = (cluster: string) =>
  Effect.map(
    first(sql`SELECT count(*) FILTER (WHERE due_at <= ${now}) AS due, count(*) FILTER (WHERE due_at > ${now}) AS later
      FROM cluster_inbox WHERE ${isOf(cluster, literal("shard_id"))} AND kind = 0`),
    ({ due, later }) => ({ due: Number(due), later: Number(later) })
  )

/** Those of a cluster's requests of which something is so, one more than are counted at most. */
const counted = (cluster: string, isSo: string) => sql`(SELECT count(*) FROM (
  SELECT 1 FROM cluster_requests WHERE ${literal(isSo)} AND ${isOf(cluster, literal("shard_id"))}
  LIMIT ${value("integer", countedAtMost + 1)}) AS counted)`

/** Requests that have an exit, and those of them that are runs which go on. */
export const exited = (cluster: string) =>
  Effect.map(
    first(sql`SELECT ${counted(cluster, "finished_at IS NOT NULL")} AS exited,
      ${counted(cluster, "suspended AND tag = 'run' AND starts_with(entity_type, 'Workflow/')")} AS suspended`),
    ({ exited, suspended }) => ({ exited: Number(exited), suspended: Number(suspended) })
  )

/** The prefixes of all clusters of the database: of each one shard is looked at, and its runners. */
export const prefixes = Effect.map(
  rows(sql`WITH RECURSIVE one (shard_id) AS (
      (SELECT shard_id FROM cluster_shards ORDER BY shard_id LIMIT 1)
      UNION ALL
      SELECT (SELECT next.shard_id FROM cluster_shards AS next
        WHERE next.shard_id >= split_part(one.shard_id, '/', 1) || '0' ORDER BY next.shard_id LIMIT 1)
      FROM one WHERE one.shard_id IS NOT NULL
    )
    SELECT split_part(shard_id, '/', 1) AS prefix FROM one WHERE shard_id IS NOT NULL
    UNION SELECT cluster FROM cluster_runners ORDER BY prefix`),
  (found) => found.map(({ prefix }) => String(prefix))
)

/**
 * Fills a cluster's tables with many rows, on plain PostgreSQL.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Effect } from "effect"

export interface Filling {
  readonly prefix: string
  /** Shards from 1 on, among which the requests are spread. */
  readonly shards: number
  /** Requests that wait. */
  readonly waiting: number
  /** Requests that were finished an hour ago, each with a key and an exit. */
  readonly finished: number
  /** How many of those there are already. Default: 0. */
  readonly known?: number
}

const run = (text: string, params: ReadonlyArray<unknown>) =>
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql.unsafe(text, [...params]))

/** Requests by their numbers, those below 0 finished: ids rise, and keys are anywhere. */
const requests = (from: string, to: string, where = "TRUE") => `(
  SELECT n, 10000000 + n AS id, hashtextextended($1 || n, 0) AS request_key, 'e' || n AS entity_id,
    $1 || '/default:' || 1 + abs(n) % $2::int AS shard_id, n < 0 AS is_finished
  FROM generate_series(${from}, ${to}) AS n WHERE ${where}) AS request`

/** Fills the tables, and lets the server count what is in them. */
export const fill = Effect.fnUntraced(function* ({ finished, known = 0, prefix, shards, waiting }: Filling) {
  yield* run(
    `INSERT INTO cluster_shards (shard_id, fence, owner, address, acquired_at, expires_at)
     SELECT $1 || '/default:' || n, 1, gen_random_uuid(), 'elsewhere:1', now(), now() - interval '1 minute'
     FROM generate_series(1, $2::int) AS n ON CONFLICT DO NOTHING`,
    [prefix, shards]
  )
  yield* run(
    `INSERT INTO cluster_requests
       (request_key, id, shard_id, entity_type, entity_id, tag, payload, headers, due_at, key_hash, last_reply_id, finished_at)
     SELECT request_key, id, shard_id, 'Test', entity_id, 'GetUser', '{"id":1}', '{}', 0,
       CASE WHEN is_finished THEN md5($1 || n)::uuid END, CASE WHEN is_finished THEN id + 1 END,
       CASE WHEN is_finished THEN now() - interval '1 hour' END
     FROM ${requests("-$3::int - $5::int", "$4::int", "n NOT BETWEEN -$5::int AND 0")}`,
    [prefix, shards, finished, waiting, known]
  )
  yield* run(
    `INSERT INTO cluster_inbox (shard_id, due_at, request_id, id, kind, request_key, entity_type, entity_id)
     SELECT shard_id, 0, id, id, 0, request_key, 'Test', entity_id FROM ${requests("1", "$3::int")}`,
    [prefix, shards, waiting]
  )
  yield* run(
    `INSERT INTO cluster_keys (key_hash, request_id, request_key)
     SELECT md5($1 || n)::uuid, id, request_key FROM ${requests("-$3::int - $4::int", "-1 - $4::int")}`,
    [prefix, shards, finished, known]
  )
  yield* run(
    `INSERT INTO cluster_replies (request_key, sequence, id, fence, payload, acked)
     SELECT request_key, 2147483647, id + 1, 1, '{"_tag":"Success","value":1}', false FROM ${requests("-$3::int - $4::int", "-1 - $4::int")}`,
    [prefix, shards, finished, known]
  )
  for (const table of ["shards", "requests", "inbox", "keys", "replies"])
    yield* run(`VACUUM ANALYZE cluster_${table}`, [])
})

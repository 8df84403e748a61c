/**
 * Requests are forgotten, with their keys, their replies and what waits of them.
 */
import * as Expression from "@effect-dsql/core/Expression"
import type * as Guarded from "@effect-dsql/core/Guarded"
import * as Write from "@effect-dsql/core/Write"

const { literal, sql, value } = Expression

/** Requests that one statement forgets at most: with what belongs to each it stays below the 3,000 rows of a transaction. */
export const atOnce = 300

/** Forgets the first `rows` requests for which a condition holds, in the order of a column, and tells how many as `gone`. */
export const requests = (
  where: Expression.Expression,
  rows: number,
  order: "request_key" | "finished_at" = "request_key"
): Guarded.Statement => {
  // Every part finds the same ones: requests are removed last, and nothing else that the condition reads is.
  const chosen = (columns: string) => sql`SELECT ${literal(columns)} FROM cluster_requests AS request
    WHERE ${where} ORDER BY ${literal(order)}, request_key LIMIT ${value("integer", rows)}`
  return {
    guards: [],
    writes: [
      Write.remove({ table: "cluster_keys", where: sql`key_hash IN (${chosen("key_hash")})` }),
      Write.remove({
        table: "cluster_inbox",
        where: sql`(shard_id, due_at, request_id) IN (${chosen("shard_id, due_at, id")})
          OR (shard_id, due_at, request_id) IN (${chosen("shard_id, 0, id")})`
      }),
      Write.remove({ table: "cluster_replies", where: sql`request_key IN (${chosen("request_key")})` }),
      Write.counted(
        "gone",
        Write.remove({ table: "cluster_requests", where: sql`request_key IN (${chosen("request_key")})` })
      )
    ]
  }
}

/**
 * Requests are forgotten, with their keys, their replies and what waits of them.
 */
import * as Expression from "@effect-dsql/core/Expression"
import type * as Guarded from "@effect-dsql/core/Guarded"
import * as Write from "@effect-dsql/core/Write"

const { literal, sql, value } = Expression

/** Requests that one statement forgets at most: with what belongs to each it stays below the 3,000 rows of a transaction. */
export const atOnce = 300

/** Forgets the first `rows` requests for which a condition holds, and tells how many as `gone`. */
export const requests = (where: Expression.Expression, rows: number): Guarded.Statement => {
  // Every part of the statement finds the same ones: it sees the snapshot from before it.
  const chosen = (columns: string) =>
    sql`SELECT ${literal(columns)} FROM cluster_requests WHERE ${where} ORDER BY request_key LIMIT ${value("integer", rows)}`
  return {
    guards: [],
    writes: [
      Write.remove({ table: "cluster_keys", where: sql`key_hash IN (${chosen("key_hash")})` }),
      Write.remove({ table: "cluster_replies", where: sql`request_key IN (${chosen("request_key")})` }),
      Write.remove({
        table: "cluster_inbox",
        where: sql`(shard_id, due_at, request_id) IN (${chosen("shard_id, due_at, id")})
          OR (shard_id, due_at, request_id) IN (${chosen("shard_id, 0, id")})`
      }),
      Write.counted(
        "gone",
        Write.remove({ table: "cluster_requests", where: sql`request_key IN (${chosen("request_key")})` })
      )
    ]
  }
}

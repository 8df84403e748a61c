/**
 * Requests are forgotten, with their keys, their replies and what waits of them.
 */
import * as Expression from "@effect-dsql/core/Expression"
import type * as Guarded from "@effect-dsql/core/Guarded"
import * as Write from "@effect-dsql/core/Write"

const { literal, sql } = Expression

/** Requests that one statement forgets at most: with what belongs to each it stays below the 3,000 rows of a transaction. */
export const atOnce = 300

/** Forgets the requests that a query finds, `atOnce` at most, from its WHERE on, and tells how many as `gone`. */
export const requests = (which: Expression.Expression): Guarded.Statement => {
  // Every part finds the same ones: requests are removed last, and nothing else that the query reads is.
  const chosen = (columns: string) => sql`SELECT ${literal(columns)} FROM cluster_requests AS request ${which}`
  return {
    guards: [],
    writes: [
      Write.remove({ table: "cluster_keys", where: sql`key_hash IN (${chosen("key_hash")})` }),
      Write.remove({
        table: "cluster_inbox",
        where: sql`(shard_id, due_at, request_id) IN (
          SELECT chosen.shard_id, due.at, chosen.id FROM (${chosen("shard_id, due_at, id")}) AS chosen
          CROSS JOIN LATERAL (VALUES (0), (chosen.due_at)) AS due (at))`
      }),
      Write.remove({ table: "cluster_replies", where: sql`request_key IN (${chosen("request_key")})` }),
      Write.counted(
        "gone",
        Write.remove({ table: "cluster_requests", where: sql`request_key IN (${chosen("request_key")})` })
      )
    ]
  }
}

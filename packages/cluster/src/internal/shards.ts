/**
 * The shards of a cluster as a range of their names, and those of them of which a table has rows: found one after the
 * other, each by one look into an index, however many rows there are.
 */
import * as Expression from "@effect-dsql/core/Expression"

const { column, literal, name, sql, value } = Expression

/** Whether a name is that of a shard of this cluster: `prefix/` is before all of them, and `0` follows upon `/`. */
export const isOf = (cluster: string, shardId: Expression.Expression): Expression.Expression =>
  sql`${shardId} >= ${value("text", `${cluster}/`)} AND ${shardId} < ${value("text", `${cluster}0`)}`

/** The shards of a cluster, as `place (shard_id)`, of which a table has rows for which a condition holds. */
export const having = (table: string, cluster: string, condition = literal("TRUE")): Expression.Expression => {
  const first = (after: Expression.Expression) => sql`
    SELECT ${column("shard_id")} FROM ${name(table)} WHERE ${condition} AND ${after} ORDER BY shard_id LIMIT 1`
  return sql`RECURSIVE place (shard_id) AS (
    (${first(isOf(cluster, literal("shard_id")))})
    UNION ALL
    SELECT (${first(sql`shard_id > place.shard_id AND shard_id < ${value("text", `${cluster}0`)}`)})
    FROM place WHERE place.shard_id IS NOT NULL
  )`
}

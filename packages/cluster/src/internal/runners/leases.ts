/**
 * Leases of shards: who holds which, until when by the database's clock, and under which fence.
 *
 * Neither clocks nor leases carry the guarantee, the fence does: it moves whenever the holder changes, and when a shard
 * is given back. It is part of a key, so whoever moves it conflicts with everybody who holds it FOR KEY SHARE, where
 * a lease that is renewed does not.
 */
import * as Expression from "@effect-dsql/core/Expression"
import * as Slots from "./slots.ts"

const { sql, value, values } = Expression

const table = Expression.name("cluster_shards")

/** Rows that one statement takes at most: those who want the same shards lose little by a conflict. */
export const acquiredAtOnce = 100

/** Rows that one statement renews or gives back at most: below the 3,000 of a transaction. */
export const renewedAtOnce = 1_000

const until = (lease: number) => sql`now() + ${value("double precision", lease)} * interval '1 millisecond'`

/** Said so that no index is read for it: where shards are named, they are found by their names. */
const isOwn = (owner: string) => sql`(held.owner = ${value("uuid", owner)}) IS TRUE`

/** Takes what is free, over, or one's own already, whose fence stays, and tells which of them another one had. */
export const acquire = (owner: string, address: string, shards: ReadonlyArray<string>, lease: number) => sql`
  INSERT INTO ${table} AS held (shard_id, fence, owner, address, acquired_at, expires_at)
  SELECT wanted.shard_id, 1, ${value("uuid", owner)}, ${value("text", address)}, now(), ${until(lease)}
  FROM unnest(${values("text", shards)}) AS wanted(shard_id)
  ON CONFLICT (shard_id) DO UPDATE SET
    fence = held.fence + CASE WHEN held.owner = excluded.owner THEN 0 ELSE 1 END,
    acquired_at = CASE WHEN held.owner = excluded.owner THEN held.acquired_at ELSE excluded.acquired_at END,
    owner = excluded.owner,
    address = excluded.address,
    expires_at = excluded.expires_at
  WHERE held.owner = excluded.owner OR held.expires_at < now()
  RETURNING held.shard_id, held.fence, EXISTS (
    SELECT 1 FROM ${table} AS before
    WHERE before.shard_id = held.shard_id AND (before.owner <> ${value("uuid", owner)}) IS TRUE) AS is_taken_over`

/**
 * Renews what is one's own, the runner's slot too, and tells the shards: what another one has taken stays lost. They are
 * a list of which a planner does not know the length: for a thousand it would read the shards of all clusters.
 */
export const refresh = (owner: string, shards: ReadonlyArray<string>, lease: number) => sql`
  WITH slot AS (${Slots.renew(owner, lease)})
  UPDATE ${table} AS held SET expires_at = ${until(lease)}
  WHERE held.shard_id = ANY ((SELECT ${values("text", shards)})::text[]) AND ${isOwn(owner)}
  RETURNING held.shard_id, held.fence`

/** Given back, a shard has another fence: nothing can be decided under the old one. */
const given = sql`UPDATE ${table} AS held SET fence = held.fence + 1, owner = NULL, expires_at = '-infinity'`

/** Gives a shard back that is one's own. */
export const release = (owner: string, shard: string) => sql`
  ${given} WHERE held.shard_id = ${value("text", shard)} AND ${isOwn(owner)} RETURNING held.shard_id`

/** Gives back what is one's own, so many shards at most. */
export const releaseAll = (owner: string) => sql`
  ${given} WHERE ${isOwn(owner)} AND held.shard_id IN (
    SELECT shard_id FROM ${table} WHERE owner = ${value("uuid", owner)} LIMIT ${value("integer", renewedAtOnce)}
  ) RETURNING held.shard_id`

/**
 * Slots of runners: each process that runs entities has one for as long as it renews it, and its number for a machine
 * id. So no two that are alive make the same Snowflake, in any cluster of the database.
 */
import * as Expression from "@effect-dsql/core/Expression"

const { sql, value } = Expression

const table = Expression.name("cluster_runners")

/** As many as a Snowflake tells apart. */
export const count = 1_024

const until = (lease: number) => sql`now() + ${value("double precision", lease)} * interval '1 millisecond'`

export interface Runner {
  readonly cluster: string
  readonly owner: string
  readonly address: string
  readonly runner: string
  readonly healthy: boolean
}

/**
 * Takes the slot that is one's own already, else one that nobody has had, else the one that has been free for longest;
 * among equals any, so that those who begin at once seldom want the same one.
 */
export const take = ({ address, cluster, healthy, owner, runner }: Runner, lease: number) => sql`
  INSERT INTO ${table} AS held (machine_id, cluster, owner, address, runner, healthy, expires_at)
  SELECT free.machine_id, ${value("text", cluster)}, ${value("uuid", owner)}, ${value("text", address)},
    ${value("text", runner)}, ${value("boolean", healthy)}, ${until(lease)}
  FROM (
    SELECT slot.machine_id
    FROM generate_series(0, ${value("integer", count - 1)}) AS slot(machine_id)
    LEFT JOIN ${table} AS taken ON taken.machine_id = slot.machine_id
    WHERE taken.machine_id IS NULL OR taken.owner = ${value("uuid", owner)} OR taken.expires_at < now()
    ORDER BY taken.owner = ${value("uuid", owner)} DESC NULLS LAST, taken.expires_at NULLS FIRST, random()
    LIMIT 1
  ) AS free
  ON CONFLICT (machine_id) DO UPDATE SET
    cluster = excluded.cluster,
    owner = excluded.owner,
    address = excluded.address,
    runner = excluded.runner,
    healthy = excluded.healthy,
    expires_at = excluded.expires_at
  WHERE held.owner = excluded.owner OR held.expires_at < now()
  RETURNING held.machine_id`

/** Renews one's own slot. */
export const renew = (owner: string, lease: number) => sql`
  UPDATE ${table} SET expires_at = ${until(lease)} WHERE owner = ${value("uuid", owner)} RETURNING machine_id`

/** Leaves the list of runners. The slot stays taken until its lease is over: its Snowflakes may still be under way. */
export const leave = (owner: string) => sql`
  UPDATE ${table} SET runner = NULL WHERE owner = ${value("uuid", owner)} RETURNING machine_id`

/** Says whether the runners at an address are well. */
export const health = (cluster: string, address: string, healthy: boolean) => sql`
  UPDATE ${table} SET healthy = ${value("boolean", healthy)}
  WHERE cluster = ${value("text", cluster)} AND address = ${value("text", address)} RETURNING machine_id`

/** The runners of a cluster that renew their slots; of two at one address the one that came last. */
export const list = (cluster: string) => sql`
  SELECT DISTINCT ON (address) runner, healthy FROM ${table}
  WHERE cluster = ${value("text", cluster)} AND runner IS NOT NULL AND expires_at > now()
  ORDER BY address, expires_at DESC`

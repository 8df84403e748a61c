/**
 * What the stores do, as one would write it by hand: BEGIN, a lock, a read or an insert for each row, COMMIT.
 */
// One statement after the other is what is measured.
/* oxlint-disable no-await-in-loop */
import type pg from "pg"

type Row = Readonly<Record<string, unknown>>

export interface Run {
  readonly shardId: number
  readonly namespaceId: string
  readonly businessId: string
  readonly runId: string
  readonly rangeId: bigint
}

/** What is stored of one thing, in all tables the same. */
export const data = new Uint8Array(200).fill(7)
const encoded = { data, data_encoding: "Proto3" }

const keyOf = ({ businessId, namespaceId, runId, shardId }: Run) => ({
  shard_id: shardId,
  namespace_id: namespaceId,
  workflow_id: businessId,
  run_id: runId
})

const head = { next_event_id: 1n, last_write_version: 1n, ...encoded, state: data, state_encoding: "Proto3" }

const mapTables = [
  "activity_info_maps",
  "timer_info_maps",
  "child_execution_info_maps",
  "request_cancel_info_maps",
  "signal_info_maps",
  "signals_requested_sets",
  "chasm_node_maps",
  "buffered_events"
]

const query = (client: pg.PoolClient, text: string, values: ReadonlyArray<unknown> = []) =>
  client.query({ name: text.slice(0, 60), text, values: [...values] })

const insert = (client: pg.PoolClient, table: string, row: Row, conflict = "") => {
  const names = Object.keys(row)
  const places = names.map((_, index) => `$${index + 1}`)
  const text = `INSERT INTO ${table} (${names.join(", ")}) VALUES (${places.join(", ")}) ${conflict}`
  return query(client, text, Object.values(row))
}

const transaction = async (pool: pg.Pool, body: (client: pg.PoolClient) => Promise<void>): Promise<void> => {
  const client = await pool.connect()
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await body(client)
    await client.query("COMMIT")
  } finally {
    client.release()
  }
}

/** Holds the row that guards what is written. */
const hold = async (client: pg.PoolClient, text: string, values: ReadonlyArray<unknown>, expected: bigint) => {
  const { rows } = await query(client, `${text} FOR KEY SHARE`, values)
  if (BigInt(rows[0]?.range_id) !== expected) throw new Error("the range has moved")
}

const holdShard = (client: pg.PoolClient, { rangeId, shardId }: Run) =>
  hold(client, "SELECT range_id FROM shards WHERE shard_id = $1", [shardId], rangeId)

const currentOf = ({ businessId, namespaceId, shardId }: Run) => [shardId, namespaceId, businessId]

const currentText =
  "SELECT run_id FROM current_executions WHERE shard_id = $1 AND namespace_id = $2 AND workflow_id = $3 FOR UPDATE"

const insertTask = (client: pg.PoolClient, { shardId }: Run, id: bigint) =>
  insert(client, "transfer_tasks", { shard_id: shardId, task_id: id, ...encoded })

export const create = (pool: pg.Pool, run: Run, tasks: ReadonlyArray<bigint>) =>
  transaction(pool, async (client) => {
    await holdShard(client, run)
    const { rows } = await query(client, currentText, currentOf(run))
    if (rows.length > 0) throw new Error("there is a run already")
    const current = { create_request_id: "request", state: 2, status: 1, last_write_version: 1n, ...encoded }
    await insert(client, "current_executions", { ...keyOf(run), ...current })
    await insert(client, "executions", { ...keyOf(run), ...head, db_record_version: 1n })
    for (const id of tasks) await insertTask(client, run, id)
  })

export const update = (pool: pg.Pool, run: Run, version: bigint, tasks: ReadonlyArray<bigint>) =>
  transaction(pool, async (client) => {
    await holdShard(client, run)
    const { rows } = await query(client, currentText, currentOf(run))
    if (rows[0]?.run_id !== run.runId) throw new Error("another run is current")
    const key = Object.values(keyOf(run))
    const where = "shard_id = $1 AND namespace_id = $2 AND workflow_id = $3 AND run_id = $4"
    const found = await query(client, `SELECT db_record_version FROM executions WHERE ${where} FOR UPDATE`, key)
    if (BigInt(found.rows[0]?.db_record_version) !== version) throw new Error("the run has changed")
    await query(
      client,
      `UPDATE current_executions SET run_id = $4, state = 2, status = 1, data = $5, data_encoding = 'Proto3'
      WHERE shard_id = $1 AND namespace_id = $2 AND workflow_id = $3`,
      [...key, data]
    )
    await query(client, `UPDATE executions SET data = $5, state = $5, db_record_version = $6 WHERE ${where}`, [
      ...key,
      data,
      version + 1n
    ])
    const keep = "data = excluded.data, data_encoding = excluded.data_encoding"
    for (let id = 0n; id < 10n; id++) {
      const [activity, timer] = [{ schedule_id: id }, { timer_id: `timer ${id}` }]
      const target = "shard_id, namespace_id, workflow_id, run_id"
      const conflict = (column: string) => `ON CONFLICT (${target}, ${column}) DO UPDATE SET ${keep}`
      await insert(client, "activity_info_maps", { ...keyOf(run), ...activity, ...encoded }, conflict("schedule_id"))
      await insert(client, "timer_info_maps", { ...keyOf(run), ...timer, ...encoded }, conflict("timer_id"))
    }
    for (const id of tasks) await insertTask(client, run, id)
  })

export const read = (pool: pg.Pool, run: Run) =>
  transaction(pool, async (client) => {
    const where = "shard_id = $1 AND namespace_id = $2 AND workflow_id = $3 AND run_id = $4"
    for (const table of ["executions", ...mapTables]) {
      await query(client, `SELECT * FROM ${table} WHERE ${where}`, Object.values(keyOf(run)))
    }
  })

export const addTasks = (
  pool: pg.Pool,
  queue: { readonly rangeHash: bigint; readonly uuid: string },
  rangeId: bigint,
  tasks: ReadonlyArray<bigint>
) =>
  transaction(pool, async (client) => {
    const key = { range_hash: queue.rangeHash, task_queue_id: queue.uuid }
    const text = "SELECT range_id FROM task_queues WHERE range_hash = $1 AND task_queue_id = $2"
    await hold(client, text, Object.values(key), rangeId)
    for (const id of tasks) await insert(client, "tasks", { ...key, task_id: id, ...encoded })
  })

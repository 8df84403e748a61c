/**
 * A database as the Go tool makes it: the same tables in statements of our own, and its rows of bookkeeping.
 */
import { Effect } from "effect"
import * as Job from "../../src/internal/catalogue/job.ts"
import { execute, rows } from "./database.ts"

const data = "data BYTEA NOT NULL, data_encoding VARCHAR(16) NOT NULL"
const run =
  "shard_id INTEGER NOT NULL, namespace_id UUID NOT NULL, workflow_id VARCHAR(255) NOT NULL, run_id UUID NOT NULL"
const runKey = "shard_id, namespace_id, workflow_id, run_id"
const map = (id: string, type: string) =>
  `(${run}, ${id} ${type} NOT NULL, data BYTEA NOT NULL, data_encoding VARCHAR(16), PRIMARY KEY (${runKey}, ${id}))`
const current = `run_id UUID NOT NULL, create_request_id VARCHAR(255) NOT NULL, state INTEGER NOT NULL,
  status INTEGER NOT NULL, start_version BIGINT NOT NULL DEFAULT 0, start_time TIMESTAMP,
  last_write_version BIGINT NOT NULL, data BYTEA, data_encoding VARCHAR(16) NOT NULL DEFAULT ''`
const shardTask = `(shard_id INTEGER NOT NULL, task_id BIGINT NOT NULL, ${data}, PRIMARY KEY (shard_id, task_id))`
const queueKey = "range_hash BIGINT NOT NULL, task_queue_id UUID NOT NULL"

const tables: ReadonlyArray<string> = [
  `namespaces (partition_id INTEGER NOT NULL, id UUID NOT NULL, name VARCHAR(255) NOT NULL,
    notification_version BIGINT NOT NULL, ${data}, is_global BOOLEAN NOT NULL, PRIMARY KEY (partition_id, id))`,
  "namespace_metadata (partition_id INTEGER NOT NULL PRIMARY KEY, notification_version BIGINT NOT NULL)",
  `shards (shard_id INTEGER NOT NULL PRIMARY KEY, range_id BIGINT NOT NULL, ${data})`,
  `executions (${run}, next_event_id BIGINT NOT NULL, last_write_version BIGINT NOT NULL, ${data},
    state BYTEA NOT NULL, state_encoding VARCHAR(16) NOT NULL, db_record_version BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (${runKey}))`,
  `current_executions (shard_id INTEGER NOT NULL, namespace_id UUID NOT NULL, workflow_id VARCHAR(255) NOT NULL,
    ${current}, PRIMARY KEY (shard_id, namespace_id, workflow_id))`,
  `buffered_events (${run}, id BIGINT NOT NULL, ${data}, PRIMARY KEY (${runKey}, id))`,
  `tasks (${queueKey}, task_id BIGINT NOT NULL, ${data}, PRIMARY KEY (range_hash, task_queue_id, task_id))`,
  `tasks_v2 (${queueKey}, pass BIGINT NOT NULL, task_id BIGINT NOT NULL, ${data},
    PRIMARY KEY (range_hash, task_queue_id, pass, task_id))`,
  ...["task_queues", "task_queues_v2"].map(
    (name) => `${name} (${queueKey}, range_id BIGINT NOT NULL, ${data}, PRIMARY KEY (range_hash, task_queue_id))`
  ),
  `task_queue_user_data (namespace_id UUID NOT NULL, task_queue_name VARCHAR(255) NOT NULL, ${data},
    version BIGINT NOT NULL, PRIMARY KEY (namespace_id, task_queue_name))`,
  `build_id_to_task_queue (namespace_id UUID NOT NULL, build_id VARCHAR(255) NOT NULL,
    task_queue_name VARCHAR(255) NOT NULL, PRIMARY KEY (namespace_id, build_id, task_queue_name))`,
  `history_immediate_tasks (shard_id INTEGER NOT NULL, category_id INTEGER NOT NULL, task_id BIGINT NOT NULL, ${data},
    PRIMARY KEY (shard_id, category_id, task_id))`,
  `history_scheduled_tasks (shard_id INTEGER NOT NULL, category_id INTEGER NOT NULL,
    visibility_timestamp TIMESTAMP NOT NULL, task_id BIGINT NOT NULL, ${data},
    PRIMARY KEY (shard_id, category_id, visibility_timestamp, task_id))`,
  ...["transfer_tasks", "replication_tasks", "visibility_tasks"].map((name) => `${name} ${shardTask}`),
  `timer_tasks (shard_id INTEGER NOT NULL, visibility_timestamp TIMESTAMP NOT NULL, task_id BIGINT NOT NULL, ${data},
    PRIMARY KEY (shard_id, visibility_timestamp, task_id))`,
  `replication_tasks_dlq (source_cluster_name VARCHAR(255) NOT NULL, shard_id INTEGER NOT NULL,
    task_id BIGINT NOT NULL, ${data}, PRIMARY KEY (source_cluster_name, shard_id, task_id))`,
  `activity_info_maps ${map("schedule_id", "BIGINT")}`,
  `timer_info_maps ${map("timer_id", "VARCHAR(255)")}`,
  ...["child_execution_info_maps", "request_cancel_info_maps", "signal_info_maps"].map(
    (name) => `${name} ${map("initiated_id", "BIGINT")}`
  ),
  `signals_requested_sets (${run}, signal_id VARCHAR(255) NOT NULL, PRIMARY KEY (${runKey}, signal_id))`,
  `chasm_node_maps (${run}, chasm_path VARCHAR(255) NOT NULL, metadata BYTEA NOT NULL, metadata_encoding VARCHAR(16),
    data BYTEA, data_encoding VARCHAR(16), PRIMARY KEY (${runKey}, chasm_path))`,
  `history_node (shard_id INTEGER NOT NULL, tree_id UUID NOT NULL, branch_id UUID NOT NULL, node_id BIGINT NOT NULL,
    txn_id BIGINT NOT NULL, prev_txn_id BIGINT NOT NULL DEFAULT 0, ${data},
    PRIMARY KEY (shard_id, tree_id, branch_id, node_id, txn_id))`,
  `history_tree (shard_id INTEGER NOT NULL, tree_id UUID NOT NULL, branch_id UUID NOT NULL, ${data},
    PRIMARY KEY (shard_id, tree_id, branch_id))`,
  `queue (queue_type INTEGER NOT NULL, message_id BIGINT NOT NULL, message_payload BYTEA NOT NULL,
    message_encoding VARCHAR(16) NOT NULL, PRIMARY KEY (queue_type, message_id))`,
  `queue_metadata (queue_type INTEGER NOT NULL PRIMARY KEY, ${data}, version BIGINT NOT NULL)`,
  `queues (queue_type INTEGER NOT NULL, queue_name VARCHAR(255) NOT NULL, metadata_payload BYTEA NOT NULL,
    metadata_encoding VARCHAR(16) NOT NULL, PRIMARY KEY (queue_type, queue_name))`,
  `queue_messages (queue_type INTEGER NOT NULL, queue_name VARCHAR(255) NOT NULL, queue_partition BIGINT NOT NULL,
    message_id BIGINT NOT NULL, message_payload BYTEA NOT NULL, message_encoding VARCHAR(16) NOT NULL,
    PRIMARY KEY (queue_type, queue_name, queue_partition, message_id))`,
  `cluster_metadata_info (metadata_partition INTEGER NOT NULL, cluster_name VARCHAR(255) NOT NULL, ${data},
    version BIGINT NOT NULL, PRIMARY KEY (metadata_partition, cluster_name))`,
  `cluster_membership (membership_partition INTEGER NOT NULL, host_id UUID NOT NULL, rpc_address VARCHAR(128) NOT NULL,
    rpc_port SMALLINT NOT NULL, role SMALLINT NOT NULL, session_start TIMESTAMP, last_heartbeat TIMESTAMP,
    record_expiry TIMESTAMP, PRIMARY KEY (membership_partition, host_id))`,
  `nexus_endpoints (id UUID NOT NULL PRIMARY KEY, ${data}, version BIGINT NOT NULL)`,
  "nexus_endpoints_partition_status (id INTEGER NOT NULL DEFAULT 0 PRIMARY KEY, version BIGINT NOT NULL)"
]

const indexes: ReadonlyArray<string> = [
  "CREATE UNIQUE INDEX ASYNC idx_namespaces_name ON namespaces (name)",
  "CREATE UNIQUE INDEX ASYNC idx_buffered_events_id ON buffered_events (id)",
  "CREATE INDEX ASYNC cm_idx_rolehost ON cluster_membership (role, host_id)",
  "CREATE INDEX ASYNC cm_idx_rolelasthb ON cluster_membership (role, last_heartbeat)",
  "CREATE INDEX ASYNC cm_idx_rpchost ON cluster_membership (rpc_address, role)",
  "CREATE INDEX ASYNC cm_idx_lasthb ON cluster_membership (last_heartbeat)",
  "CREATE INDEX ASYNC cm_idx_recordexpiry ON cluster_membership (record_expiry)"
]

const currentChasm = `current_chasm_executions (shard_id INTEGER NOT NULL, namespace_id UUID NOT NULL,
  business_id VARCHAR(255) NOT NULL, archetype_id BIGINT NOT NULL, ${current},
  PRIMARY KEY (shard_id, namespace_id, business_id, archetype_id))`

/**
 * What the tool's `setup-schema --version` leaves: everything up to the version, one row of the version with itself as
 * the oldest that is compatible, and one of history. It sends its indexes off and does not wait for them.
 */
export const setUp = (version: "1.0" | "1.1") =>
  Effect.gen(function* () {
    yield* execute(
      `CREATE TABLE IF NOT EXISTS schema_version (version_partition INT NOT NULL, db_name VARCHAR(255) NOT NULL,
        creation_time TIMESTAMP, curr_version VARCHAR(64), min_compatible_version VARCHAR(64),
        PRIMARY KEY (version_partition, db_name))`,
      `CREATE TABLE IF NOT EXISTS schema_update_history (version_partition INT NOT NULL, year INT NOT NULL,
        month INT NOT NULL, update_time TIMESTAMP NOT NULL, description VARCHAR(255), manifest_md5 VARCHAR(64),
        new_version VARCHAR(64), old_version VARCHAR(64),
        PRIMARY KEY (version_partition, year, month, update_time))`,
      ...tables.map((table) => `CREATE TABLE ${table}`)
    )
    const jobs = yield* Effect.forEach(indexes, rows)
    yield* execute(
      "INSERT INTO namespace_metadata (partition_id, notification_version) VALUES (54321, 1)",
      ...(version === "1.1" ? [`CREATE TABLE ${currentChasm}`] : []),
      `INSERT INTO schema_version VALUES (0, 'postgres', now() AT TIME ZONE 'UTC', '${version}', '${version}')`,
      `INSERT INTO schema_update_history VALUES (0, 2026, 9, TIMESTAMP '2026-09-01', 'initial version', '', '${version}', '0')`
    )
    for (const job of jobs) {
      const id = Job.idOf(job)
      if (id !== undefined) yield* Job.follow(id, () => Effect.void)
    }
  })

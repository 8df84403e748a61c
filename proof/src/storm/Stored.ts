/**
 * What the workload left in the database, row by row.
 */
import { DsqlClient } from "@effect-dsql/core"
import * as Effect from "effect/Effect"
import { queueName } from "./Jobs.ts"
import { Mark, Progress, Step } from "./Json.ts"
import { queueId, queues } from "./Matcher.ts"
import * as Kept from "./runners/Kept.ts"

/** A range and who has it: a shard or a queue. */
export interface Range {
  readonly of: string
  readonly rangeId: bigint
}

/** A line of a shard's journal. */
export interface Note {
  readonly shardId: number
  readonly id: bigint
  readonly op: string
  readonly rangeId: bigint
}

/** A step of a workflow, as its task says it. */
export interface TakenStep {
  readonly workflow: string
  readonly step: number
  readonly op: string
  readonly rangeId: bigint
}

/** A run of a workflow, and where its history ends. */
export interface Run {
  readonly workflow: string
  readonly runId: string
  readonly step: number
  readonly branch: string
  readonly nodeId: bigint
  readonly txnId: bigint
}

export interface HistoryNode {
  readonly branch: string
  readonly nodeId: bigint
  readonly txnId: bigint
  readonly prevTxnId: bigint
}

export interface Stored extends Kept.Kept {
  readonly shards: ReadonlyArray<Range>
  readonly notes: ReadonlyArray<Note>
  readonly steps: ReadonlyArray<TakenStep>
  readonly runs: ReadonlyArray<Run>
  readonly currents: ReadonlyArray<{ readonly workflow: string; readonly runId: string }>
  readonly nodes: ReadonlyArray<HistoryNode>
  readonly queues: ReadonlyArray<Range>
  readonly tasks: ReadonlyArray<{ readonly queue: string; readonly taskId: bigint; readonly op: string }>
  readonly namespaces: ReadonlyArray<{ readonly id: string; readonly version: bigint; readonly op: string }>
  /** The version that the next change of a namespace gets. */
  readonly namespaceVersion: bigint
  readonly messages: ReadonlyArray<{ readonly id: bigint; readonly op: string }>
  readonly jobs: ReadonlyArray<{ readonly op: string; readonly state: string }>
  readonly entries: ReadonlyArray<{ readonly key: string; readonly op: string }>
}

/** Reads it all, once nobody writes any more. */
export const read = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  interface Data {
    readonly data: Uint8Array
  }
  const shards = yield* sql<{ of: string; range_id: bigint }>`SELECT shard_id::text AS of, range_id FROM shards`
  const notes = yield* sql<Data & { shard_id: number; task_id: bigint }>`
    SELECT shard_id, task_id, data FROM visibility_tasks ORDER BY shard_id, task_id`
  const steps = yield* sql<Data>`SELECT data FROM transfer_tasks`
  const runs = yield* sql<Data & { workflow: string; run_id: string }>`
    SELECT shard_id || '/' || workflow_id AS workflow, run_id, data FROM executions`
  const currents = yield* sql<{ workflow: string; run_id: string }>`
    SELECT shard_id || '/' || workflow_id AS workflow, run_id FROM current_executions
    UNION ALL
    SELECT shard_id || '/' || business_id AS workflow, run_id FROM current_chasm_executions`
  const nodes = yield* sql<{ branch_id: string; node_id: bigint; txn_id: bigint; prev_txn_id: bigint }>`
    SELECT branch_id, node_id, txn_id, prev_txn_id FROM history_node`
  const leased = yield* sql<{ task_queue_id: string; range_id: bigint }>`
    SELECT task_queue_id, range_id FROM task_queues`
  const tasks = yield* sql<Data & { task_queue_id: string; task_id: bigint }>`
    SELECT task_queue_id, task_id, data FROM tasks`
  const namespaces = yield* sql<Data & { id: string; notification_version: bigint }>`
    SELECT id, notification_version, data FROM namespaces`
  const [metadata] = yield* sql<{ version: bigint }>`SELECT notification_version AS version FROM namespace_metadata`
  const messages = yield* sql<{ message_id: bigint; message_payload: Uint8Array }>`
    SELECT message_id, message_payload FROM queue ORDER BY message_id`
  const jobs = yield* sql<{ id: string; state: string }>`
    SELECT id, state FROM effect_queue WHERE queue_name = ${queueName}`
  const entries = yield* sql<{ id: string; value: Uint8Array }>`SELECT id, value FROM effect_key_value_store`
  const names = new Map(queues.map((name): readonly [string, string] => [queueId(name).uuid, name]))
  const nameOf = (uuid: string) => names.get(uuid) ?? uuid
  const stored: Stored = {
    ...(yield* Kept.read),
    shards: shards.map((row) => ({ of: row.of, rangeId: row.range_id })),
    notes: notes.map((row) => {
      const { op, rangeId = 0n } = Mark.decode(row.data)
      return { shardId: row.shard_id, id: row.task_id, op, rangeId }
    }),
    steps: steps.map((row) => Step.decode(row.data)),
    runs: runs.map((row) => {
      const { branchId, nodeId, step, txnId } = Progress.decode(row.data)
      return { workflow: row.workflow, runId: row.run_id, step, branch: branchId, nodeId, txnId }
    }),
    currents: currents.map((row) => ({ workflow: row.workflow, runId: row.run_id })),
    nodes: nodes.map((row) => ({
      branch: row.branch_id,
      nodeId: row.node_id,
      // Stored the other way round, so that the latest comes first.
      txnId: -row.txn_id,
      prevTxnId: row.prev_txn_id
    })),
    queues: leased.map((row) => ({ of: nameOf(row.task_queue_id), rangeId: row.range_id })),
    tasks: tasks.map((row) => ({
      queue: nameOf(row.task_queue_id),
      taskId: row.task_id,
      op: Mark.decode(row.data).op
    })),
    namespaces: namespaces.map((row) => ({
      id: row.id,
      version: row.notification_version,
      op: Mark.decode(row.data).op
    })),
    namespaceVersion: metadata?.version ?? 0n,
    messages: messages.map((row) => ({ id: row.message_id, op: Mark.decode(row.message_payload).op })),
    jobs: jobs.map(({ id, state }) => ({ op: id, state })),
    entries: entries.map(({ id, value }) => ({ key: id, op: new TextDecoder().decode(value) }))
  }
  return stored
})

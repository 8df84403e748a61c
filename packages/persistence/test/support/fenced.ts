/**
 * Every fence of the stores as one and the same thing: a token, moves that need it and raise it by one, and writes that
 * need it and leave it.
 */
import {
  Archetype,
  Clusters,
  type Execution,
  Executions,
  HistoryTask,
  HistoryTasks,
  Identifiers,
  Namespaces,
  NexusEndpoints,
  Queue,
  Queues,
  Shards,
  type TaskQueue,
  TaskQueueUserData
} from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { randomInt, randomUUID } from "node:crypto"
import { created, event, everything, get, mutation, noParts, place, snapshot, standing } from "./executions.ts"
import { blob, clusterName, endpoint, namespace } from "./rows.ts"
import type { Program, Rewrite } from "./sessions.ts"
import { classic, fair, given, type Kind } from "./taskQueues.ts"

/** What a store fences, as its sessions see it; a token is how often it has been moved. */
export interface Fenced {
  /** Needs the token to be `at`, and raises it. */
  readonly move: (at: number) => Program<unknown, unknown>
  /** Needs the token to be `at`, and leaves it. */
  readonly write?: ((at: number) => Program<unknown, unknown>) | undefined
  /** How often the token has been moved, and how much has been written below it, as far as it is kept. */
  readonly stored: Program<{ readonly moves: bigint; readonly writes?: number }, unknown>
}

export interface Store {
  readonly given: Program<Fenced, unknown>
  /** The errors that say that the token is another. */
  readonly refusals: ReadonlyArray<string>
  /** What is taken out, by what it is. */
  readonly fences: Readonly<Record<string, Rewrite>>
}

/** Makes a comparison true, whatever it compares. */
const open =
  (comparison: RegExp): Rewrite =>
  (text) =>
    text.replaceAll(comparison, (found) => `(${found} OR TRUE)`)

const without =
  (part: RegExp): Rewrite =>
  (text) =>
    text.replaceAll(part, "")

const shardFences = {
  "the lock on the shard": without(/ FOR KEY SHARE/g),
  "the comparison by who writes": open(/(?<=FROM "_guarded_\d+_shard" WHERE )range_id = \$\d+::bigint/g),
  "the comparison by who takes over": open(/(?<=FROM "_guarded_\d+_fence" WHERE )token = \$\d+/g)
}

const takeOver = (at: Execution.OwnedKey) => (moved: number) =>
  Effect.flatMap(Shards.Shards, (shards) => {
    const expected = at.rangeId + BigInt(moved)
    return shards.update({ shardId: at.shardId, rangeId: expected + 1n, info: blob() }, expected)
  })

/** What is written below a shard. */
const shard = (write: (at: Execution.OwnedKey) => Program<unknown, unknown>): Store => ({
  given: Effect.gen(function* () {
    const at = yield* place(Archetype.workflow)
    yield* created(at)
    const before = (yield* everything(at)).length
    return {
      move: takeOver(at),
      write: (moved) => write({ ...at, rangeId: at.rangeId + BigInt(moved) }),
      stored: Effect.gen(function* () {
        const found = yield* Effect.flatMap(Shards.Shards, (shards) => shards.find(at.shardId))
        const rows = yield* everything(at)
        return { moves: Option.getOrThrow(found).rangeId - at.rangeId, writes: rows.length - before }
      })
    }
  }),
  refusals: ["ShardOwnershipLost"],
  fences: shardFences
})

const transfer = () => ({ category: HistoryTask.transfer, taskId: event(), task: blob() })

const queue = <P>(kind: Kind<P>): Store => ({
  given: Effect.gen(function* () {
    const made = yield* given(kind, 5n)
    const range = (moved: number) => made.rangeId + BigInt(moved)
    let next = 0
    return {
      move: (moved) =>
        Effect.flatMap(kind.store, (store) => {
          const taken: TaskQueue.TaskQueue = { ...made, rangeId: range(moved + 1), info: blob() }
          return store.update(taken, range(moved))
        }),
      write: (moved) =>
        Effect.flatMap(kind.store, (store) =>
          store.createTasks({ id: made.id, rangeId: range(moved) }, [{ position: kind.at(next++), task: blob() }])
        ),
      stored: Effect.gen(function* () {
        const store = yield* kind.store
        const { rangeId } = Option.getOrThrow(yield* store.find(made.id))
        return { moves: rangeId - made.rangeId, writes: (yield* store.listTasks(made.id)).items.length }
      })
    }
  }),
  refusals: ["TaskQueueOwnershipLost"],
  fences: {
    "the lock on the queue": without(/ FOR KEY SHARE/g),
    "the comparison by who adds tasks": open(/(?<=FROM "_guarded_\d+_queue" WHERE )range_id = \$\d+::bigint/g),
    "the comparison by who takes over": open(
      /(?<=FROM "_guarded_\d+_queue" WHERE )range_id = \$\d+::bigint|"range_id" = \$\d+::bigint$/gm
    )
  }
})

export const stores: Readonly<Record<string, Store>> = {
  "history tasks below a shard": shard((at) =>
    Effect.flatMap(HistoryTasks.HistoryTasks, (tasks) => tasks.add(at, [transfer()]))
  ),
  "runs below a shard": shard((at) =>
    Effect.flatMap(Executions.Executions, (executions) =>
      executions.create(
        at,
        { _tag: "BypassCurrent" },
        snapshot({ ...noParts, tasks: [], standing: standing("Zombie") })
      )
    )
  ),
  "a run": {
    given: Effect.gen(function* () {
      const at = yield* place(Archetype.workflow)
      const { runId } = yield* created(at)
      return {
        move: (moved) =>
          Effect.flatMap(Executions.Executions, (executions) => {
            const change = mutation(runId, 1n + BigInt(moved), { put: {}, tasks: [transfer()] })
            return executions.update(at, { mode: "UpdateCurrent", mutation: change })
          }),
        stored: Effect.map(get(at, runId), ({ execution }) => ({ moves: execution.dbRecordVersion - 1n }))
      }
    }),
    refusals: ["ExecutionConflict"],
    fences: { "the comparison of the version": open(/db_record_version = \$\d+::bigint/g) }
  },
  "classic task queues": queue(classic),
  "fair task queues": queue(fair),
  namespaces: {
    given: Effect.gen(function* () {
      const store = yield* Namespaces.Namespaces
      const made = [yield* store.create(namespace()), yield* store.create(namespace())]
      const version = yield* store.version
      return {
        move: (moved) =>
          Effect.flatMap(Namespaces.Namespaces, (store) => {
            const chosen = made[moved % 2]
            assert(chosen !== undefined)
            return store.update({ ...chosen, detail: blob() }, version + BigInt(moved))
          }),
        stored: Effect.map(store.version, (now) => ({ moves: now - version }))
      }
    }),
    refusals: ["NamespaceVersionConflict"],
    fences: {
      "the comparison of the version": open(
        /(?<=FROM "_guarded_\d+_version" WHERE )notification_version = \$\d+::bigint/g
      )
    }
  },
  "Nexus endpoints": {
    given: Effect.gen(function* () {
      const store = yield* NexusEndpoints.NexusEndpoints
      const now = Effect.map(store.list({ size: 1 }), ({ tableVersion }) => tableVersion)
      const version = yield* now
      return {
        move: (moved) =>
          Effect.flatMap(NexusEndpoints.NexusEndpoints, (store) => store.create(endpoint(), version + BigInt(moved))),
        stored: Effect.map(now, (tableVersion) => ({ moves: tableVersion - version }))
      }
    }),
    refusals: ["NexusTableVersionConflict"],
    fences: {
      "the comparison of the version": open(
        /(?:COALESCE\(\(SELECT version FROM "_guarded_\d+_status"\), 0\)|"nexus_endpoints_partition_status"\.version) = \$\d+::bigint/g
      )
    }
  },
  "metadata of clusters": {
    given: Effect.gen(function* () {
      const store = yield* Clusters.Clusters
      const name = clusterName()
      const { version } = yield* store.save({ name, metadata: blob() }, 0n)
      return {
        move: (moved) =>
          Effect.flatMap(Clusters.Clusters, (store) => store.save({ name, metadata: blob() }, version + BigInt(moved))),
        stored: Effect.map(store.get(name), (found) => ({ moves: found.version - version }))
      }
    }),
    refusals: ["ClusterVersionConflict"],
    fences: {
      "the comparison of the version": open(
        /(?:COALESCE\(\(SELECT version FROM "_guarded_\d+_cluster"\), 0\)|cluster_metadata_info\.version) = \$\d+::bigint/g
      )
    }
  },
  "ack levels of queues": {
    given: Effect.sync(() => {
      const type = Queue.QueueType.make(randomInt(1, 2 ** 31 - 1))
      return {
        move: (moved) =>
          Effect.flatMap(Queues.Queues, (store) => store.updateAckLevels(type, { one: event() }, BigInt(moved))),
        stored: Effect.flatMap(Queues.Queues, (store) =>
          Effect.map(store.ackLevels(type), ({ version }) => ({ moves: version }))
        )
      }
    }),
    refusals: ["ConditionFailed"],
    fences: {
      "the comparison of the version": open(
        /(?:queue_metadata\.version|COALESCE\(\(SELECT version FROM "_guarded_\d+_queue"\), 0\)) = \$\d+::bigint/g
      )
    }
  },
  "user data of task queues": {
    given: Effect.sync(() => {
      const { id } = namespace()
      const names = [0, 1].map(() => Identifiers.TaskQueueName.make(randomUUID()))
      return {
        move: (moved) =>
          Effect.flatMap(TaskQueueUserData.TaskQueueUserData, (store) =>
            store.update(id, new Map(names.map((name) => [name, { expectedVersion: BigInt(moved), data: blob() }])))
          ),
        stored: Effect.flatMap(TaskQueueUserData.TaskQueueUserData, (store) =>
          Effect.gen(function* () {
            const found = yield* Effect.forEach(names, (name) => store.find(id, name))
            const versions = found.map(Option.match({ onNone: () => 0n, onSome: ({ version }) => version }))
            assert.strictEqual(versions[0], versions[1], "the two queues of one update")
            return { moves: versions[0] ?? 0n }
          })
        )
      }
    }),
    refusals: ["UserDataConflict"],
    fences: {
      "the comparison of the versions": (text) => text.replace(/WHERE version <> stored\b/g, "WHERE FALSE")
    }
  }
}

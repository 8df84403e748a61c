/**
 * Writes of shards and of what is below them: executions, current executions, history tasks.
 */
import { Transaction } from "@effect-dsql/core"
import {
  Archetype,
  CurrentExecutions,
  Executions,
  ExecutionWrite,
  HistoryTask,
  HistoryTasks,
  Identifiers,
  Shards
} from "@effect-dsql/persistence"
import { Effect } from "effect"
import { blob, namespaceId, rangeId, shardId, uuid, write } from "./Case.ts"

const shard = { shardId, rangeId, info: blob("owner 1") }

export const sharded = Effect.flatMap(Shards.Shards, (shards) => shards.getOrCreate(shardId, () => shard))

export const ShardWrites = {
  getOrCreate: [
    write(sharded, undefined, { when: "there is none" }),
    write(
      Effect.flatMap(Shards.Shards, (shards) =>
        shards.getOrCreate(shardId, () => ({ rangeId: 1n, info: blob("owner 2") }))
      ),
      sharded,
      { when: "there is one" }
    )
  ],
  update: [
    write(
      Effect.flatMap(Shards.Shards, (shards) =>
        shards.update({ shardId, rangeId: rangeId + 1n, info: blob("owner 2") }, rangeId)
      ),
      sharded,
      { when: "taken over" }
    ),
    write(
      Effect.flatMap(Shards.Shards, (shards) => shards.update({ ...shard, info: blob("further") }, rangeId)),
      sharded,
      { when: "by its owner" }
    )
  ]
}

const run = (number: number) => Identifiers.RunId.make(uuid(100 + number))

const at = {
  shardId,
  rangeId,
  namespaceId,
  businessId: Identifiers.BusinessId.make("order"),
  archetypeId: Archetype.workflow
}

const tasks = (number: number): ReadonlyArray<HistoryTask.HistoryTask> => [
  { category: HistoryTask.transfer, taskId: BigInt(number), task: blob(`transfer ${number}`) },
  {
    category: HistoryTask.timer,
    fireTime: HistoryTask.FireTime.make(1_000_000n),
    taskId: BigInt(number),
    task: blob(`timer ${number}`)
  }
]

const standing = (state: "Running" | "Completed" | "Zombie") =>
  ExecutionWrite.Standing.make({ state, status: state === "Completed" ? "Completed" : "Running" })

const head = (text: string) => ({ nextEventId: 3n, lastWriteVersion: 1n, info: blob(text), state: blob(text) })

const snapshot = (number: number, state: "Running" | "Zombie" = "Running") =>
  ExecutionWrite.Snapshot.make({
    runId: run(number),
    ...head(`run ${number}`),
    standing: standing(state),
    activities: new Map([[1n, blob("activity")]]),
    timers: new Map([[Identifiers.TimerId.make("timer"), blob("timer")]]),
    tasks: tasks(number)
  })

const mutation: ExecutionWrite.Mutation = {
  runId: run(1),
  ...head("changed"),
  standing: standing("Running"),
  expected: { dbRecordVersion: 1n },
  put: { activities: new Map([[2n, blob("another")]]) },
  remove: { timers: new Set([Identifiers.TimerId.make("timer")]) },
  bufferEvents: [blob("event")],
  tasks: tasks(11)
}

const executions = Executions.Executions

/** A run that is current, and one that is not. */
const created = Effect.gen(function* () {
  const store = yield* executions
  yield* sharded
  yield* store.create(at, { _tag: "BrandNew" }, snapshot(1))
  yield* store.create(at, { _tag: "BypassCurrent" }, snapshot(2, "Zombie"))
})

export const ExecutionWrites = {
  create: [
    write(
      Effect.flatMap(executions, (store) => store.create(at, { _tag: "BrandNew" }, snapshot(1))),
      sharded
    ),
    write(
      Effect.flatMap(executions, (store) => store.create(at, { _tag: "BypassCurrent" }, snapshot(3, "Zombie"))),
      created,
      { when: "another is current" }
    )
  ],
  update: [
    write(
      Effect.flatMap(executions, (store) => store.update(at, { mode: "UpdateCurrent", mutation })),
      created
    ),
    write(
      Effect.flatMap(executions, (store) =>
        store.update(at, {
          mode: "UpdateCurrent",
          mutation: { ...mutation, standing: standing("Completed") },
          newRun: snapshot(3)
        })
      ),
      created,
      { when: "continued as new" }
    )
  ],
  conflictResolve: [
    write(
      Effect.flatMap(executions, (store) =>
        store.conflictResolve(at, {
          mode: "UpdateCurrent",
          run: { ...snapshot(2), tasks: tasks(12), expected: { dbRecordVersion: 1n } },
          current: { ...mutation, standing: standing("Zombie") }
        })
      ),
      created
    )
  ],
  set: [
    write(
      Effect.flatMap(executions, (store) =>
        store.set(at, { ...snapshot(1), ...head("set"), tasks: [], expected: { dbRecordVersion: 1n } })
      ),
      created
    )
  ],
  delete: [
    write(
      Effect.flatMap(executions, (store) => store.delete(at, run(1))),
      created
    )
  ],
  deleteCurrent: [
    write(
      Effect.flatMap(executions, (store) => store.deleteCurrent(at, run(1))),
      created
    )
  ]
}

const current = {
  shardId,
  namespaceId,
  businessId: at.businessId,
  archetypeId: Archetype.ArchetypeId.make(9),
  runId: run(1),
  ...standing("Running"),
  lastWriteVersion: 1n,
  data: blob("current")
}

/** Below the shard, as whoever uses them does it. */
const inTransaction = <A, E, R>(body: Effect.Effect<A, E, R> & Transaction.NotNested<R>) =>
  Transaction.run(body, { operation: "CurrentExecution" })

const inserted = Effect.flatMap(CurrentExecutions.CurrentExecutions, (store) => inTransaction(store.insert(current)))

export const CurrentExecutionWrites = {
  insert: [write(inserted, undefined, { unknown: true })],
  update: [
    write(
      Effect.flatMap(CurrentExecutions.CurrentExecutions, (store) =>
        inTransaction(store.update({ ...current, runId: run(2) }, run(1)))
      ),
      inserted,
      { unknown: true }
    )
  ],
  delete: [
    write(
      Effect.flatMap(CurrentExecutions.CurrentExecutions, (store) => inTransaction(store.delete(current, run(1)))),
      inserted,
      { unknown: true }
    )
  ]
}

const added = Effect.andThen(
  sharded,
  Effect.flatMap(HistoryTasks.HistoryTasks, (store) => store.add({ shardId, rangeId }, [...tasks(1), ...tasks(2)]))
)

const immediate = { shardId, rangeId, category: HistoryTask.transfer }
const scheduled = { shardId, rangeId, category: HistoryTask.timer, fireTime: HistoryTask.FireTime.make(1_000_000n) }
const letter = { sourceCluster: Identifiers.ClusterName.make("elsewhere"), shardId }

const put = Effect.flatMap(HistoryTasks.HistoryTasks, ({ replicationDlq }) =>
  replicationDlq.put({ ...letter, taskId: 1n, task: blob("letter") })
)

export const HistoryTaskWrites = {
  add: [
    write(
      Effect.flatMap(HistoryTasks.HistoryTasks, (store) => store.add({ shardId, rangeId }, tasks(1))),
      sharded
    )
  ]
}

export const ImmediateTaskWrites = {
  delete: [
    write(
      Effect.flatMap(HistoryTasks.HistoryTasks, (store) => store.immediate.delete({ ...immediate, taskId: 1n })),
      added
    )
  ],
  deleteRange: [
    write(
      Effect.flatMap(HistoryTasks.HistoryTasks, (store) =>
        store.immediate.deleteRange({ ...immediate, min: 0n, max: 9n })
      ),
      added
    )
  ]
}

export const ScheduledTaskWrites = {
  delete: [
    write(
      Effect.flatMap(HistoryTasks.HistoryTasks, (store) => store.scheduled.delete({ ...scheduled, taskId: 1n })),
      added
    )
  ],
  deleteRange: [
    write(
      Effect.flatMap(HistoryTasks.HistoryTasks, (store) =>
        store.scheduled.deleteRange({
          ...scheduled,
          min: HistoryTask.FireTime.make(0n),
          max: HistoryTask.FireTime.make(2_000_000n)
        })
      ),
      added
    )
  ]
}

export const DeadLetterWrites = {
  put: [write(put)],
  delete: [
    write(
      Effect.flatMap(HistoryTasks.HistoryTasks, (store) => store.replicationDlq.delete({ ...letter, taskId: 1n })),
      put
    )
  ],
  deleteRange: [
    write(
      Effect.flatMap(HistoryTasks.HistoryTasks, (store) =>
        store.replicationDlq.deleteRange({ ...letter, min: 0n, max: 9n })
      ),
      put
    )
  ]
}

/**
 * Writes whose answer is lost, while others put back what they compare or take away what they wrote: those that arrive
 * after all do nothing any more, and where what is stored does not tell what became of one, nobody is told that it does.
 */
import { DsqlClient } from "@effect-dsql/core"
import {
  Clusters,
  HistoryBranches,
  HistoryTask,
  HistoryTasks,
  Identifiers,
  Namespaces,
  NexusEndpoints,
  type Persistence,
  Shards,
  TaskQueues
} from "@effect-dsql/persistence"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { gate, holding, holdingValid } from "../../../test/lifetime.ts"
import * as Proxy from "../../../test/proxy.ts"
import { located, node } from "./support/history.ts"
import { forms, inForm } from "./support/persistence.ts"
import { blob, clusterName, endpoint, namespace } from "./support/rows.ts"
import { queueId } from "./support/taskQueues.ts"

type Write = Effect.Effect<unknown, unknown, Persistence.Persistence>

/** A write that is late, what others do once it is settled, and the table that then stays as it is. */
interface Case {
  readonly given?: Write
  readonly write: Write
  readonly others: Write
  readonly table: string
  /**
   * Whether it is tried as a statement only: the emulator lets an INSERT commit that meets the INSERT and the DELETE of
   * its key by others, which a cluster takes for a conflict.
   */
  readonly asStatement?: true
  /** Whether its lost answer stays one: nobody looks for it. */
  readonly isLeft?: true
}

const letter = {
  sourceCluster: Identifiers.ClusterName.make("elsewhere"),
  shardId: Identifiers.ShardId.make(7),
  taskId: 1n
}

const letters = <A, E>(use: (store: HistoryTasks.HistoryTasks["Service"]["replicationDlq"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(HistoryTasks.HistoryTasks, ({ replicationDlq }) => use(replicationDlq))

const put = letters((store) => store.put({ ...letter, task: blob() }))

const branch = located()

const histories = <A, E>(use: (store: HistoryBranches.HistoryBranches["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(HistoryBranches.HistoryBranches, use)

const append = histories((store) => store.append({ ...branch, nodes: [node(1, 1)], newBranch: { info: "" } }))

const queue = { id: queueId(), rangeId: 1n }

const queues = <A, E>(use: (store: TaskQueues.TaskQueues["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(TaskQueues.TaskQueues, use)

const created = queues((store) => store.create({ ...queue, info: blob() }))

const tasks = queues((store) => store.createTasks(queue, [{ position: { taskId: 1n }, task: blob() }]))

const shards = <A, E>(use: (store: Shards.Shards["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(Shards.Shards, use)

const shard = { shardId: Identifiers.ShardId.make(7), rangeId: 1n }

const history = <A, E>(use: (store: HistoryTasks.HistoryTasks["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(HistoryTasks.HistoryTasks, use)

const transfer = (taskId: bigint) => ({ category: HistoryTask.transfer, taskId, task: blob() })

/** Deletions by one who has been taken over since by one who adds a task, and the table that has it. */
const deletions: Readonly<Record<string, Omit<Case, "asStatement"> & { readonly given: Write }>> = {
  "of a queue": {
    given: Effect.andThen(created, tasks),
    write: queues((store) => store.deleteTasks(queue, { taskId: 9n })),
    others: queues((store) =>
      Effect.flatMap(store.lease(queue.id, blob()), (theirs) =>
        store.createTasks(theirs, [{ position: { taskId: 5n }, task: blob() }])
      )
    ),
    table: "tasks"
  },
  "of a shard": {
    given: Effect.andThen(
      shards((store) => store.getOrCreate(shard.shardId, () => ({ rangeId: 1n, info: blob() }))),
      history((store) => store.add(shard, [transfer(1n)]))
    ),
    write: history((store) =>
      store.immediate.deleteRange({ ...shard, category: HistoryTask.transfer, min: 0n, max: 9n })
    ),
    others: Effect.andThen(
      shards((store) => store.update({ ...shard, rangeId: 2n, info: blob() }, 1n)),
      history((store) => store.add({ ...shard, rangeId: 2n }, [transfer(5n)]))
    ),
    table: "transfer_tasks"
  }
}

const name = clusterName()

const clusters = <A, E>(use: (store: Clusters.Clusters["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(Clusters.Clusters, use)

const orders = namespace()

const namespaces = <A, E>(use: (store: Namespaces.Namespaces["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(Namespaces.Namespaces, use)

const cases: Readonly<Record<string, Case>> = {
  "brings no dead letter back that was deleted": {
    write: put,
    others: letters((store) => store.delete(letter)),
    table: "replication_tasks_dlq",
    asStatement: true
  },
  "deletes no dead letter that was put again": {
    given: put,
    write: letters((store) => store.delete(letter)),
    others: put,
    table: "replication_tasks_dlq"
  },
  "deletes no range of dead letters that were put again": {
    given: put,
    write: letters((store) => store.deleteRange({ ...letter, min: 0n, max: 9n })),
    others: put,
    table: "replication_tasks_dlq"
  },
  "brings no history back that was deleted": {
    write: append,
    others: histories((store) => store.delete(branch)),
    table: "history_node",
    asStatement: true
  },
  "deletes no nodes that were appended again": {
    given: append,
    write: histories((store) => store.deleteNodes({ ...branch, nodes: [{ nodeId: 1n, txnId: 1n }] })),
    others: append,
    table: "history_node"
  },
  "leases no task queue that was deleted": {
    write: queues((store) => store.lease(queue.id, blob())),
    others: queues((store) => store.delete(queue)),
    table: "task_queues"
  },
  "deletes no tasks that were added since": {
    given: Effect.andThen(created, tasks),
    write: queues((store) => store.deleteTasks(queue, { taskId: 9n })),
    others: tasks,
    table: "tasks"
  }
}

/** Whether a statement changes rows; which one it is, no statement before it has said. */
const changesRows = (sql: string) => /INSERT INTO|UPDATE "|DELETE FROM/.test(sql)

/** The bytes of a write, which are held back, and what its client and others do meanwhile. */
const heldBack = Effect.fnUntraced(function* (
  form: (typeof forms)[number],
  late: Omit<Case, "asStatement">,
  holdingBack: typeof holding = holding
) {
  const { url } = yield* Testing.make({ source: SchemaSource.builtIn() })
  const proxy = yield* Proxy.make(url)
  const stores = (url: Proxy.Proxy["url"]) =>
    Layer.build(inForm(form).pipe(Layer.provide(Layer.fresh(DsqlClient.layerUrl({ url })))))
  const witness = yield* stores(url)
  const { sql } = Context.get(witness, DsqlClient.DsqlClient)
  yield* Effect.provideContext(late.given ?? Effect.void, witness)
  const { hold, layer } = holdingBack(proxy)
  const message = yield* hold((sql) => (form === "statement" ? changesRows(sql) : sql === "COMMIT"))
  return {
    message,
    write: Effect.provideContext(late.write, yield* stores(proxy.url)).pipe(Effect.provide(layer)),
    others: Effect.provideContext(late.others, witness),
    rows: sql.unsafe(`SELECT to_jsonb(t)::text AS row FROM ${late.table} AS t ORDER BY 1`)
  }
})

// A transaction is done again at once: there, this is a race.
describe("A deletion of tasks as one statement whose answer is lost", () => {
  it.live.each(Object.entries(deletions))(
    "is unknown to who owns no more, %s, and takes none of his successor's",
    ([, late]) =>
      Effect.gen(function* () {
        const { message, others, rows, write } = yield* heldBack("statement", late)
        const { before, isAsked, open } = gate()
        const deletion = yield* Effect.forkChild(before(Effect.flip(write)))
        yield* message.held
        yield* others
        yield* open
        assert.include(yield* Fiber.join(deletion), { _tag: "CommitOutcomeUnknown" } as const)
        assert.isTrue(isAsked())
        yield* message.arrive
        const left = JSON.stringify(yield* rows)
        assert.include(left, '\\"task_id\\": 5')
      })
  )
})

const saved = (version: bigint) => clusters((store) => store.save({ name, metadata: blob() }, version))

const target = endpoint()

const endpoints = <A, E>(use: (store: NexusEndpoints.NexusEndpoints["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(NexusEndpoints.NexusEndpoints, use)

/** Writes that took effect, and what others do before who wrote knows: what is there then says nothing of the write. */
const overtaken: Readonly<Record<string, Case>> = {
  "a namespace that was deleted": {
    write: namespaces((store) => store.create(orders)),
    others: namespaces((store) => store.deleteById(orders.id)),
    table: "namespaces"
  },
  "a namespace that was made again under its id": {
    given: namespaces((store) => store.create(orders)),
    write: namespaces((store) => store.deleteById(orders.id)),
    others: namespaces((store) => store.create(orders)),
    table: "namespaces"
  },
  "the metadata of a cluster that were deleted": {
    write: saved(0n),
    others: clusters((store) => store.delete(name)),
    table: "cluster_metadata_info"
  },
  "the metadata of a cluster that were deleted and saved by another": {
    given: saved(0n),
    write: saved(1n),
    others: Effect.andThen(
      clusters((store) => store.delete(name)),
      saved(0n)
    ),
    table: "cluster_metadata_info"
  },
  "a task queue that was deleted": {
    write: created,
    others: queues((store) => store.delete(queue)),
    table: "task_queues",
    isLeft: true
  },
  "a task queue that another has taken, who keeps its info": {
    write: created,
    others: queues((store) => store.lease(queue.id, blob())),
    table: "task_queues",
    isLeft: true
  },
  "a Nexus endpoint that was made again under its id": {
    given: endpoints((store) => store.create(target, 0n)),
    write: endpoints((store) => store.delete(target.id, 1n)),
    others: endpoints((store) => store.create(target, 2n)),
    table: "nexus_endpoints"
  }
}

// A transaction is looked for at once: there, this is a race.
describe("A write as one statement whose answer is lost", () => {
  it.live.each(Object.entries(overtaken))("is unknown, and not done again: %s", ([, late]) =>
    Effect.gen(function* () {
      const { message, others, rows, write } = yield* heldBack("statement", late, holdingValid)
      const original = yield* rows
      const { before, isAsked, open } = gate()
      const writing = yield* Effect.forkChild(before(Effect.flip(write)))
      yield* message.held
      assert.isTrue(yield* message.arrive)
      assert.notDeepEqual(yield* rows, original)
      yield* others
      const left = yield* rows
      yield* open
      assert.include(yield* Fiber.join(writing), { _tag: "CommitOutcomeUnknown" } as const)
      assert.strictEqual(isAsked(), late.isLeft !== true)
      assert.deepStrictEqual(yield* rows, left)
    })
  )
})

describe.each(forms)("A write as one %s that is done again", (form) => {
  const tried = Object.entries(cases).filter(([, { asStatement }]) => form === "statement" || asStatement !== true)
  it.live.each(tried)("%s", ([, late]) =>
    Effect.gen(function* () {
      const { message, others, rows, write } = yield* heldBack(form, late)
      yield* write
      yield* others
      const left = yield* rows
      assert.isTrue(yield* message.arrive)
      assert.deepStrictEqual(yield* rows, left)
    })
  )
})

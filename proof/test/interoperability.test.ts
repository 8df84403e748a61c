/**
 * The two systems read each other: the same history leaves the same rows, and a reader of the other system's messages
 * finds in them what was written.
 */
import { Transaction } from "@effect-dsql/core"
import { CurrentExecution, TaskQueueId } from "@effect-dsql/persistence"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { temporal } from "@temporalio/proto"
import { Context, Effect, Layer, Schema } from "effect"
import * as Interoperability from "../src/interoperability/Interoperability.ts"
import * as Messages from "../src/interoperability/Messages.ts"
import * as Queues from "../src/interoperability/QueueSteps.ts"
import * as Tables from "../src/interoperability/Tables.ts"

/** What the script leaves, either way. */
class Left extends Context.Service<
  Left,
  { readonly stores: Interoperability.Run; readonly plain: Interoperability.Run; readonly tables: Tables.Tables }
>()("proof/test/Left") {}

const Ran = Layer.effect(
  Left,
  Effect.gen(function* () {
    const stores = yield* Interoperability.throughStores(Interoperability.script)
    const plain = yield* Interoperability.asPlainSql(Interoperability.script)
    return Left.of({ stores, plain, tables: stores.steps.at(-1)?.tables ?? new Map() })
  })
).pipe(Layer.provideMerge(Testing.layer({ source: SchemaSource.builtIn() })))

/** A table's rows, of which there are some. */
const rowsOf = (name: string) =>
  Effect.map(Left, ({ tables }) => {
    const rows = tables.get(name) ?? []
    assert.isNotEmpty(rows, name)
    return rows
  })

const bytes = (value: unknown) => Uint8Array.from(Buffer.from(String(value), "hex"))

layer(Ran, { excludeTestServices: true })("A history of more than 200 operations", (it) => {
  it.effect(
    "leaves the same tables through the stores and as plain SQL after each, and rows in every one of them",
    () =>
      Effect.gen(function* () {
        const { plain, stores, tables } = yield* Left
        assert.isAbove(Interoperability.script.length, 200)
        assert.deepStrictEqual(Interoperability.differences(stores, plain), [])
        for (const [name, rows] of tables) {
          // The script's events are all handled in the end.
          if (name !== "buffered_events") assert.isNotEmpty(rows, name)
        }
      })
  )

  it.effect("is compared so that a column, a row and a null that differ are found", () =>
    Effect.gen(function* () {
      const { tables } = yield* Left
      const tampered = (change: (rows: ReadonlyArray<Tables.Row>) => ReadonlyArray<Tables.Row>) =>
        Tables.differences(tables, new Map([...tables, ["shards", change(tables.get("shards") ?? [])]]))
      assert.lengthOf(
        tampered((rows) => rows),
        0
      )
      assert.lengthOf(
        tampered((rows) => rows.slice(1)),
        1
      )
      assert.lengthOf(
        tampered((rows) => rows.map((row) => ({ ...row, range_id: 9 }))),
        1
      )
      assert.lengthOf(
        tampered((rows) => rows.map((row) => ({ ...row, data_encoding: null }))),
        1
      )
    })
  )

  // What the other side would leave if one of the two systems did something else.
  for (const [what, first, last, otherwise] of [
    [
      "the encoding of buffered events",
      "create a shard",
      "continue business 1",
      "UPDATE buffered_events SET data_encoding = 'Json'"
    ],
    [
      "two roles of members",
      "hear of member 1",
      "hear of member 5",
      "UPDATE cluster_membership SET role = 5 - role WHERE role IN (2, 3)"
    ],
    [
      "two states of executions",
      "create a shard",
      "end business 1",
      "UPDATE current_executions SET state = 3 - state WHERE state IN (1, 2)"
    ],
    [
      "a range that is leased",
      "create task queue classic Workflow",
      "lease task queue classic Workflow",
      "UPDATE task_queues SET range_id = range_id + 6 WHERE range_id = 3"
    ],
    [
      "a node that is trimmed",
      "begin history 1",
      "trim history 1",
      "INSERT INTO history_node SELECT shard_id, tree_id, branch_id, node_id, -13, prev_txn_id, data, data_encoding FROM history_node WHERE txn_id = -15 ON CONFLICT DO NOTHING"
    ]
  ] as const) {
    it.effect(`is compared so that ${what} that differ are found`, () =>
      Effect.gen(function* () {
        const names = Interoperability.script.map(({ name }) => name)
        const [from, to] = [names.indexOf(first), names.findIndex((name) => name.startsWith(last))]
        const script = Interoperability.script.slice(from, to + 1)
        assert.isNotEmpty(script)
        const stores = yield* Interoperability.throughStores(script)
        assert.deepStrictEqual(Interoperability.differences(stores, yield* Interoperability.asPlainSql(script)), [])
        const mutate = Effect.flatMap(Transaction.sql, (sql) => sql.unsafe(otherwise))
        const mutated = script.map(({ go, name, stores }) => ({ name, stores, go: Effect.andThen(go, mutate) }))
        const broken = yield* Interoperability.asPlainSql(mutated)
        assert.isNotEmpty(Interoperability.differences(stores, broken))
      })
    )
  }

  it.effect("leaves events that Temporal's own messages decode, and transactions that are negated", () =>
    Effect.gen(function* () {
      const rows = yield* rowsOf("history_node")
      for (const { data, node_id, prev_txn_id, txn_id } of rows) {
        const history = temporal.api.history.v1.History.decode(bytes(data))
        assert.deepStrictEqual(
          history.events.map(({ eventId }) => Number(eventId)),
          [node_id]
        )
        assert.isBelow(Number(txn_id), 0)
        // The node before is the one that the transaction before has written.
        const before = rows.filter((row) => Number(row["txn_id"]) === -Number(prev_txn_id))
        assert.isTrue(node_id === 1 || before.some((row) => Number(row["node_id"]) === Number(node_id) - 1))
      }
    })
  )

  it.effect("leaves trees whose messages say the ids of their rows", () =>
    Effect.gen(function* () {
      for (const { branch_id, data, tree_id } of yield* rowsOf("history_tree")) {
        const { branchInfo } = data as { readonly branchInfo: Readonly<Record<string, unknown>> }
        assert.deepInclude(branchInfo, { treeId: tree_id, branchId: branch_id })
      }
    })
  )

  it.effect("leaves task queues whose keys are the hashes of what their messages say", () =>
    Effect.gen(function* () {
      for (const suffix of ["", "_v2"]) {
        for (const { data, range_hash, task_queue_id } of yield* rowsOf(`task_queues${suffix}`)) {
          const info = Messages.decode("TaskQueueInfo", bytes(data))
          const key = Queues.keyOf(String(info["namespaceId"]), String(info["name"]), 0, Number(info["taskType"]))
          assert.deepStrictEqual({ range_hash: BigInt(Number(range_hash)), task_queue_id }, key)
        }
      }
    })
  )

  it.effect("leaves queues that begin where their messages say", () =>
    Effect.gen(function* () {
      for (const { metadata_payload } of yield* rowsOf("queues")) {
        const queue = Messages.decode("Queue", bytes(metadata_payload))
        assert.deepStrictEqual(queue, { partitions: { 0: { minMessageId: "3" } } })
      }
    })
  )

  it.effect("has statuses, types of task queues and encodings with Temporal's numbers and names", () =>
    Effect.gen(function* () {
      const { EncodingType, TaskQueueType, WorkflowExecutionStatus } = temporal.api.enums.v1
      const named = (prefix: string, name: string) =>
        `${prefix}${name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()}`
      const numbers = (of: object) => new Map(Object.entries(of).filter(([, value]) => typeof value === "number"))
      const statuses = [
        "Running",
        "Completed",
        "Failed",
        "Canceled",
        "Terminated",
        "ContinuedAsNew",
        "TimedOut",
        "Paused"
      ] as const
      for (const status of statuses) {
        const number = numbers(WorkflowExecutionStatus).get(named("WORKFLOW_EXECUTION_STATUS_", status))
        assert.strictEqual(Schema.encodeSync(CurrentExecution.Status)(status), number, status)
      }
      for (const type of ["Workflow", "Activity", "Nexus"] as const) {
        const number = numbers(TaskQueueType).get(named("TASK_QUEUE_TYPE_", type))
        assert.strictEqual(Schema.encodeSync(TaskQueueId.TaskQueueType)(type), number, type)
      }
      const encodings = new Set(
        (yield* rowsOf("executions")).flatMap((row) => [row["data_encoding"], row["state_encoding"]])
      )
      for (const encoding of encodings) {
        assert.isDefined(numbers(EncodingType).get(named("ENCODING_TYPE_", String(encoding))), String(encoding))
      }
    })
  )
})

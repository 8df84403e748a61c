/**
 * Ids that are UUIDs: a column compares 16 bytes, so no id is another one for its letters.
 */
import { BranchToken, HistoryBranch, HistoryBranches, Identifiers, TaskQueueId } from "@effect-dsql/persistence"
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect, Schema } from "effect"
import * as Message from "../src/internal/history/branchMessage.ts"
import { branchId, chain, located, node, readAll, rowsOf, written } from "./support/history.ts"
import { describeStores } from "./support/persistence.ts"

const small = "0e4d2c04-4d5c-4a4c-9c3e-6a5a1a5b1d11"
const capitals = small.toUpperCase()

/** What a caller without types may say: the same id in other letters. */
const shout = <Id extends string>(id: Id) => id.toUpperCase() as Id

const shouted = ({ branch, shardId }: HistoryBranches.Located): HistoryBranches.Located => ({
  shardId,
  branch: {
    treeId: shout(branch.treeId),
    branchId: shout(branch.branchId),
    ancestors: branch.ancestors.map((range) => ({ ...range, branchId: shout(range.branchId) }))
  }
})

describe("An id that is a UUID", () => {
  it("is made and decoded from any letters, and kept in small ones", () => {
    const { BranchId, EndpointId, HostId, NamespaceId, RunId, TreeId } = Identifiers
    for (const schema of [BranchId, EndpointId, HostId, NamespaceId, RunId, TreeId]) {
      assert.strictEqual(schema.make(capitals), small)
      assert.strictEqual(Schema.decodeSync(schema)(capitals), small)
      assert.isFalse(Schema.is(schema)(capitals))
    }
    const id = { rangeHash: "1", uuid: capitals }
    const decode = Schema.decodeSync(Schema.toCodecJson(TaskQueueId.TaskQueueId))
    assert.strictEqual(decode(id).uuid, small)
  })

  it.effect("is in small letters in a branch that is read from a token in capitals", () =>
    Effect.gen(function* () {
      const id = Identifiers.BranchId.make(small)
      const branch = HistoryBranch.fork(HistoryBranch.root(Identifiers.TreeId.make(small), id), 3n, branchId())
      const bytes = Message.encode(shouted({ branch, shardId: located().shardId }).branch)
      assert.deepStrictEqual(yield* Schema.decodeEffect(BranchToken.BranchToken)(bytes), branch)
    })
  )
})

describeStores("A branch that is named in capitals", (it) => {
  it.effect("is deleted without the nodes that a fork of it reads", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const nodes = chain(6)
      const base = yield* written(located(), nodes)
      const branch = yield* history.fork({ ...base, nodeId: 4n, branchId: branchId(), info: "" })
      yield* history.delete(shouted(base))
      assert.deepStrictEqual(yield* readAll({ ...base, branch }), nodes.slice(0, 3))
      assert.deepStrictEqual(yield* rowsOf(base), { nodes: 3, branches: 1 })
    })
  )

  it.effect("gives its fork the nodes that it had, whoever deletes it", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const nodes = chain(6)
      const base = yield* written(shouted(located()), nodes)
      const branch = yield* history.fork({ ...base, nodeId: 4n, branchId: shout(branchId()), info: "" })
      assert.strictEqual(branch.branchId, branch.branchId.toLowerCase())
      yield* history.delete({
        ...base,
        branch: HistoryBranch.root(base.branch.treeId, Identifiers.BranchId.make(base.branch.branchId))
      })
      assert.deepStrictEqual(yield* readAll(shouted({ ...base, branch })), nodes.slice(0, 3))
    })
  )

  it.effect("is trimmed, extended and forked as what it is", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const nodes = chain(5)
      const base = yield* written(located(), nodes)
      assert.strictEqual(yield* history.trim({ ...shouted(base), nodeId: 3n, txnId: 3n, beyond: true }), 2)
      yield* history.append({ ...shouted(base), nodes: Arr.make(node(4, 4, 3)), newBranch: { info: "test" } })
      assert.lengthOf(yield* readAll(base), 4)
      const own = { ...base, nodeId: 3n, branchId: shout(base.branch.branchId), info: "" }
      assert.strictEqual((yield* Effect.flip(history.fork(own)))._tag, "HistoryInvalid")
      assert.deepStrictEqual(yield* rowsOf(base), { nodes: 4, branches: 1 })
    })
  )
})

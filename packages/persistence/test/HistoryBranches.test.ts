/**
 * Histories as they are written, read and listed.
 */
import { DsqlClient } from "@effect-dsql/core"
import { HistoryBranch, HistoryBranches, PageToken, type PersistenceError } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Array as Arr, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Control, loseAnswer, roundTrips } from "./support/emulated.ts"
import { branchId, chain, located, node, readAll, readAllBackward, rowsOf, written } from "./support/history.ts"
import { describeAlone, describeEmulated, describeStores } from "./support/persistence.ts"

/** All pages of a list, by its tokens. */
const pages = <A, E, R>(
  list: (request: PageToken.PageRequest) => Effect.Effect<PageToken.Page<A>, E, R>,
  size: number
) =>
  Effect.gen(function* () {
    const found: Array<ReadonlyArray<A>> = []
    let token: PageToken.PageToken | undefined
    do {
      const page: PageToken.Page<A> = yield* list({ size, token })
      found.push(page.items)
      token = page.next
    } while (token !== undefined)
    return found
  })

describeStores("HistoryBranches", (it) => {
  it.effect("makes a branch with its first node, and appends to it", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = located()
      const [first, second, third] = [node(1, 10), node(3, 11, 10), node(8, 12, 11)]
      yield* history.append({ ...of, nodes: [first], newBranch: { info: "order-4711" } })
      yield* history.append({ ...of, nodes: [second, third] })
      assert.deepStrictEqual(yield* history.listNodes(of), { items: [first, second, third], next: undefined })
      const [branch, ...others] = (yield* history.list({ ...of, treeId: of.branch.treeId })).items
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(branch?.branch, of.branch)
      assert.strictEqual(branch?.info, "order-4711")
      assert.isDefined(branch?.forkTime)
    })
  )

  it.effect("writes a node that is there already over it, as often as it is told", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = located()
      const [first, again] = [node(1, 10), node(1, 10)]
      yield* history.append({ ...of, nodes: [first], newBranch: { info: "" } })
      yield* history.append({ ...of, nodes: [again], newBranch: { info: "" } })
      yield* history.append({ ...of, nodes: [again], newBranch: { info: "" } })
      assert.deepStrictEqual(yield* readAll(of), [again])
      assert.deepStrictEqual(yield* rowsOf(of), { nodes: 1, branches: 1 })
    })
  )

  it.effect("reads nothing where there is nothing, and outside of a range", () =>
    Effect.gen(function* () {
      const of = yield* written(located(), chain(3))
      assert.deepStrictEqual(yield* readAll(located()), [])
      assert.deepStrictEqual(yield* readAll({ ...of, min: 9n }), [])
      assert.deepStrictEqual(yield* readAll({ ...of, min: 3n, max: 3n }), [])
    })
  )

  it.effect("reads the nodes from a minimum up to and without a maximum, both ways", () =>
    Effect.gen(function* () {
      const nodes = chain(9)
      const of = yield* written(located(), nodes)
      assert.deepStrictEqual(yield* readAll({ ...of, min: 3n, max: 7n }), nodes.slice(2, 6))
      const backward = yield* readAllBackward({ ...of, min: 3n, max: 7n, lastTxnId: 6n })
      assert.deepStrictEqual(backward, nodes.slice(2, 6).toReversed())
    })
  )

  it.effect("gives the node of the highest transaction, whichever was written last", () =>
    Effect.gen(function* () {
      const of = located()
      const [first, low, high] = [node(1, 10), node(4, 11, 10), node(4, 20, 10)]
      yield* written(of, [first, high, low])
      assert.deepStrictEqual(yield* readAll(of), [first, high])
      assert.deepStrictEqual(yield* readAllBackward({ ...of, lastTxnId: 20n }), [high, first])
    })
  )

  it.effect("passes over what a later attempt covers", () =>
    Effect.gen(function* () {
      const of = located()
      const [first, long, last] = [node(1, 10), node(4, 20, 10), node(9, 21, 20)]
      // An attempt that failed: two batches, where the one that counts has one.
      const [lost, alsoLost] = [node(4, 11, 10), node(6, 12, 11)]
      yield* written(of, [first, lost, alsoLost, long, last])
      assert.deepStrictEqual(yield* readAll(of), [first, long, last])
      assert.deepStrictEqual(yield* readAllBackward({ ...of, lastTxnId: 21n }), [last, long, first])
    })
  )

  it.effect("follows the chain backwards even past a node of a higher transaction", () =>
    Effect.gen(function* () {
      const of = located()
      const [first, valid, failed, last] = [node(1, 10), node(4, 11, 10), node(4, 30, 10), node(9, 12, 11)]
      yield* written(of, [first, valid, last, failed])
      assert.deepStrictEqual(yield* readAllBackward({ ...of, lastTxnId: 12n }), [last, valid, first])
    })
  )

  it.effect("reads a hundred nodes of several transactions each, in pages of any size", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = located()
      const attempts = Array.from({ length: 100 }, (_, index) => 2 + (index % 8))
      let previous = 0
      const truth: Array<HistoryBranch.HistoryNode> = []
      for (const [index, count] of attempts.entries()) {
        const nodes = Arr.makeBy(count, (attempt) => node(index + 1, previous + attempt + 1, previous))
        yield* history.append({ ...of, nodes, newBranch: { info: "" } })
        previous += count
        truth.push(...nodes.slice(-1))
      }
      for (const size of [10, 13, 19, 1000]) {
        assert.deepStrictEqual((yield* pages((request) => history.listNodes(of, request), size)).flat(), truth)
        const range = { ...of, lastTxnId: BigInt(previous) }
        const backward = yield* pages((request) => history.listNodesBackward(range, request), size)
        assert.deepStrictEqual(backward.flat(), truth.toReversed())
      }
    })
  )

  it.effect("shares the nodes before a fork, and keeps apart what comes after", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const nodes = chain(6)
      const base = yield* written(located(), nodes)
      const branch = yield* history.fork({ ...base, nodeId: 4n, branchId: branchId(), info: "reset" })
      assert.deepStrictEqual(branch.ancestors, [{ branchId: base.branch.branchId, beginNodeId: 1n, endNodeId: 4n }])
      const forked = { ...base, branch }
      assert.deepStrictEqual(yield* readAll(forked), nodes.slice(0, 3))
      const linked = Arr.make(node(4, 104, 3), ...chain(3, 5, 104))
      yield* history.append({ ...forked, nodes: linked })
      const expected = [...nodes.slice(0, 3), ...linked]
      for (const size of [1, 2, 3, 4, 100]) {
        assert.deepStrictEqual(yield* readAll(forked, size), expected)
        const backward = yield* readAllBackward({ ...forked, lastTxnId: Arr.lastNonEmpty(linked).txnId }, size)
        assert.deepStrictEqual(backward, expected.toReversed())
      }
      assert.deepStrictEqual(yield* readAll(base), nodes)
    })
  )

  it.effect("forks a fork, also below where it begins", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const nodes = chain(6)
      const base = yield* written(located(), nodes)
      const first = { ...base, branch: yield* history.fork({ ...base, nodeId: 4n, branchId: branchId(), info: "" }) }
      const own = chain(3, 4, 3)
      yield* Effect.forEach(own, (each) => history.append({ ...first, nodes: [each] }))
      const above = yield* history.fork({ ...first, nodeId: 6n, branchId: branchId(), info: "" })
      assert.deepStrictEqual(above.ancestors, [
        { branchId: base.branch.branchId, beginNodeId: 1n, endNodeId: 4n },
        { branchId: first.branch.branchId, beginNodeId: 4n, endNodeId: 6n }
      ])
      assert.deepStrictEqual(yield* readAll({ ...base, branch: above }), [...nodes.slice(0, 3), ...own.slice(0, 2)])
      const below = yield* history.fork({ ...first, nodeId: 3n, branchId: branchId(), info: "" })
      assert.deepStrictEqual(below.ancestors, [{ branchId: base.branch.branchId, beginNodeId: 1n, endNodeId: 3n }])
      assert.deepStrictEqual(yield* readAll({ ...base, branch: below }), nodes.slice(0, 2))
    })
  )

  it.effect("forks and appends for sixteen at once, each to its own branch", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const nodes = chain(5)
      const base = yield* written(located(), nodes)
      const fork = Effect.gen(function* () {
        const branch = yield* history.fork({ ...base, nodeId: 5n, branchId: branchId(), info: "" })
        const own = node(5, 100, 4)
        yield* history.append({ ...base, branch, nodes: [own] })
        return { branch, own }
      })
      const forks = yield* Effect.all(
        Array.from({ length: 16 }, () => fork),
        { concurrency: "unbounded" }
      )
      for (const { branch, own } of forks) {
        assert.deepStrictEqual(yield* readAll({ ...base, branch }), [...nodes.slice(0, 4), own])
      }
      assert.deepStrictEqual(yield* rowsOf(base), { nodes: 21, branches: 17 })
    })
  )

  it.effect("refuses a fork that would share nothing, or of a branch that is not there", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = located()
      const missing = yield* Effect.flip(history.fork({ ...of, nodeId: 4n, branchId: branchId(), info: "" }))
      assert.include(missing, { _tag: "BranchNotFound", branchId: of.branch.branchId } as const)
      assert.deepStrictEqual(yield* rowsOf(of), { nodes: 0, branches: 0 })
      yield* written(of, chain(1))
      const nothing = yield* Effect.flip(history.fork({ ...of, nodeId: 1n, branchId: branchId(), info: "" }))
      assert.strictEqual(nothing._tag, "HistoryInvalid")
    })
  )

  it.effect("refuses to make a branch again as another's history, and keeps the time of its fork", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const base = yield* written(located(), chain(6))
      const fork = { ...base, nodeId: 4n, branchId: branchId(), info: "one" }
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const made = yield* history.fork(fork)
      yield* TestClock.setTime(Date.UTC(2027, 0, 1))
      assert.deepStrictEqual(yield* history.fork(fork), made)
      const append = { ...base, nodes: Arr.make(node(1, 9)) }
      yield* history.append({ ...append, newBranch: { info: "test" } })
      const taken = { _tag: "BranchExists", treeId: base.branch.treeId } as const
      assert.include(yield* Effect.flip(history.fork({ ...fork, info: "another" })), taken)
      const another = history.append({ ...append, nodes: [node(1, 10)], newBranch: { info: "another" } })
      assert.include(yield* Effect.flip(another), taken)
      const { items } = yield* history.list({ shardId: base.shardId, treeId: base.branch.treeId })
      const found = items.find(({ branch }) => branch.branchId === fork.branchId)
      assert.deepStrictEqual(found?.forkTime?.epochMilliseconds, Date.UTC(2026, 0, 1))
      assert.deepStrictEqual(items.map(({ info }) => info).toSorted(), ["one", "test"])
      assert.strictEqual((yield* readAll(base))[0]?.txnId, 9n)
    }).pipe(Effect.provide(TestClock.layer()))
  )

  it.effect("goes on backwards along the chain that its page token is of, and along no other", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = yield* written(located(), chain(5))
      const { next: token } = yield* history.listNodesBackward({ ...of, lastTxnId: 5n }, { size: 2 })
      const other = yield* Effect.flip(history.listNodesBackward({ ...of, lastTxnId: 4n }, { token }))
      assert.strictEqual(other._tag, "PageTokenInvalid")
      const { items } = yield* history.listNodesBackward({ ...of, lastTxnId: 5n }, { token })
      assert.deepStrictEqual(
        items.map(({ nodeId }) => nodeId),
        [3n, 2n, 1n]
      )
    })
  )

  it.effect("refuses to make a branch under the id of another, whose nodes stay what they are", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const base = yield* written(located(), chain(6))
      const fork = { ...base, nodeId: 4n, branchId: branchId(), info: "" }
      const made = yield* history.fork(fork)
      assert.deepStrictEqual(yield* history.fork(fork), made)
      const taken = { _tag: "BranchExists", treeId: base.branch.treeId, branchId: fork.branchId } as const
      assert.include(yield* Effect.flip(history.fork({ ...fork, nodeId: 2n })), taken)
      const root = { ...base, branch: { ...made, ancestors: [] } }
      const newBranch = { info: "" }
      assert.include(yield* Effect.flip(history.append({ ...root, nodes: [node(1, 9)], newBranch })), taken)
      for (const branchId of [base.branch.branchId, fork.branchId]) {
        const own = yield* Effect.flip(history.fork({ ...fork, branch: made, branchId }))
        assert.strictEqual(own._tag, "HistoryInvalid")
      }
      yield* history.delete(base)
      assert.lengthOf(yield* readAll({ ...base, branch: made }), 3)
    })
  )

  it.effect("refuses a batch without events, and to read backward from no transaction", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = yield* written(located(), chain(1))
      const events = { data: new Uint8Array(), encoding: "Proto3" } as const
      const empty = yield* Effect.flip(history.append({ ...of, nodes: [{ ...node(2, 2, 1), events }] }))
      assert.strictEqual(empty._tag, "HistoryInvalid")
      const nowhere = yield* Effect.flip(history.listNodesBackward({ ...of, lastTxnId: 0n }))
      assert.strictEqual(nowhere._tag, "HistoryInvalid")
    })
  )

  it.effect("takes no token of another branch, of the other direction, nor one that was cut", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const one = yield* written(located(), chain(3))
      const other = yield* written(located(), chain(3))
      const { next } = yield* history.listNodes(one, { size: 1 })
      assert(next !== undefined)
      const refused: ReadonlyArray<Effect.Effect<unknown, PersistenceError.PageError | HistoryBranch.HistoryInvalid>> =
        [
          history.listNodes({ ...one, max: 3n }, { token: next }),
          history.listNodes(other, { token: next }),
          history.listNodesBackward({ ...one, lastTxnId: 3n }, { token: next }),
          history.list({ ...one, treeId: one.branch.treeId }, { token: next }),
          history.listAll({ token: next }),
          history.listNodes(one, { token: PageToken.PageToken.make(next.slice(0, 9)) })
        ]
      for (const each of refused) assert.strictEqual((yield* Effect.flip(each))._tag, "PageTokenInvalid")
    })
  )

  it.effect("gives the nodes before one that does not decode, names it, and goes on after it", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const nodes = chain(5)
      const of = yield* written(located(), nodes)
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`UPDATE history_node SET data_encoding = 'Thrift' WHERE tree_id = ${of.branch.treeId} AND node_id = 3`
      const before = yield* history.listNodes(of)
      assert.deepStrictEqual(before.items, nodes.slice(0, 2))
      const malformed = yield* Effect.flip(history.listNodes(of, { token: before.next }))
      assert(malformed._tag === "MalformedRow")
      assert.strictEqual(malformed.table, "history_node")
      assert.include(malformed.key, "node_id = 3, txn_id = 3")
      assert.include(malformed.reason, "data_encoding")
      assert.deepStrictEqual(yield* history.listNodes(of, { token: malformed.next }), {
        items: nodes.slice(3),
        next: undefined
      })
      const { next } = yield* Effect.flip(history.listNodesBackward({ ...of, max: 4n, lastTxnId: 3n })).pipe(
        Effect.filterOrFail((error) => error._tag === "MalformedRow")
      )
      const rest = yield* history.listNodesBackward({ ...of, max: 4n, lastTxnId: 3n }, { token: next })
      assert.deepStrictEqual(rest.items, nodes.slice(0, 2).toReversed())
    })
  )
})

describeEmulated("HistoryBranches, when its server is watched or broken,", (it) => {
  it.effect("refuses nodes that are not the branch's own, given twice or too large, before it sends them", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = yield* written(located(), chain(3))
      const branch = HistoryBranch.fork(of.branch, 3n, branchId())
      yield* Effect.flatMap(Control, (control) => control.reset)
      const foreign = yield* Effect.flip(history.append({ ...of, branch, nodes: [node(2, 9)] }))
      assert.include(foreign, { _tag: "HistoryInvalid" } as const)
      assert.include(foreign.message, "begins at node 3")
      assert.strictEqual((yield* Effect.flip(history.append({ ...of, nodes: [node(0, 9)] })))._tag, "HistoryInvalid")
      const twice = yield* Effect.flip(history.append({ ...of, nodes: [node(5, 9), node(5, 9)] }))
      assert.strictEqual(twice._tag, "HistoryInvalid")
      const events = { data: new Uint8Array(1024 * 1024 + 1), encoding: "Proto3" } as const
      const large = yield* Effect.flip(history.append({ ...of, nodes: [{ ...node(5, 9), events }] }))
      assert.include(large, { _tag: "LimitExceeded", limit: "column_bytes" } as const)
      const removed = yield* Effect.flip(history.deleteNodes({ ...of, branch, nodes: [{ nodeId: 2n, txnId: 2n }] }))
      assert.strictEqual(removed._tag, "HistoryInvalid")
      assert.strictEqual((yield* (yield* Control).counts()).roundTrips, 0)
    })
  )

  for (const when of ["before", "after"] as const) {
    it.effect(
      `appends and deletes although the answer is lost, and says truly whether it forked, ${when} it took effect`,
      () =>
        Effect.gen(function* () {
          const history = yield* HistoryBranches.HistoryBranches
          const of = located()
          const nodes = chain(2)
          yield* loseAnswer(when)
          yield* history.append({ ...of, nodes, newBranch: { info: "" } })
          assert.deepStrictEqual(yield* readAll(of), nodes)
          yield* loseAnswer(when)
          const fork = { ...of, nodeId: 2n, branchId: branchId(), info: "" }
          // A fork that comes late could bring back a branch that was deleted since, so it is not sent again unasked.
          const forked = yield* Effect.result(history.fork(fork))
          assert.strictEqual(forked._tag, when === "before" ? "Failure" : "Success")
          const branch = yield* history.fork(fork)
          assert.deepStrictEqual(yield* readAll({ ...of, branch }), nodes.slice(0, 1))
          yield* loseAnswer(when)
          yield* history.deleteNodes({ ...of, nodes: [{ nodeId: 2n, txnId: 2n }] })
          assert.deepStrictEqual(yield* readAll(of), nodes.slice(0, 1))
          yield* loseAnswer(when)
          yield* history.delete(of)
          yield* history.delete({ ...of, branch })
          assert.deepStrictEqual(yield* rowsOf(of), { nodes: 0, branches: 0 })
        })
    )
  }

  it.effect("takes the round trips that it documents", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = yield* written(located(), chain(3))
      const forking = { ...of, nodeId: 3n, branchId: branchId(), info: "" }
      const branch = HistoryBranch.fork(of.branch, 3n, forking.branchId)
      const tree = { ...of, treeId: of.branch.treeId }
      assert.strictEqual(yield* roundTrips(history.append({ ...of, nodes: [node(4, 4, 3)] })), 1)
      const again = history.append({ ...of, nodes: [node(4, 4, 3), node(5, 5, 4)], newBranch: { info: "test" } })
      assert.strictEqual(yield* roundTrips(again), 2)
      assert.strictEqual(yield* roundTrips(history.fork(forking)), 1)
      assert.strictEqual(yield* roundTrips(history.listNodes({ ...of, branch })), 1)
      assert.strictEqual(yield* roundTrips(history.listNodesBackward({ ...of, branch, lastTxnId: 2n })), 1)
      assert.strictEqual(yield* roundTrips(history.list(tree)), 1)
      assert.strictEqual(yield* roundTrips(history.listAll()), 1)
      assert.strictEqual(yield* roundTrips(history.deleteNodes({ ...of, nodes: [{ nodeId: 5n, txnId: 5n }] })), 1)
      const shadow = history.append({ ...of, nodes: [node(2, 99, 1)] })
      const trim = history.trim({ ...of, nodeId: 4n, txnId: 4n })
      assert.strictEqual(yield* roundTrips(Effect.andThen(shadow, trim)), 1 + 2)
      assert.strictEqual(yield* roundTrips(history.delete(of)), 3)
    })
  )
})

describeAlone("the list of all branches", (it) => {
  it.effect("begins without a token, and ends, at every boundary of a page", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      assert.deepStrictEqual(yield* history.listAll(), { items: [], next: undefined })
      const trees = yield* Effect.forEach([1, 2, 3], () => written(located(), chain(3)))
      for (const each of trees) yield* history.fork({ ...each, nodeId: 2n, branchId: branchId(), info: "fork" })
      const { sql } = yield* DsqlClient.DsqlClient
      const expected = yield* sql<{ readonly branch_id: string }>`
        SELECT branch_id FROM history_tree ORDER BY shard_id, tree_id, branch_id`
      for (const size of [1, 2, 3, 5, 6, 7]) {
        const found = yield* pages(history.listAll, size)
        assert.strictEqual(found.length, Math.ceil(6 / size))
        assert.deepStrictEqual(
          found.flat().map(({ branch }) => branch.branchId as string),
          expected.map((row) => row.branch_id)
        )
      }
      const streamed = yield* Stream.runCollect(history.streamAll({ size: 4 }))
      for (const { branch, info, shardId } of streamed) {
        const tree = trees.find((each) => each.branch.treeId === branch.treeId)
        assert.strictEqual(shardId, tree?.shardId)
        assert.strictEqual(info, branch.ancestors.length === 0 ? "test" : "fork")
      }
      const [of = located()] = trees
      const own = yield* Stream.runCollect(
        history.stream({ shardId: of.shardId, treeId: of.branch.treeId }, { size: 1 })
      )
      assert.deepStrictEqual(
        own.map(({ branch }) => branch),
        streamed.filter(({ branch }) => branch.treeId === of.branch.treeId).map(({ branch }) => branch)
      )
    })
  )

  it.effect("names a branch whose row is not a branch, and goes on after it", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const { sql } = yield* DsqlClient.DsqlClient
      const broken: ReadonlyArray<readonly [data: Uint8Array, encoding: string, reason: string]> = [
        [new Uint8Array([10, 200]), "Proto3", "HistoryTreeInfo"],
        [new Uint8Array(), "Proto3", "treeId"],
        [new Uint8Array(), "Json", "Json"],
        [new Uint8Array(), "Thrift", "data_encoding"]
      ]
      for (const [data, encoding, reason] of broken) {
        const of = yield* written(located(), chain(1))
        const tree = { shardId: of.shardId, treeId: of.branch.treeId }
        const fork = yield* history.fork({ ...of, nodeId: 2n, branchId: branchId(), info: "" })
        const [first, second] = of.branch.branchId < fork.branchId ? [of.branch, fork] : [fork, of.branch]
        yield* sql`UPDATE history_tree SET data = ${data}, data_encoding = ${encoding} WHERE branch_id = ${first.branchId}`
        const malformed = yield* Effect.flip(history.list(tree))
        assert(malformed._tag === "MalformedRow")
        assert.strictEqual(malformed.table, "history_tree")
        assert.include(malformed.key, `branch_id = ${first.branchId}`)
        assert.include(malformed.reason, reason)
        const rest = yield* history.list(tree, { token: malformed.next })
        assert.deepStrictEqual(
          rest.items.map(({ branch }) => branch),
          [second]
        )
        // Nobody can tell what that branch reads, so nothing is deleted.
        assert.strictEqual((yield* Effect.flip(history.delete({ ...of, branch: second })))._tag, "MalformedRow")
        assert.deepStrictEqual(yield* rowsOf(of), { nodes: 1, branches: 2 })
      }
    })
  )
})

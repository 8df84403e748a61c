/**
 * Taking history away: never too much, and in the end all of it.
 */
import { DsqlClient, RetryPolicy, Transaction } from "@effect-dsql/core"
import { HistoryBranch, HistoryBranches } from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Array as Arr, Deferred, Effect, Fiber } from "effect"
import * as Removal from "../src/internal/history/removal.ts"
import * as Tree from "../src/internal/history/tree.ts"
import { Control } from "./support/emulated.ts"
import { branchId, chain, located, node, readAll, readAllBackward, rowsOf, written } from "./support/history.ts"
import { describeEmulated, describeStores } from "./support/persistence.ts"

const policy = RetryPolicy.make({ jitter: "none", base: "1 millis" })

const nothing = { nodes: 0, branches: 0 }

/** Every order of four. */
const orders = [0, 1, 2, 3].flatMap((a) =>
  [0, 1, 2, 3].flatMap((b) =>
    [0, 1, 2, 3].flatMap((c) => (new Set([a, b, c]).size === 3 ? [[a, b, c, 6 - a - b - c]] : []))
  )
)

/** A branch of five nodes and a fork of it at the fourth, with two of its own. */
const forked = Effect.gen(function* () {
  const history = yield* HistoryBranches.HistoryBranches
  const nodes = chain(5)
  const base = yield* written(located(), nodes)
  const branch = yield* history.fork({ ...base, nodeId: 4n, branchId: branchId(), info: "" })
  const own = Arr.make(node(4, 104, 3), node(5, 105, 104))
  yield* history.append({ ...base, branch, nodes: own })
  return { base, nodes, fork: { ...base, branch }, forkNodes: [...nodes.slice(0, 3), ...own] }
})

/** Five thousand nodes and a row for the branch, in three statements. */
const long = Effect.gen(function* () {
  const history = yield* HistoryBranches.HistoryBranches
  const of = located()
  yield* history.append({ ...of, nodes: [node(1, 1)], newBranch: { info: "" } })
  for (const from of [2, 2_502]) {
    const insert = Effect.flatMap(
      Transaction.sql,
      (sql) => sql`
      INSERT INTO history_node (shard_id, tree_id, branch_id, node_id, txn_id, prev_txn_id, data, data_encoding)
      SELECT ${of.shardId}::integer, ${of.branch.treeId}::uuid, ${of.branch.branchId}::uuid, n, -n, n - 1, 'events', 'Proto3'
      FROM generate_series(${from}::bigint, ${from + 2_499}::bigint) AS n`
    )
    yield* Transaction.autocommit(insert)
  }
  return of
})

describeStores("HistoryBranches.delete", (it) => {
  it.effect("of the base first leaves what the fork reads, then nothing", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const { base, fork, forkNodes } = yield* forked
      yield* history.delete(base)
      assert.deepStrictEqual(yield* readAll(fork), forkNodes)
      assert.deepStrictEqual(yield* rowsOf(base), { nodes: 5, branches: 1 })
      yield* history.delete(fork)
      assert.deepStrictEqual(yield* rowsOf(base), nothing)
    })
  )

  it.effect("of the fork first leaves the base as it was, then nothing", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const { base, fork, nodes } = yield* forked
      yield* history.delete(fork)
      assert.deepStrictEqual(yield* readAll(base), nodes)
      assert.deepStrictEqual(yield* rowsOf(base), { nodes: 5, branches: 1 })
      yield* history.delete(base)
      assert.deepStrictEqual(yield* rowsOf(base), nothing)
    })
  )

  it.effect("of forks of forks, in any order, leaves every other branch as it was", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      for (const order of orders) {
        const base = yield* written(located(), chain(4))
        const fork = (of: HistoryBranches.Located, nodeId: number, txnId: number) =>
          Effect.gen(function* () {
            const branch = yield* history.fork({ ...of, nodeId: BigInt(nodeId), branchId: branchId(), info: "" })
            yield* history.append({
              ...of,
              branch,
              nodes: [node(nodeId, txnId, 1), node(nodeId + 1, txnId + 1, txnId)]
            })
            return { ...of, branch }
          })
        const early = yield* fork(base, 2, 100)
        const late = yield* fork(base, 4, 200)
        const branches = [base, early, late, yield* fork(early, 3, 300)]
        const histories = yield* Effect.forEach(branches, (of) => readAll(of))
        for (const [done, index] of order.entries()) {
          yield* history.delete(branches[index] ?? base)
          for (const kept of order.slice(done + 1)) {
            assert.deepStrictEqual(yield* readAll(branches[kept] ?? base), histories[kept], order.join())
          }
        }
        assert.deepStrictEqual(yield* rowsOf(base), nothing, order.join())
      }
    })
  )

  it.effect("of a branch that is not there, or is gone already, changes nothing", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const { base, fork, forkNodes } = yield* forked
      yield* history.delete({ ...base, branch: HistoryBranch.root(base.branch.treeId, branchId()) })
      yield* history.delete(base)
      yield* history.delete(base)
      assert.deepStrictEqual(yield* readAll(fork), forkNodes)
    })
  )

  it.effect("that was interrupted in the middle finishes when it runs again", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = yield* long
      const { sql } = yield* DsqlClient.DsqlClient
      // The third statement that deletes never comes to its end, and its transaction is rolled back.
      const reached = yield* Deferred.make<void>()
      let pieces = 0
      const piece = Removal.removePiece({ shardId: of.shardId, treeId: of.branch.treeId }, of.branch)
      const deleting = Effect.gen(function* () {
        for (;;) {
          yield* Transaction.run(
            Effect.tap(piece, () =>
              ++pieces === 3 ? Effect.andThen(Deferred.succeed(reached, undefined), Effect.never) : Effect.void
            )
          )
        }
      })
      const fiber = yield* Effect.forkChild(deleting)
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* rowsOf(of), { nodes: 3_001, branches: 1 })
      yield* history.delete(of)
      assert.deepStrictEqual(yield* rowsOf(of), nothing)
      assert.deepStrictEqual(yield* sql`SELECT 1 FROM history_node WHERE tree_id = ${of.branch.treeId}`, [])
    })
  )
})

describeEmulated("HistoryBranches.delete, when its server is watched or broken,", (it) => {
  it.effect("of many nodes takes transactions below the limit, and the branch's row last", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const control = yield* Control
      const of = yield* long
      yield* control.reset
      yield* history.delete(of)
      // 5,001 nodes, 1,000 in a transaction.
      assert.strictEqual((yield* control.counts()).commits, 6)
      assert.deepStrictEqual(yield* rowsOf(of), nothing)
    })
  )

  it.effect("whose connection is cut in the middle finishes when it runs again", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const control = yield* Control
      const of = yield* long
      yield* control.clear
      // Each transaction reads the tree and deletes: the second one's DELETE is cut.
      yield* control.inject({ on: "statement", fault: "cut", nth: [4] })
      const lost = yield* Effect.flip(history.delete(of)).pipe(Effect.ensuring(control.clear))
      assert.strictEqual(lost._tag, "ConnectionLost")
      assert.deepStrictEqual(yield* rowsOf(of), { nodes: 4_001, branches: 1 })
      yield* history.delete(of)
      assert.deepStrictEqual(yield* rowsOf(of), nothing)
    })
  )
})

/** Two delete the two branches of one tree at once: each begins in a snapshot in which the other's branch is there. */
const race = (remove: (of: HistoryBranches.Located) => Effect.Effect<unknown, unknown, Transaction.Transaction>) =>
  Effect.gen(function* () {
    const { base, fork } = yield* forked
    const begun = yield* Deferred.make<void>()
    const deleted = yield* Deferred.make<void>()
    const attempts: Array<number> = []
    const later = yield* Transaction.run(
      Effect.gen(function* () {
        const { attempt, sql } = yield* Transaction.Transaction
        attempts.push(attempt)
        // The first read takes the snapshot that the whole transaction sees.
        yield* sql`SELECT 1 FROM history_tree WHERE tree_id = ${base.branch.treeId}`
        yield* Deferred.succeed(begun, undefined)
        yield* Deferred.await(deleted)
        yield* remove(fork)
      }),
      { policy }
    ).pipe(Effect.forkChild)
    yield* Deferred.await(begun)
    yield* Transaction.run(remove(base), { policy })
    yield* Deferred.succeed(deleted, undefined)
    yield* Fiber.join(later)
    return { attempts, left: yield* rowsOf(base) }
  })

describeStores("two branches of one tree, deleted at once", (it) => {
  const treeOf = ({ branch, shardId }: HistoryBranches.Located) => ({ shardId, treeId: branch.treeId })

  it.effect("leave nothing behind: the later one starts over and takes what the other left to it", () =>
    Effect.gen(function* () {
      const { attempts, left } = yield* race((of) => Removal.removePiece(treeOf(of), of.branch))
      assert.deepStrictEqual(attempts, [1, 2])
      assert.deepStrictEqual(left, nothing)
    })
  )

  it.effect("would leave the shared nodes behind if the other branches were only read", () =>
    Effect.gen(function* () {
      const { attempts, left } = yield* race((of) =>
        Effect.gen(function* () {
          const sql = yield* Transaction.sql
          const rows = yield* sql<{ readonly branch_id: string }>`
            SELECT branch_id FROM history_tree WHERE tree_id = ${of.branch.treeId}`
          // It keeps what the other branch reads, because that one seems to be there.
          assert.strictEqual(rows.length, 2)
          const base = of.branch.ancestors[0]?.branchId ?? of.branch.branchId
          const [branch_id, begin_node_id] = [of.branch.branchId, 4n]
          assert.include(
            rows.map((row) => row.branch_id as string),
            base
          )
          yield* Removal.removeSome(treeOf(of), [{ branch_id, begin_node_id }], of.branch.branchId)
        })
      )
      assert.deepStrictEqual(attempts, [1])
      assert.deepStrictEqual(left, { nodes: 3, branches: 0 })
    })
  )

  it.effect("are not there to be forked: a fork that began before starts over, and is refused", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const base = yield* written(located(), chain(3))
      const branch = HistoryBranch.fork(base.branch, 3n, branchId())
      const made = Tree.make({ branch, forkTime: undefined, info: "" }, base.shardId)
      const begun = yield* Deferred.make<void>()
      const deleted = yield* Deferred.make<void>()
      const forking = yield* Transaction.run(
        Effect.gen(function* () {
          const sql = yield* Transaction.sql
          yield* sql`SELECT 1 FROM history_tree WHERE tree_id = ${base.branch.treeId}`
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(deleted)
          yield* Tree.fork(base.branch, base.shardId, made)
        }),
        { policy }
      ).pipe(Effect.result, Effect.forkChild)
      yield* Deferred.await(begun)
      yield* history.delete(base)
      yield* Deferred.succeed(deleted, undefined)
      const outcome = yield* Fiber.join(forking)
      assert(outcome._tag === "Failure")
      assert.strictEqual(outcome.failure._tag, "BranchNotFound")
      assert.deepStrictEqual(yield* rowsOf(base), nothing)
    })
  )
})

describeStores("HistoryBranches.trim", (it) => {
  const trim = (of: HistoryBranches.Located, nodeId: number, txnId: number, beyond?: boolean) =>
    Effect.flatMap(HistoryBranches.HistoryBranches, (history) =>
      history.trim({ ...of, nodeId: BigInt(nodeId), txnId: BigInt(txnId), beyond })
    )

  it.effect("deletes what is not on the chain, so that both ways of reading agree", () =>
    Effect.gen(function* () {
      const of = located()
      const valid = [node(1, 10), node(4, 20, 10), node(9, 30, 20)]
      const off = [node(1, 5), node(4, 25, 10), node(6, 26, 25), node(9, 29, 20), node(9, 40, 20)]
      yield* written(of, [...valid, ...off])
      assert.notDeepEqual(yield* readAll(of), valid)
      assert.strictEqual(yield* trim(of, 9, 30), 5)
      assert.deepStrictEqual(yield* readAll(of), valid)
      assert.deepStrictEqual(yield* readAllBackward({ ...of, lastTxnId: 30n }), valid.toReversed())
      assert.deepStrictEqual(yield* rowsOf(of), { nodes: 3, branches: 1 })
      assert.strictEqual(yield* trim(of, 9, 30), 0)
    })
  )

  it.effect("leaves the nodes after the valid one, unless it is told to", () =>
    Effect.gen(function* () {
      const nodes = chain(6)
      const of = yield* written(located(), nodes)
      assert.strictEqual(yield* trim(of, 4, 4), 0)
      assert.deepStrictEqual(yield* readAll(of), nodes)
      assert.strictEqual(yield* trim(of, 4, 4, true), 2)
      assert.deepStrictEqual(yield* readAll(of), nodes.slice(0, 4))
    })
  )

  it.effect("beyond a node keeps what a fork reads", () =>
    Effect.gen(function* () {
      const { base, fork, forkNodes, nodes } = yield* forked
      assert.strictEqual(yield* trim(base, 1, 1, true), 2)
      assert.deepStrictEqual(yield* readAll(base), nodes.slice(0, 3))
      assert.deepStrictEqual(yield* readAll(fork), forkNodes)
    })
  )

  it.effect("trims a fork, and what its ancestors have off the chain", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const { base, fork, forkNodes, nodes } = yield* forked
      yield* history.append({ ...base, nodes: [node(2, 50, 1)] })
      yield* history.append({ ...fork, nodes: [node(5, 500, 104)] })
      assert.strictEqual(yield* trim(fork, 5, 105), 2)
      assert.deepStrictEqual(yield* readAll(fork), forkNodes)
      assert.deepStrictEqual(yield* readAll(base), nodes)
    })
  )

  it.effect("deletes nothing where the chain does not lead back to the first node", () =>
    Effect.gen(function* () {
      const of = yield* written(located(), [node(1, 10), node(1, 11), node(4, 20, 15), node(6, 30, 20), node(8, 40)])
      for (const [nodeId, txnId] of [
        [6, 30],
        [8, 40],
        [6, 99],
        [4, 30],
        [7, 30]
      ] as const) {
        const broken = yield* Effect.flip(trim(of, nodeId, txnId))
        assert.strictEqual(broken._tag, "BrokenChain", `${nodeId} ${txnId}`)
      }
      assert.deepStrictEqual(yield* rowsOf(of), { nodes: 5, branches: 1 })
    })
  )

  it.effect("goes over a history of any length, and sends nothing that the linter objects to", () =>
    Effect.gen(function* () {
      const history = yield* HistoryBranches.HistoryBranches
      const of = yield* long
      yield* history.append({ ...of, nodes: [node(2_000, 9_000, 1_999), node(3_000, 9_001, 2_999)] })
      assert.strictEqual(yield* trim(of, 5_001, 5_001), 2)
      assert.strictEqual((yield* rowsOf(of)).nodes, 5_001)
    })
  )
})

/**
 * Writes of several hosts in every order that fast-check finds: what they leave is what those that committed leave one
 * after the other.
 */
import { type DsqlClient, Fence, RetryPolicy, Transaction } from "@effect-dsql/core"
import {
  Archetype,
  type Execution,
  Executions,
  type ExecutionWrite,
  type Persistence,
  Shards
} from "@effect-dsql/persistence"
import { assert } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { Statement } from "effect/sql"
import * as fc from "fast-check"
import * as Plan from "../src/internal/executions/plan.ts"
import * as Writes from "../src/internal/executions/writes.ts"
import { everything, mutation, replacement, snapshot, standing } from "./support/executions.ts"
import { describeForms, describeStores } from "./support/persistence.ts"
import { blob, key, shardId } from "./support/rows.ts"

interface Given {
  readonly first: ExecutionWrite.Snapshot
  readonly other: ExecutionWrite.Snapshot
}

type Step = Effect.Effect<void, unknown, Transaction.Transaction>

/** A write that is made once and may be sent below two shards, with the same ids and contents. */
type Write = (at: Execution.OwnedKey) => Step

const sent = <E>(plan: Effect.Effect<Plan.Plan<unknown>, E>): Step => Effect.flatMap(plan, Plan.send)

const kinds: Readonly<Record<string, (given: Given) => Write>> = {
  change: ({ first }) => {
    const change = mutation(first.runId, 1n)
    return (at) => sent(Writes.update(at, { mode: "UpdateCurrent", mutation: change }))
  },
  continueAsNew: ({ first }) => {
    const [change, newRun] = [mutation(first.runId, 1n, { standing: standing("Completed") }), snapshot()]
    return (at) => sent(Writes.update(at, { mode: "UpdateCurrent", mutation: change, newRun }))
  },
  close: ({ first }) => {
    const change = mutation(first.runId, 1n, { standing: standing("Completed") })
    return (at) => sent(Writes.update(at, { mode: "IgnoreCurrent", mutation: change }))
  },
  reuse: ({ first }) => {
    const run = snapshot()
    const { lastWriteVersion: previousLastWriteVersion, runId: previousRunId } = first
    return (at) => sent(Writes.create(at, { _tag: "UpdateCurrent", previousRunId, previousLastWriteVersion }, run))
  },
  zombie: () => {
    const run = snapshot({ standing: standing("Zombie") })
    return (at) => sent(Writes.create(at, { _tag: "BypassCurrent" }, run))
  },
  rebuild: ({ first, other }) => {
    const [run, current] = [replacement(other.runId, 1n), mutation(first.runId, 1n)]
    return (at) => sent(Writes.conflictResolve(at, { mode: "UpdateCurrent", run, current }))
  },
  set: ({ other }) => {
    const run = replacement(other.runId, 1n)
    return (at) => sent(Writes.set(at, run))
  },
  deleteCurrent:
    ({ first }) =>
    (at) =>
      sent(Writes.removeCurrent(at, first.runId)),
  delete:
    ({ other }) =>
    (at) =>
      sent(Writes.remove(at, other.runId)),
  // Whatever is taken out of the other writes, a takeover keeps its locks.
  takeOver: () => (at) =>
    Fence.compareAndSet({ table: "shards", key: { shard_id: at.shardId }, token: "range_id" }, 5n, {
      range_id: 6n
    }).pipe(Effect.provideService(Statement.CurrentTransformer, undefined))
}

/** Two shards that hold the same, so that what happens below one can be done again below the other. */
const given = Effect.gen(function* () {
  const executions = yield* Executions.Executions
  const shards = yield* Shards.Shards
  const at: Execution.OwnedKey = { ...key(Archetype.workflow), rangeId: 5n }
  const twin = { ...at, shardId: shardId() }
  const shard = { rangeId: at.rangeId, info: blob() }
  for (const each of [at, twin]) yield* shards.getOrCreate(each.shardId, () => shard)
  const first = snapshot({ standing: standing("Completed") })
  const other = snapshot({ standing: standing("Zombie") })
  for (const each of [at, twin]) {
    yield* executions.create(each, { _tag: "BrandNew" }, first)
    yield* executions.create(each, { _tag: "BypassCurrent" }, other)
  }
  return { at, twin, first, other }
})

/** A session steps through three: it takes its snapshot, sends its write, commits. */
const steps = 3

const waits = (count: number) => Effect.forEach(Array.from({ length: count }), () => Deferred.make<void>())

/** Runs writes at once, step by step as the schedule says, and gives those that committed, in that order. */
const interleaved = Effect.fnUntraced(function* (
  at: Execution.OwnedKey,
  writes: ReadonlyArray<Write>,
  schedule: ReadonlyArray<number>,
  fence: typeof asItIs
) {
  const committed: Array<Write> = []
  const sessions = yield* Effect.forEach(writes, (write) =>
    Effect.gen(function* () {
      const [permits, done] = [yield* waits(steps), yield* waits(steps)]
      const step = <A, E, R>(index: number, effect: Effect.Effect<A, E, R>) =>
        Effect.gen(function* () {
          const [permit, end] = [permits[index], done[index]]
          assert(permit !== undefined && end !== undefined)
          yield* Deferred.await(permit)
          yield* effect
          if (index < steps - 1) yield* Deferred.succeed(end, undefined)
        })
      const session = Effect.gen(function* () {
        const sql = yield* Transaction.sql
        yield* step(0, sql`SELECT 1 FROM shards WHERE shard_id = ${at.shardId}`)
        yield* step(1, fence(write(at)))
        yield* step(2, Effect.void)
      })
      yield* Transaction.run(session, { policy: RetryPolicy.none }).pipe(
        Effect.tap(() => Effect.sync(() => committed.push(write))),
        Effect.ignore,
        Effect.ensuring(Effect.forEach(done, (end) => Deferred.succeed(end, undefined))),
        Effect.forkChild
      )
      return { permits: permits.values(), done: done.values() }
    })
  )
  for (const index of schedule) {
    const [permit, end] = [sessions[index]?.permits.next().value, sessions[index]?.done.next().value]
    assert(permit !== undefined && end !== undefined)
    yield* Deferred.succeed(permit, undefined)
    yield* Deferred.await(end)
  }
  return committed
})

const withoutShard = (rows: ReadonlyArray<string>) => rows.map((row) => row.replace(/"shard_id":\d+/, "")).toSorted()

/** Whether the writes that committed give the same one after the other. */
const isSerial = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  schedule: ReadonlyArray<number>,
  fence: typeof asItIs
) {
  const { at, twin, ...runs } = yield* given
  const writes = names.flatMap((name) => kinds[name]?.(runs) ?? [])
  const committed = yield* interleaved(at, writes, schedule, fence)
  for (const write of committed) {
    const again = yield* Effect.result(Transaction.run(write(twin), { policy: RetryPolicy.none }))
    if (again._tag === "Failure") return false
  }
  assert.deepStrictEqual(withoutShard(yield* everything(at)), withoutShard(yield* everything(twin)))
  return true
})

const asItIs = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => effect

/** Takes locks out of the statements that the store sends. */
const without =
  (lock: RegExp) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, Statement.CurrentTransformer, (statement, sql) => {
      const [text, parameters] = statement.compile()
      return Effect.succeed(sql.unsafe(text.replaceAll(lock, ""), parameters))
    })

/** Which writes meet, and whose turn it is: three turns for each. */
const meetings = fc.array(fc.constantFrom(...Object.keys(kinds)), { minLength: 2, maxLength: 4 }).chain((names) => {
  const turns = names.flatMap((_, index) => Array.from({ length: steps }, () => index))
  return fc.tuple(fc.constant(names), fc.shuffledSubarray(turns, { minLength: turns.length, maxLength: turns.length }))
})

const seed = 0x5eed

const check = (fence: typeof asItIs, runs: number) =>
  Effect.gen(function* () {
    const context = yield* Effect.context<DsqlClient.DsqlClient | Persistence.Persistence>()
    const property = fc.asyncProperty(meetings, ([names, schedule]) =>
      Effect.runPromiseWith(context)(isSerial(names, schedule, fence))
    )
    return yield* Effect.promise(() => fc.check(property, { numRuns: runs, seed }))
  })

describeForms(`writes that meet (seed ${seed})`, (it) => {
  it.effect("leave what those that committed leave one after the other", () =>
    Effect.gen(function* () {
      const result = yield* check(asItIs, 20)
      assert.isFalse(result.failed, fc.defaultReportMessage(result))
    })
  )
})

describeStores(`writes that meet without their locks (seed ${seed})`, (it) => {
  it.effect("leave something else, if they only read the shard", () =>
    Effect.gen(function* () {
      assert.isTrue((yield* check(without(/ FOR KEY SHARE/g), 300)).failed)
    })
  )

  it.effect("leave something else, if they only read the runs and the current execution", () =>
    Effect.gen(function* () {
      assert.isTrue((yield* check(without(/ FOR UPDATE/g), 300)).failed)
    })
  )
})

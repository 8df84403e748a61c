/**
 * The operations of a queue that `docs/round-trips.md` counts.
 */
import { type DsqlClient, Expression, Transaction } from "@effect-dsql/core"
import { PersistedQueue as Store } from "@effect-dsql/storage"
import { Duration, Effect, Layer, type Scope } from "effect"
import { PersistedQueue } from "effect/persistence"
import { randomUUID } from "node:crypto"
import * as Claiming from "../../src/internal/queue/claiming.ts"
import * as Leases from "../../src/internal/queue/leases.ts"
import * as Statements from "../../src/internal/queue/statements.ts"

type Services = DsqlClient.DsqlClient | PersistedQueue.PersistedQueueStore | Scope.Scope

/** Readies what is counted, and gives it. */
export type Readied = Effect.Effect<Effect.Effect<unknown, unknown, Services>, unknown, Services>

const name = "effect_queue"

export const Stores = Layer.effect(PersistedQueue.PersistedQueueStore, Store.makeStoreSql())

const options = { table: Expression.name(name), lease: Duration.minutes(2), refreshEvery: Duration.hours(1) }

const offer = (queue: string) =>
  Effect.flatMap(PersistedQueue.PersistedQueueStore, (store) =>
    store.offer({ name: queue, id: randomUUID(), element: 1, isCustomId: false })
  )

/** Jobs that are claimed, and what holds them. */
const claimed = Effect.fnUntraced(function* (jobs: number) {
  const queue = randomUUID()
  yield* Effect.forEach(Array.from({ length: jobs }), () => offer(queue))
  const claim = yield* Claiming.make({ table: options.table, queue, lease: 120_000 })
  return { queue, claim, leases: yield* Leases.make(options) }
})

/** What `docs/round-trips.md` counts of a queue, by its names. */
export const operations: Readonly<Record<string, Readied>> = {
  "offer a job": Effect.sync(() => offer(randomUUID())),
  "claim 16 jobs": Effect.map(claimed(32), ({ claim }) => claim(16, 10)),
  "look whether there is a job": Effect.sync(() =>
    Transaction.autocommit(Statements.untilVisible(options.table, randomUUID()), { readOnly: "proven" })
  ),
  "complete 17 jobs that end at once": Effect.gen(function* () {
    const { claim, leases } = yield* claimed(17)
    const { jobs } = yield* claim(17, 10)
    return Effect.forEach(jobs, (job) => leases.settle({ job, outcome: { _tag: "Completed" } }), {
      concurrency: "unbounded"
    })
  }),
  "extend the leases of 16 jobs": Effect.gen(function* () {
    const { claim } = yield* claimed(16)
    const { jobs } = yield* claim(16, 10)
    return Transaction.autocommit(Statements.extend(options.table, jobs, 120_000), { repeat: true })
  })
}

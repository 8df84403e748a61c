/**
 * What `docs/round-trips.md` says of a queue is what it takes.
 */
import { type DsqlClient, Expression, Transaction } from "@effect-dsql/core"
import { PersistedQueue as Store } from "@effect-dsql/storage"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer, type Scope } from "effect"
import { PersistedQueue } from "effect/persistence"
import { randomUUID } from "node:crypto"
import { costing, table } from "../../../test/roundTrips.ts"
import * as Claiming from "../src/internal/queue/claiming.ts"
import * as Leases from "../src/internal/queue/leases.ts"
import * as Statements from "../src/internal/queue/statements.ts"

const documented = table("Queues").map(([operation, statement, transaction, dpu]) => ({
  operation,
  trips: [Number(statement), Number(transaction)],
  dpu: Number(dpu)
}))

const name = "effect_queue"

const Stores = Layer.effect(PersistedQueue.PersistedQueueStore, Store.makeStoreSql())

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

/** Readies what is counted, and gives it. */
const operations = {
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

type Services = DsqlClient.DsqlClient | PersistedQueue.PersistedQueueStore | Scope.Scope

/** Readies an operation and gives it. */
type Readied = Effect.Effect<Effect.Effect<unknown, unknown, Services>, unknown, Services>

const inForm = (guarded: "statement" | "transaction") =>
  Stores.pipe(
    Layer.provideMerge(
      Testing.layer({ source: SchemaSource.builtIn("dsql/storage"), client: { guarded, maxConnections: 1 } })
    )
  )

for (const [column, form] of (["statement", "transaction"] as const).entries()) {
  layer(inForm(form), { excludeTestServices: true })("A queue's round trips", (it) => {
    it.effect(`are those that the page says, guarded writes as one ${form}`, () =>
      Effect.gen(function* () {
        const control = yield* Testing.Control
        const counted = yield* Effect.forEach(
          Object.entries<Readied>(operations),
          Effect.fnUntraced(function* ([operation, readied]) {
            // Its statements are prepared the first time.
            yield* Effect.flatten(readied)
            const once = yield* readied
            yield* control.reset
            yield* once
            if (form === "statement")
              yield* costing(operation, documented.find((row) => row.operation === operation)?.dpu)
            return [operation, (yield* control.counts()).roundTrips]
          })
        )
        assert.deepStrictEqual(
          counted,
          documented.map(({ operation, trips }) => [operation, trips[column]])
        )
      })
    )
  })
}

/**
 * Queues, their workers, and what is stored of their jobs.
 */
import { DsqlClient } from "@effect-dsql/core"
import { PersistedQueue as Store } from "@effect-dsql/storage"
import { Deferred, Effect, Layer, Schedule, Schema } from "effect"
import { PersistedQueue } from "effect/persistence"
import { randomUUID } from "node:crypto"
import { ProvingReads } from "../../../../test/proving.ts"
import * as storage from "./storage.ts"

export const Item = Schema.Struct({ n: Schema.Int })

/** A database with the tables, where whatever is said to read is sent where nothing can be written. */
export const Database = Layer.provideMerge(storage.Database(), ProvingReads)

/** The store as it is under test, impatient. */
export const Stores = PersistedQueue.layer.pipe(Layer.provideMerge(Store.layerStoreSql({ pollInterval: "10 millis" })))

/** Runs a program with a store of its own, as another process would. */
export const elsewhere = Effect.provide(Layer.fresh(Stores))

export const queueNamed = (name: string, maxAttempts?: number) =>
  PersistedQueue.make({ name, schema: Item, maxAttempts, retrySchedule: Schedule.spaced("1 milli") })

/** A queue that no other test has. */
export const someQueue = (maxAttempts?: number) => {
  const name = randomUUID()
  return Effect.map(queueNamed(name, maxAttempts), (queue) => ({ name, queue }))
}

/** The work of a job that is done at once. */
export const number = ({ n }: typeof Item.Type) => Effect.succeed(n)

/** A worker elsewhere who has a job by now, and works on it until he is told how it ends. */
export const busy = Effect.fnUntraced(function* (name: string, maxAttempts?: number) {
  const taken = yield* Deferred.make<number>()
  const end = yield* Deferred.make<void, string>()
  const work = Effect.flatMap(queueNamed(name, maxAttempts), (queue) =>
    queue.take((_, { attempts }) => Effect.andThen(Deferred.succeed(taken, attempts), Deferred.await(end)))
  )
  const fiber = yield* Effect.forkChild(Effect.exit(elsewhere(work)))
  return { attempts: yield* Deferred.await(taken), end, fiber }
})

/** What is stored of a queue's jobs. */
export const jobsOf = (name: string) =>
  Effect.flatMap(
    DsqlClient.DsqlClient,
    ({ sql }) => sql<{
      readonly id: string
      readonly state: string
      readonly attempts: number
      readonly claim: string | null
      readonly last_failure: string | null
      readonly delay: number
    }>`
      SELECT id, state, attempts, claim, last_failure,
        (EXTRACT(EPOCH FROM visible_at - created_at) * 1000)::double precision AS delay
      FROM effect_queue WHERE queue_name = ${name} ORDER BY id`
  )

/** Ends all leases and delays of a queue now. */
export const lapse = (name: string) =>
  Effect.flatMap(
    DsqlClient.DsqlClient,
    ({ sql }) => sql`UPDATE effect_queue SET visible_at = now() WHERE queue_name = ${name} AND state = 'pending'`
  )

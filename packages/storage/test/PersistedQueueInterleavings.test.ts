/**
 * Workers of one queue who step through their transactions in every order that fast-check finds; and the same without
 * what keeps them apart, which has to go wrong.
 */
import { DsqlClient, Expression, Transaction } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as fc from "fast-check"
import { randomUUID } from "node:crypto"
import { asItIs, interleave, type Rewrite } from "../../../test/sessions.ts"
import * as Buckets from "../src/internal/queue/buckets.ts"
import * as Claiming from "../src/internal/queue/claiming.ts"
import type { Claimed, Outcome } from "../src/internal/queue/job.ts"
import * as Statements from "../src/internal/queue/statements.ts"
import { Database, jobsOf, lapse } from "./support/queue.ts"

const table = Expression.name("effect_queue")

/** Offers jobs of one bucket, where all workers meet, or of as many as there are. */
const offered = Effect.fnUntraced(function* (jobs: number, inOneBucket: boolean) {
  const { sql } = yield* DsqlClient.DsqlClient
  const queue = randomUUID()
  const ids = Array.from({ length: jobs }, (_, index) => `job ${index}`)
  const buckets = ids.map((id) => (inOneBucket ? 7 : Buckets.of(id)))
  yield* sql`
    INSERT INTO effect_queue (queue_name, bucket, id, state, visible_at, attempts, element, created_at)
    SELECT ${queue}, bucket, id, 'pending', now(), 0, '1', now()
    FROM unnest(${ids}::text[], ${buckets}::int[]) AS job (id, bucket)`
  return queue
})

/** A worker who claims twice, and has what he has claimed. */
const worker = Effect.fnUntraced(function* (queue: string) {
  const claim = yield* Claiming.make({ table, queue, lease: 60_000 })
  const [first, second] = [yield* claim(3, 10), yield* claim(3, 10)]
  return [...first.jobs, ...second.jobs].map(({ id }) => id)
})

/** Whether no job of a queue is claimed twice while workers claim in this order. */
const areApart = (schedule: ReadonlyArray<number>, inOneBucket: boolean, rewrite: Rewrite) =>
  Effect.gen(function* () {
    const queue = yield* offered(8, inOneBucket)
    const workers = Array.from({ length: 3 }, () => worker(queue))
    const exits = yield* interleave(workers, schedule, rewrite)
    const claimed = exits.flatMap((exit) => (Exit.isSuccess(exit) ? exit.value : assert.fail(String(exit.cause))))
    return claimed.length === new Set(claimed).size
  })

const settle = (job: Claimed, outcome: Outcome) =>
  Transaction.autocommit(Statements.settle(table, [{ job, outcome }]), { operation: "Settle" })

/** Whether a job is what its second worker says, whatever its first one says after its lease. */
const isTheSeconds = (schedule: ReadonlyArray<number>, rewrite: Rewrite) =>
  Effect.gen(function* () {
    const queue = yield* offered(1, true)
    const claim = yield* Claiming.make({ table, queue, lease: 60_000 })
    const [first] = (yield* claim(1, 10)).jobs
    yield* lapse(queue)
    const [second] = (yield* claim(1, 10)).jobs
    if (first === undefined || second === undefined) return assert.fail("there is a job")
    const settlements = [settle(first, { _tag: "Completed" }), settle(second, { _tag: "Failed", failure: "boom" })]
    yield* interleave(settlements, schedule, rewrite)
    return (yield* jobsOf(queue))[0]?.state === "failed"
  })

const schedules = fc.array(fc.nat(2), { minLength: 4, maxLength: 20 })

const seed = Number(process.env["PROPERTY_SEED"] ?? fc.sample(fc.nat(), 1)[0])

layer(Database, { excludeTestServices: true })(`PersistedQueue, seed ${seed}`, (it) => {
  const check = <Given extends [unknown, ...Array<unknown>]>(
    property: fc.IAsyncProperty<Given>,
    parameters: fc.Parameters<Given>
  ) => Effect.promise(() => Promise.resolve(fc.check(property, parameters)))

  /** Runs an effect as a property needs it. */
  const running = Effect.map(Effect.context<DsqlClient.DsqlClient>(), Effect.runPromiseWith)

  it.effect("gives no job to two workers, however their claims interleave", () =>
    Effect.gen(function* () {
      const run = yield* running
      const property = fc.asyncProperty(schedules, fc.boolean(), (schedule, inOneBucket) =>
        run(areApart(schedule, inOneBucket, asItIs))
      )
      const found = yield* check(property, { seed, numRuns: 12 })
      assert.isFalse(found.failed, fc.defaultReportMessage(found) ?? "")
    })
  )

  it.effect("would give a job to two workers if a claim did not hide it", () =>
    Effect.gen(function* () {
      const run = yield* running
      const visible: Rewrite = (text) => text.replace(/visible_at = CASE.*?END,/s, "visible_at = job.visible_at,")
      const property = fc.asyncProperty(schedules, (schedule) => run(areApart(schedule, true, visible)))
      assert.isTrue((yield* check(property, { seed: 0x5eed, numRuns: 100, endOnFailure: true })).failed)
    })
  )

  it.effect("lets nothing come of a claim after another one, however they interleave", () =>
    Effect.gen(function* () {
      const run = yield* running
      const property = fc.asyncProperty(schedules, (schedule) => run(isTheSeconds(schedule, asItIs)))
      const found = yield* check(property, { seed, numRuns: 12 })
      assert.isFalse(found.failed, fc.defaultReportMessage(found) ?? "")
    })
  )

  it.effect("would let a worker whose lease is over settle another's claim if claims were not compared", () =>
    Effect.gen(function* () {
      const run = yield* running
      const unfenced: Rewrite = (text) => text.replace("AND job.claim = owned.claim", "")
      const property = fc.asyncProperty(schedules, (schedule) => run(isTheSeconds(schedule, unfenced)))
      assert.isTrue((yield* check(property, { seed: 0x5eed, numRuns: 100, endOnFailure: true })).failed)
    })
  )
})

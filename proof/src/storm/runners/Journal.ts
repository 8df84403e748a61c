/**
 * What runners do to the world: lines in a table of their own, one when a step begins and one when it is done.
 *
 * The lines of a shard are numbered, and each number is there once: who writes the next one has seen all before it. So
 * their order is that in which they were committed. Nothing but the fence keeps a step from being done twice: whoever
 * does it looks first, and who is stopped in between has looked in vain.
 */
import { ClusterFence } from "@effect-dsql/cluster"
import { type DsqlClient, type DsqlError, Expression, Guarded, Transaction, Write } from "@effect-dsql/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { randomUUID } from "node:crypto"
import { Brake } from "./Brake.ts"

/** `work` is of one who does a step: two of them have two. */
export const table = `
  CREATE TABLE storm_journal (
    op VARCHAR(255) NOT NULL,
    step VARCHAR(255) NOT NULL,
    work UUID NOT NULL,
    is_done BOOLEAN NOT NULL,
    shard_id VARCHAR(255) NOT NULL,
    number BIGINT NOT NULL,
    runner VARCHAR(255) NOT NULL,
    fence BIGINT NOT NULL,
    PRIMARY KEY (op, step, work, is_done),
    UNIQUE (shard_id, number)
  )`

export class Journal extends Context.Service<
  Journal,
  {
    /** Does a step unless it has been done, and gives the number of the line that says so. */
    readonly once: (fence: ClusterFence.ClusterFence, op: string, step: string) => Effect.Effect<bigint>
  }
>()("proof/storm/Journal") {}

/** A step that somebody does. */
interface Work {
  readonly fence: ClusterFence.ClusterFence
  readonly op: string
  readonly step: string
  readonly work: string
}

/** Lines of one `runner`, which are written under the shard's fence, or whose last ones are not. */
export const layer = (runner: string, fenced: boolean) =>
  Layer.effect(
    Journal,
    Effect.gen(function* () {
      const client = yield* Effect.context<DsqlClient.DsqlClient>()
      const brake = yield* Brake

      const find = (op: string, step: string) =>
        Transaction.run(
          Effect.gen(function* () {
            const sql = yield* Transaction.sql
            const [line] = yield* sql<{ readonly number: bigint }>`
              SELECT number FROM storm_journal WHERE op = ${op} AND step = ${step} AND is_done ORDER BY number LIMIT 1`
            return line?.number
          }),
          { operation: "FindLine", readOnly: true }
        )

      /** Says that a step begins, in one statement with its fence. */
      const begin = ({ fence, op, step, work }: Work) => {
        const { sql, value } = Expression
        const shard = value("text", String(fence.shard.key["shard_id"]))
        const line = Write.insert({
          into: "storm_journal",
          columns: {
            op: value("text", op),
            step: value("text", step),
            work: value("uuid", work),
            is_done: value("boolean", false),
            shard_id: shard,
            number: sql`(SELECT coalesce(max(number), 0) + 1 FROM storm_journal WHERE shard_id = ${shard})`,
            runner: value("text", runner),
            fence: value("bigint", fence.fence)
          },
          onConflict: Write.replacing(["op", "step", "work", "is_done"], [])
        })
        return Transaction.autocommit(Guarded.write({ guards: [ClusterFence.guard(fence)], writes: [line] }), {
          operation: "BeginStep",
          repeat: true
        })
      }

      /** Says that it is done, in a transaction below the fence. However often it is said, the line is there once. */
      const end = ({ fence, op, step, work }: Work) =>
        Transaction.run(
          Effect.gen(function* () {
            const sql = yield* Transaction.sql
            const shard = String(fence.shard.key["shard_id"])
            if (fenced) yield* ClusterFence.shared(fence)
            yield* sql`
              INSERT INTO storm_journal (op, step, work, is_done, shard_id, number, runner, fence)
              SELECT ${op}, ${step}, ${work}, TRUE, ${shard}, coalesce(max(number), 0) + 1, ${runner}, ${fence.fence}
              FROM storm_journal WHERE shard_id = ${shard}
              ON CONFLICT (op, step, work, is_done) DO NOTHING`
            const [line] = yield* sql<{ readonly number: bigint }>`
              SELECT number FROM storm_journal
              WHERE op = ${op} AND step = ${step} AND work = ${work} AND is_done`
            return line?.number ?? 0n
          }),
          { operation: "EndStep", repeat: true }
        )

      const once = Effect.fnUntraced(
        function* (fence: ClusterFence.ClusterFence, op: string, step: string) {
          const found = yield* persistently(find(op, step))
          if (found !== undefined) return found
          const work = { fence, op, step, work: randomUUID() }
          yield* persistently(begin(work))
          return yield* brake.during({ op, step }, persistently(end(work)))
        },
        Effect.provideContext(client),
        // What was begun nobody takes back.
        Effect.uninterruptible,
        // It was refused: what is made of it is refused too, and the step is another runner's.
        Effect.orDie
      )
      return Journal.of({ once })
    })
  )

/** Again and again, whatever the weather, until it is known what became of it. */
const persistently = <A, E extends { readonly _tag: string }>(
  effect: Effect.Effect<A, E | DsqlError.ConditionFailed, DsqlClient.DsqlClient>
) =>
  Effect.retry(effect, {
    while: ({ _tag }) => _tag !== "ConditionFailed",
    schedule: Schedule.spaced("50 millis")
  })

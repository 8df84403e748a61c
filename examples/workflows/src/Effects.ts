/**
 * What activities do to the world: here a row each, which anybody can count.
 */
import { ClusterFence } from "@effect-dsql/cluster"
import { DsqlClient, Transaction } from "@effect-dsql/core"
import { Context, Effect, Layer } from "effect"
import { randomUUID } from "node:crypto"
import { say } from "./Saying.ts"
import * as Settings from "./Settings.ts"

/** Nothing in this table keeps a step from being there twice. */
export const table = `
  CREATE TABLE effects (
    "of" TEXT NOT NULL,
    step TEXT NOT NULL,
    id UUID NOT NULL,
    runner TEXT NOT NULL,
    shard_id TEXT NOT NULL,
    fence BIGINT NOT NULL,
    written_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY ("of", step, id)
  )`

export class Effects extends Context.Service<
  Effects,
  {
    /**
     * Does a step of an order, unless it has been done: looks, takes the time that a parcel service takes, and writes
     * that it is done, if the shard is still this runner's. Whoever was paused in between has looked in vain.
     */
    readonly once: (of: string, step: string) => Effect.Effect<void>
  }
>()("workflows/Effects") {}

export const layer = Layer.effect(
  Effects,
  Effect.gen(function* () {
    const client = yield* DsqlClient.DsqlClient
    const context = yield* Effect.context<DsqlClient.DsqlClient | Effect.Services<typeof ClusterFence.current>>()
    const runner = yield* Settings.name
    const fenced = yield* Settings.fenced

    const write = (fence: ClusterFence.ClusterFence, of: string, step: string) =>
      Effect.gen(function* () {
        const sql = yield* Transaction.sql
        if (fenced) yield* ClusterFence.shared(fence)
        yield* sql`
          INSERT INTO effects ("of", step, id, runner, shard_id, fence, written_at)
          VALUES (${of}, ${step}, ${randomUUID()}, ${runner}, ${fence.shard.key["shard_id"]}, ${fence.fence}, now())`
      })

    const once = Effect.fn("Effects.once")(
      function* (of: string, step: string) {
        // The fence of now: what is decided under it is written under no other one.
        const fence = yield* ClusterFence.current
        const done = yield* client.sql`SELECT 1 FROM effects WHERE "of" = ${of} AND step = ${step}`
        if (done.length > 0) return yield* say({ _tag: "Done", runner, of, step })
        yield* say({ _tag: "Begins", runner, of, step })
        yield* Effect.sleep("1 second")
        yield* Transaction.run(write(fence, of, step), { operation: "Effect" }).pipe(
          Effect.tapErrorTag("ConditionFailed", ({ message }) =>
            say({ _tag: "Refused", runner, of, step, why: message })
          )
        )
        yield* say({ _tag: "Done", runner, of, step })
      },
      Effect.provide(context),
      // What the parcel service has begun nobody takes back.
      Effect.uninterruptible,
      Effect.orDie
    )
    return Effects.of({ once })
  })
)

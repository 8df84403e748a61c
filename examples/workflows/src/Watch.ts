/**
 * Looks at the shards of the cluster for as long as it is built, and notes whatever becomes of them.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Effect, Layer, Schedule } from "effect"
import { type Held, Journal } from "./Journal.ts"
import { Processes } from "./Processes.ts"
import { prefix } from "./Settings.ts"

interface Row {
  readonly shard_id: string
  readonly fence: bigint
  readonly owned: boolean
  readonly address: string
  readonly live: boolean
}

const look = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  const { nameOf } = yield* Processes
  const rows = yield* sql<Row>`
    SELECT shard_id, fence, owner IS NOT NULL AS owned, address, expires_at > now() AS live
    FROM cluster_shards WHERE starts_with(shard_id, ${`${prefix}/`}) ORDER BY shard_id`
  return rows.map(({ address, fence, live, owned, shard_id }): Held => ({
    _tag: "Held",
    shard: shard_id,
    fence,
    runner: owned ? nameOf(address) : undefined,
    live: owned && live
  }))
})

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const journal = yield* Journal
    const known = new Map<string, Held>()
    const noting = Effect.flatMap(
      look,
      Effect.forEach((held) => {
        const before = known.get(held.shard)
        if (before?.fence === held.fence && before.live === held.live) return Effect.void
        known.set(held.shard, held)
        return journal.note(held)
      })
    )
    yield* Effect.forkScoped(Effect.repeat(noting, Schedule.spaced("50 millis")))
  })
)

/**
 * The shards that this process owns, for as long as nobody takes them over.
 *
 * Taking a shard raises its range in the database; whatever the earlier owner
 * writes from then on ends with `ShardOwnershipLost`, and it lets the shard go.
 * The shard's row says where its owner listens, so anybody can find it.
 */
import { type Identifiers, Shards } from "@effect-dsql/persistence"
import { Context, Effect, FiberMap, Ref, Schedule, Schema } from "effect"
import { NotOwner, Unavailable } from "../api/Refusal.ts"
import { blobs } from "../Json.ts"

/** What the row of a shard says of its owner. */
export const owners = blobs(Schema.Struct({ url: Schema.String }))

/** A shard that this process owns. */
export interface Owned {
  readonly shardId: Identifiers.ShardId
  readonly rangeId: bigint
  /** An id that nobody else gives out: the range in its upper bits. */
  readonly nextId: Effect.Effect<bigint>
}

export class Ownership extends Context.Service<
  Ownership,
  {
    /** Takes the shard from whoever has it, and gives its range. */
    readonly acquire: (shardId: Identifiers.ShardId) => Effect.Effect<bigint, Unavailable>
    readonly owned: (shardId: Identifiers.ShardId) => Effect.Effect<Owned, NotOwner>
    /** Lets a shard go that somebody else has, and whatever works on it. */
    readonly lost: (owned: Owned) => Effect.Effect<void>
    /** Does this for each shard, from when it is taken until it is lost. */
    readonly whileOwned: (work: (owned: Owned) => Effect.Effect<void>) => Effect.Effect<void>
  }
>()("services/Ownership") {}

/** A range gives out at most this many ids; then its shard would have to be taken again. */
const idsOfRange = 2n ** 24n

export const make = Effect.fnUntraced(function* (url: string) {
  const shards = yield* Shards.Shards
  const held = yield* Ref.make<ReadonlyMap<Identifiers.ShardId, Owned>>(new Map())
  const work = yield* Ref.make<(owned: Owned) => Effect.Effect<void>>(() => Effect.void)
  const working = yield* FiberMap.make<Identifiers.ShardId>()
  const info = owners.encode({ url })

  const take = Effect.fnUntraced(function* (shardId: Identifiers.ShardId) {
    const shard = yield* shards.getOrCreate(shardId, () => ({ rangeId: 0n, info }))
    const rangeId = shard.rangeId + 1n
    yield* shards.update({ shardId, rangeId, info }, shard.rangeId)
    const given = yield* Ref.make(rangeId * idsOfRange)
    const owned: Owned = { shardId, rangeId, nextId: Ref.updateAndGet(given, (id) => id + 1n) }
    yield* Ref.update(held, (all) => new Map(all).set(shardId, owned))
    yield* FiberMap.run(working, shardId, (yield* Ref.get(work))(owned))
    yield* Effect.logInfo("took a shard").pipe(Effect.annotateLogs({ shardId, rangeId: String(rangeId) }))
    return rangeId
  })

  return Ownership.of({
    acquire: (shardId) =>
      take(shardId).pipe(
        // Somebody else was quicker: what counts is who comes last.
        Effect.retry({ while: (error) => error._tag === "ShardOwnershipLost", schedule: Schedule.spaced("10 millis") }),
        Effect.mapError((error) => new Unavailable({ reason: error.message }))
      ),
    owned: (shardId) =>
      Effect.flatMap(Ref.get(held), (all) => {
        const owned = all.get(shardId)
        return owned === undefined ? Effect.fail(new NotOwner({ shardId })) : Effect.succeed(owned)
      }),
    lost: Effect.fnUntraced(function* ({ rangeId, shardId }) {
      const found = (yield* Ref.get(held)).get(shardId)
      // It may have been taken back meanwhile.
      if (found?.rangeId !== rangeId) return
      yield* Ref.update(held, (all) => new Map([...all].filter(([id]) => id !== shardId)))
      yield* Effect.logInfo("lost a shard").pipe(Effect.annotateLogs({ shardId, rangeId: String(rangeId) }))
      // What works on the shard is often what finds out, and would wait for its own end.
      yield* Effect.forkDetach(FiberMap.remove(working, shardId))
    }),
    whileOwned: Effect.fnUntraced(function* (next) {
      yield* Ref.set(work, next)
      for (const owned of (yield* Ref.get(held)).values()) yield* FiberMap.run(working, owned.shardId, next(owned))
    })
  })
})

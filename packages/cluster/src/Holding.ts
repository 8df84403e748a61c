/**
 * The shards that this process holds, and the fence under which it holds each.
 *
 * Both storages share it: what the runner storage is granted, the message
 * storage proves with each reply. It is what this process knows, and may be
 * out of date: the database compares the fence with the shard's own.
 *
 * @since 0.1.0
 * @stability unstable
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import { randomUUID } from "node:crypto"

/**
 * A shard that is held.
 *
 * @since 0.1.0
 * @category models
 */
export interface Held {
  /** The address of the runner that holds it. */
  readonly address: string
  /** It moves whenever the holder does, and never back. */
  readonly fence: bigint
  /** When the database last confirmed it, in nanoseconds of this process's monotonic clock. */
  readonly confirmedAt: bigint
}

/**
 * What this process holds. Shards are named as Effect does, `group:number`.
 *
 * @since 0.1.0
 * @category services
 */
export class Holding extends Context.Service<
  Holding,
  {
    /** The name of the cluster, with which the names of its shards begin in the tables. */
    readonly prefix: string
    /** The UUID of this incarnation of a runner: it changes whenever a process starts, where an address stays. */
    readonly owner: (address: string) => string
    /** What is held of a shard, if anything is. */
    readonly find: (shardId: string) => Held | undefined
    /**
     * A shard that was lost, once it is held again under the fence under which it was: what was given up in vain may be
     * confirmed. Undefined where it is held under a later one, so that others may have decided meanwhile, and where
     * nothing was lost.
     */
    readonly regain: (shardId: string) => Effect.Effect<Held | undefined>
    /** Everything that is held. */
    readonly all: () => ReadonlyMap<string, Held>
    /** Keeps what the database granted or confirmed. */
    readonly grant: (shardId: string, held: Held) => void
    /** Forgets what turned out to be lost. */
    readonly lose: (shardId: string) => void
  }
>()("@effect-dsql/cluster/Holding") {}

/**
 * Whether a text may be the prefix of a cluster: 1 to 100 letters, digits, `_`, `-` and `.`.
 *
 * @since 0.1.0
 * @category guards
 */
export const isPrefix = (text: string): boolean => /^[\w.-]{1,100}$/.test(text)

/**
 * Provides a holding of a cluster, which holds nothing yet. What is no prefix is a defect.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (prefix: string): Layer.Layer<Holding> =>
  Layer.effect(
    Holding,
    Effect.sync(() => {
      if (!isPrefix(prefix)) {
        throw new Error(
          `the prefix ${JSON.stringify(prefix)} is not made of 1 to 100 letters, digits, "_", "-" and "."`
        )
      }
      const held = new Map<string, Held>()
      const lost = new Map<string, bigint>()
      let granted = Latch.makeUnsafe()
      const regained = (shardId: string, fence: bigint): Effect.Effect<Held | undefined> =>
        Effect.suspend(() => {
          const found = held.get(shardId)
          if (found === undefined) return Effect.andThen(granted.await, regained(shardId, fence))
          return Effect.succeed(found.fence === fence ? found : undefined)
        })
      const owners = new Map<string, string>()
      return Holding.of({
        prefix,
        owner: (address) => {
          const known = owners.get(address)
          if (known !== undefined) return known
          const made = randomUUID()
          owners.set(address, made)
          return made
        },
        find: (shardId) => held.get(shardId),
        regain: (shardId) =>
          Effect.suspend(() => {
            const fence = lost.get(shardId)
            return fence === undefined ? Effect.succeed(undefined) : regained(shardId, fence)
          }),
        all: () => held,
        grant: (shardId, confirmed) => {
          const known = held.get(shardId)
          // Answers may come in another order than they were given.
          if (known !== undefined && known.fence > confirmed.fence) return
          held.set(shardId, confirmed)
          if (known !== undefined) return
          lost.delete(shardId)
          const waiting = granted
          granted = Latch.makeUnsafe()
          waiting.openUnsafe()
        },
        lose: (shardId) => {
          const known = held.get(shardId)
          if (known !== undefined) lost.set(shardId, known.fence)
          held.delete(shardId)
        }
      })
    })
  )

/**
 * The name of a shard in the tables.
 *
 * @since 0.1.0
 * @category accessors
 */
export const nameOf = (holding: Pick<Holding["Service"], "prefix">, shardId: string): string =>
  `${holding.prefix}/${shardId}`

/**
 * Effect's `RunnerStorage` on Aurora DSQL: shards as leases with a fence,
 * machine ids as leased slots.
 *
 * A lease is over by the database's clock. Its holder is one incarnation of a
 * process, not an address, so two processes at one address never hold a shard
 * together. Every operation is one round trip; shards are taken in statements
 * of 100 and renewed in statements of 1,000. A lost answer is asked again, which
 * grants what was granted before. A single shard, which Sharding asks for before
 * each final reply, is kept for as long as its lease certainly lasts, whether the
 * database answers or not: the reply proves the fence by itself.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import type { PersistenceError } from "effect/cluster/ClusterError"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import { ShardingConfig } from "effect/cluster/ShardingConfig"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Leases from "./internal/runners/leases.ts"
import * as Renewals from "./internal/runners/renewals.ts"
import * as Slots from "./internal/runners/slots.ts"
import * as Storing from "./internal/storing.ts"
import * as ClusterMetrics from "./ClusterMetrics.ts"
import { Holding, nameOf } from "./Holding.ts"
import { move } from "./internal/moving.ts"

/**
 * Provides the storage. Leases last for `shardLockExpiration` of the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RunnerStorage.RunnerStorage, never, DsqlClient | Holding | ShardingConfig> =
  Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.gen(function* () {
      const holding = yield* Holding
      const config = yield* ShardingConfig
      const clock = yield* Clock.Clock
      const storing = Storing.make(yield* DsqlClient)
      return RunnerStorage.makeEncoded(make(holding, storing, clock, yield* Effect.scope, timesOf(config)))
    })
  )

interface Times {
  /** How long a lease lasts, in milliseconds. */
  readonly lease: number
  /** The time between two renewals, in milliseconds. Each of them asks the database. */
  readonly interval: number
}

/** Effect cuts the time between two renewals to a third of the lease. */
const timesOf = (config: ShardingConfig["Service"]): Times => {
  const lease = Duration.toMillis(Duration.fromInputUnsafe(config.shardLockExpiration))
  const interval = Duration.toMillis(Duration.fromInputUnsafe(config.shardLockRefreshInterval))
  return { lease, interval: Math.min(interval, lease / 3) }
}

const make = (
  holding: Holding["Service"],
  storing: Storing.Storing,
  clock: Clock.Clock,
  scope: Scope.Scope,
  { interval, lease }: Times
): RunnerStorage.Encoded => {
  const { prefix } = holding
  const now = () => clock.monotonicTimeNanosUnsafe()

  /** Grants what a statement returned of these shards, at the latest as of when it was sent, and names it. */
  const grant = (address: string, at: bigint, rows: ReadonlyArray<Storing.Row>): Array<string> =>
    rows.map(({ fence, shard_id }) => {
      const shardId = String(shard_id).slice(prefix.length + 1)
      // A BIGINT comes as a bigint.
      holding.grant(shardId, { address, fence: fence as bigint, confirmedAt: at })
      return shardId
    })

  const held = Effect.suspend(() => move(ClusterMetrics.shards.held, prefix, holding.all().size))

  /** How much was left of the leases of these shards as they were renewed: of each as long ago as it was confirmed. */
  const renewed = (shardIds: ReadonlyArray<string>, at: bigint): Effect.Effect<void> => {
    const confirmed = shardIds.flatMap((shardId) => holding.find(shardId)?.confirmedAt ?? [])
    const longest = confirmed.reduce((most, confirmedAt) => (at - confirmedAt > most ? at - confirmedAt : most), 0n)
    return Effect.andThen(
      move(ClusterMetrics.shards.lease, prefix, lease),
      move(ClusterMetrics.shards.leaseLeft, prefix, lease - Number(longest) / 1_000_000)
    )
  }

  const inParts = <A>(
    shardIds: ReadonlyArray<string>,
    size: number,
    send: (names: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<A>, PersistenceError>
  ): Effect.Effect<Array<A>, PersistenceError> =>
    Effect.gen(function* () {
      const all: Array<A> = []
      for (let begin = 0; begin < shardIds.length; begin += size) {
        const part = shardIds.slice(begin, begin + size)
        for (const one of yield* send(part.map((shardId) => nameOf(holding, shardId)))) all.push(one)
      }
      return all
    })

  /** Whether the database confirmed a shard less than so many milliseconds ago. */
  const isConfirmed = (address: string, shardId: string, millis: number): boolean => {
    const held = holding.find(shardId)
    return held?.address === address && now() - held.confirmedAt < BigInt(Math.floor(millis * 1_000_000))
  }

  const renew = Effect.fnUntraced(function* (address: string, shardIds: ReadonlyArray<string>) {
    const owner = holding.owner(address)
    const kept = yield* inParts(shardIds, Leases.renewedAtOnce, (names) =>
      Effect.suspend(() => {
        const at = now()
        return Effect.flatMap(storing.repeat("RefreshShards", Leases.refresh(owner, names, lease)), (rows) => {
          const kept = rows.map(({ shard_id }) => String(shard_id).slice(prefix.length + 1))
          return Effect.map(renewed(kept, at), () => grant(address, at, rows))
        })
      })
    )
    const known = new Set(kept)
    const lost = shardIds.filter((shardId) => !known.has(shardId))
    for (const shardId of lost) holding.lose(shardId)
    yield* move(ClusterMetrics.shards.lost, prefix, lost.length)
    yield* held
    return kept
  })

  const renewals = new Map<string, Renewals.Renewals<PersistenceError>>()
  const renewalsOf = (address: string): Renewals.Renewals<PersistenceError> => {
    const known = renewals.get(address)
    if (known !== undefined) return known
    const made = Renewals.make(
      {
        isConfirmed: (shardId) => isConfirmed(address, shardId, interval / 2),
        renew: (shardIds) => renew(address, shardIds)
      },
      scope
    )
    renewals.set(address, made)
    return made
  }

  /**
   * Whether one shard is kept: what Sharding asks before each final reply, which proves the fence by itself. So it is a
   * matter of memory for half the time between two renewals. Then the database is asked, and where it does not say, the
   * shard is kept for as long as nobody can have taken it: a lease begins later than it was asked for, so it is not over
   * here sooner than there. A renewal before its end is left for the database. Beyond that it is asked until it says.
   */
  const isKept = (address: string, shardId: string): Effect.Effect<boolean, PersistenceError> =>
    Effect.suspend(() => {
      if (isConfirmed(address, shardId, interval / 2)) return Effect.succeed(true)
      const asked = renewalsOf(address).confirm(shardId)
      if (!isConfirmed(address, shardId, lease - interval)) return asked
      return asked.pipe(
        Effect.timeoutOption(interval / 2),
        // A process that was stopped meanwhile may have outlived it.
        Effect.map(Option.getOrElse(() => isConfirmed(address, shardId, lease))),
        Effect.catch((error) =>
          isConfirmed(address, shardId, lease)
            ? Effect.as(Effect.logDebug("a shard was not confirmed, and its lease lasts", error), true)
            : Effect.fail(error)
        )
      )
    }).pipe(Effect.retry({ schedule: Schedule.spaced(interval / 20).pipe(Schedule.upTo({ duration: interval })) }))

  return {
    getRunners: Effect.map(storing.read("ListRunners", Slots.list(prefix)), (rows) =>
      rows.map(({ healthy, runner }) => [String(runner), healthy === true] as const)
    ),

    register: (address, runner, healthy) =>
      Effect.flatMap(
        storing.repeat(
          "RegisterRunner",
          Slots.take({ cluster: prefix, owner: holding.owner(address), address, runner, healthy }, lease)
        ),
        ([slot]) =>
          slot === undefined
            ? Effect.die(new Error(`all ${Slots.count} machine ids are taken: a database has no room for more runners`))
            : Effect.succeed(Number(slot["machine_id"]))
      ),

    unregister: (address) => Effect.asVoid(storing.repeat("UnregisterRunner", Slots.leave(holding.owner(address)))),

    setRunnerHealth: (address, healthy) =>
      Effect.asVoid(storing.repeat("SetRunnerHealth", Slots.health(prefix, address, healthy))),

    acquire: (address, shardIds) =>
      inParts(shardIds, Leases.acquiredAtOnce, (names) =>
        Effect.suspend(() => {
          const at = now()
          return Effect.flatMap(
            storing.repeat("AcquireShards", Leases.acquire(holding.owner(address), address, names, lease)),
            (rows) => {
              const taken = rows.filter((row) => row["is_taken_over"] === true).length
              return Effect.as(move(ClusterMetrics.shards.takeovers, prefix, taken), grant(address, at, rows))
            }
          )
        })
      ).pipe(Effect.ensuring(held)),

    refresh: (address, shardIds) => {
      const [only] = shardIds
      const { inTurn } = renewalsOf(address)
      if (only === undefined) {
        return inTurn(Effect.as(storing.repeat("RenewRunner", Slots.renew(holding.owner(address), lease)), []))
      }
      if (shardIds.length > 1) return inTurn(renew(address, shardIds))
      return Effect.map(isKept(address, only), (kept) => (kept ? [only] : []))
    },

    release: (address, shardId) =>
      Effect.suspend(() => {
        holding.lose(shardId)
        const name = nameOf(holding, shardId)
        return Effect.andThen(held, storing.repeat("ReleaseShard", Leases.release(holding.owner(address), name)))
      }),

    // What the database has granted may be more than this process knows of: an answer may have come too late.
    releaseAll: Effect.fnUntraced(function* (address) {
      for (const [shardId, held] of holding.all()) if (held.address === address) holding.lose(shardId)
      yield* held
      const owner = holding.owner(address)
      let released = Leases.renewedAtOnce
      while (released === Leases.renewedAtOnce) {
        released = (yield* storing.repeat("ReleaseAllShards", Leases.releaseAll(owner))).length
      }
    })
  }
}

/**
 * What this process has been handed: which messages, of which shard, under which fence.
 *
 * That is memory alone. Only the holder of a fence reads a shard, and the database refuses everybody else's result, so
 * nothing has to be written to keep others away. A claim counts for as long as its fence is held, and for ten minutes.
 */
import type { EntityAddress } from "effect/cluster/EntityAddress"
import type { Holding } from "../../Holding.ts"

/** Under which fence a request was handed out; none where nobody has ever held its shard. */
export interface HandOut {
  readonly shardId: string
  readonly fence: bigint | undefined
}

interface Claim extends HandOut {
  readonly entityType: string
  readonly entityId: string
  /** When each message of the request was handed out, in milliseconds. */
  readonly messages: Map<bigint, number>
}

/** A message is handed out anew after this time, in milliseconds: whoever had it has forgotten it. */
const lifetime = 600_000

export interface Claims {
  /** The messages of these shards that are not to be handed out again. */
  readonly on: (shardIds: ReadonlySet<string>, now: number) => Array<bigint>
  /** Remembers under which fence a request is handed out, and which message of it, unless it is only looked at. */
  readonly add: (
    requestId: bigint,
    message: { readonly id: bigint; readonly entityType: string; readonly entityId: string } & HandOut,
    now: number | undefined
  ) => void
  /** Under which fence a request was handed out last. */
  readonly find: (requestId: bigint) => HandOut | undefined
  readonly drop: (requestId: bigint) => void
  readonly dropShards: (shardIds: ReadonlyArray<string>) => void
  readonly dropAddresses: (addresses: ReadonlyArray<EntityAddress>) => void
}

export const make = (holding: Holding["Service"]): Claims => {
  const claims = new Map<bigint, Claim>()
  const isCurrent = ({ fence, shardId }: Claim) => holding.find(shardId)?.fence === fence

  const dropWhere = (predicate: (claim: Claim) => boolean): void => {
    for (const [requestId, claim] of claims) if (predicate(claim)) claims.delete(requestId)
  }

  return {
    on: (shardIds, now) => {
      const ids: Array<bigint> = []
      for (const [requestId, claim] of claims) {
        if (!shardIds.has(claim.shardId)) continue
        for (const [id, at] of claim.messages) if (at <= now - lifetime) claim.messages.delete(id)
        if (claim.messages.size === 0 || !isCurrent(claim)) claims.delete(requestId)
        else ids.push(...claim.messages.keys())
      }
      return ids
    },
    add: (requestId, { entityId, entityType, fence, id, shardId }, now) => {
      const known = claims.get(requestId)
      const isKnown = known !== undefined && known.shardId === shardId && known.fence === fence
      const claim = isKnown ? known : { shardId, fence, entityType, entityId, messages: new Map<bigint, number>() }
      if (now !== undefined) claim.messages.set(id, now)
      claims.set(requestId, claim)
    },
    find: (requestId) => claims.get(requestId),
    drop: (requestId) => {
      claims.delete(requestId)
    },
    dropShards: (shardIds) => dropWhere(({ shardId }) => shardIds.includes(shardId)),
    dropAddresses: (addresses) => {
      const keys = new Set(addresses.map(({ entityId, entityType, shardId }) => `${shardId}/${entityType}/${entityId}`))
      dropWhere(({ entityId, entityType, shardId }) => keys.has(`${shardId}/${entityType}/${entityId}`))
    }
  }
}

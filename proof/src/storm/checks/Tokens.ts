/**
 * Fencing tokens only grow: nobody writes with an older one than the newest, and nobody is given one twice.
 */
import type { Attempt, Ledger } from "../Ledger.ts"
import type { Stored } from "../Stored.ts"

/** A token that an attempt took or wrote with. */
interface Use {
  readonly attempt: Attempt
  readonly of: string
  readonly token: bigint
}

const applied = ({ attempts }: Ledger) => attempts.filter(({ outcome }) => outcome === "Applied")

/** Those who took a shard or a queue. */
const taken = (ledger: Ledger): ReadonlyArray<Use> =>
  applied(ledger).flatMap((attempt) => {
    const { deed, value } = attempt
    if (deed._tag === "Takeover") return [{ attempt, of: `shard ${deed.shardId}`, token: deed.rangeId }]
    return deed._tag === "Lease" && value !== undefined ? [{ attempt, of: `queue ${deed.queue}`, token: value }] : []
  })

/** Those who wrote below one. */
const used = (ledger: Ledger): ReadonlyArray<Use> =>
  applied(ledger).flatMap((attempt) => {
    const { deed } = attempt
    if (deed._tag === "Note" || deed._tag === "Step") {
      return [{ attempt, of: `shard ${deed.shardId}`, token: deed.rangeId }]
    }
    return deed._tag === "Tasks" ? [{ attempt, of: `queue ${deed.queue}`, token: deed.rangeId }] : []
  })

/** Each write that began, with an older token, after its worker's successor had been told that it had a newer one. */
const late = (ledger: Ledger): ReadonlyArray<string> => {
  const takers = Map.groupBy(taken(ledger), ({ of }) => of)
  // By the time at which each was told, with the newest token of all until then.
  const newest = new Map(
    Array.from(takers, ([of, some]) => {
      let most = -1n
      return [
        of,
        some
          .map(({ attempt, token }) => ({ at: attempt.ended ?? attempt.began, token }))
          .toSorted((a, b) => (a.at < b.at ? -1 : 1))
          .map(({ at, token }) => ({ at, token: (most = token > most ? token : most) }))
      ] as const
    })
  )
  return used(ledger).flatMap(({ attempt, of, token }) => {
    const before = newest.get(of)?.findLast(({ at }) => at < attempt.began)
    return before !== undefined && before.token > token
      ? [`${attempt.deed._tag} ${attempt.op} with ${token} of ${of}, which had ${before.token}`]
      : []
  })
}

/** Each row that stands behind one of a newer token, or has a token that the owner does not have yet. */
const disordered = (stored: Stored): ReadonlyArray<string> => {
  const rows = [
    ...stored.notes.map(({ id, op, rangeId, shardId }) => ({
      of: `journal ${shardId}`,
      shard: String(shardId),
      at: id,
      op,
      rangeId
    })),
    ...stored.steps.map(({ op, rangeId, step, workflow }) => ({
      of: `workflow ${workflow}`,
      shard: workflow.split("/")[0] ?? "",
      at: BigInt(step),
      op,
      rangeId
    }))
  ]
  const owners = new Map(stored.shards.map(({ of, rangeId }) => [of, rangeId]))
  return [...Map.groupBy(rows, ({ of }) => of).values()].flatMap((some) => {
    let newest = -1n
    return some
      .toSorted((a, b) => (a.at < b.at ? -1 : 1))
      .flatMap(({ of, op, rangeId, shard }) => {
        const before = newest
        newest = rangeId > newest ? rangeId : newest
        if (rangeId < before) return [`${op} in ${of}: ${rangeId} behind ${before}`]
        return rangeId > (owners.get(shard) ?? -1n) ? [`${op} in ${of}: ${rangeId}, which the shard does not have`] : []
      })
  })
}

/** Each write with a token that is not the newest. */
export const stale = (ledger: Ledger, stored: Stored): ReadonlyArray<string> => [...late(ledger), ...disordered(stored)]

/** Each token that was given to two, and each version of two changes of namespaces. */
export const shared = (ledger: Ledger, stored: Stored): ReadonlyArray<string> => {
  const versions = applied(ledger).flatMap(({ deed, value }) =>
    deed._tag === "Namespace" && deed.change !== "Delete" ? [`namespace version ${deed.version ?? value}`] : []
  )
  const given = [...taken(ledger).map(({ of, token }) => `${token} of ${of}`), ...versions]
  const twice = [...Map.groupBy(given, (each) => each)].flatMap(([each, { length }]) =>
    length > 1 ? [`${each}, given ${length} times`] : []
  )
  const beyond = stored.namespaces.filter(({ version }) => version >= stored.namespaceVersion)
  return [...twice, ...beyond.map(({ id, version }) => `namespace ${id} has version ${version}, which is to come`)]
}

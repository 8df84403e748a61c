/**
 * Writes of what a cluster knows: namespaces, members, other clusters, endpoints.
 */
import {
  ClusterMember,
  ClusterMembers,
  Clusters,
  Identifiers,
  Namespaces,
  NexusEndpoints
} from "@effect-dsql/persistence"
import { DateTime, Effect } from "effect"
import { blob, namespaceId, uuid, write } from "./Case.ts"

const name = Identifiers.NamespaceName.make("orders")

const created = Effect.flatMap(Namespaces.Namespaces, (namespaces) =>
  namespaces.create({ id: namespaceId, name, isGlobal: false, detail: blob("created") })
)

const change = { id: namespaceId, isGlobal: true, detail: blob("changed") }

export const NamespaceWrites = {
  // One that is not there may have been deleted by whoever found it.
  create: [write(created, undefined, { unknown: true })],
  initializeSystem: [
    write(Effect.flatMap(Namespaces.Namespaces, (namespaces) => namespaces.initializeSystem(blob("system"))))
  ],
  update: [
    write(
      Effect.flatMap(Namespaces.Namespaces, (namespaces) => namespaces.update(change, 2n)),
      created
    )
  ],
  rename: [
    write(
      Effect.flatMap(Namespaces.Namespaces, (namespaces) =>
        namespaces.rename({ ...change, name: Identifiers.NamespaceName.make("parcels") }, 2n)
      ),
      created
    )
  ],
  deleteById: [
    write(
      Effect.flatMap(Namespaces.Namespaces, (namespaces) => namespaces.deleteById(namespaceId)),
      created,
      // An id or a name may be a new namespace's by the time that somebody looks.
      { unknown: true }
    )
  ],
  deleteByName: [
    write(
      Effect.flatMap(Namespaces.Namespaces, (namespaces) => namespaces.deleteByName(name)),
      created,
      { unknown: true }
    )
  ]
}

const heartbeat = (number: number, expiresIn: "1 hour" | "1 millis") =>
  Effect.flatMap(ClusterMembers.ClusterMembers, (members) =>
    members.upsert({
      hostId: Identifiers.HostId.make(uuid(number)),
      role: "History",
      rpcAddress: ClusterMember.RpcAddress.make("10.0.0.7"),
      rpcPort: ClusterMember.RpcPort.make(7234),
      sessionStart: DateTime.makeUnsafe(0),
      expiresIn
    })
  )

export const MemberWrites = {
  upsert: [write(heartbeat(1, "1 hour"))],
  deleteExpired: [
    write(
      Effect.flatMap(ClusterMembers.ClusterMembers, (members) => members.deleteExpired()),
      Effect.all([heartbeat(1, "1 hour"), heartbeat(2, "1 millis")])
    )
  ]
}

const cluster = Identifiers.ClusterName.make("here")

const saved = (version: bigint) =>
  Effect.flatMap(Clusters.Clusters, (clusters) =>
    clusters.save({ name: cluster, metadata: blob(`saved ${version}`) }, version)
  )

export const MetadataWrites = {
  save: [
    write(saved(0n), undefined, { when: "the first", unknown: true }),
    write(saved(1n), saved(0n), { unknown: true })
  ],
  delete: [
    write(
      Effect.flatMap(Clusters.Clusters, (clusters) => clusters.delete(cluster)),
      saved(0n),
      // Metadata that are there may have been saved since.
      { unknown: true }
    )
  ]
}

const endpointId = (number: number) => Identifiers.EndpointId.make(uuid(number))

const endpoint = (number: number, tableVersion: bigint) =>
  Effect.flatMap(NexusEndpoints.NexusEndpoints, (endpoints) =>
    endpoints.create({ id: endpointId(number), spec: blob(`endpoint ${number}`) }, tableVersion)
  )

export const EndpointWrites = {
  create: [write(endpoint(1, 0n), undefined, { when: "the first" }), write(endpoint(2, 1n), endpoint(1, 0n))],
  update: [
    write(
      Effect.flatMap(NexusEndpoints.NexusEndpoints, (endpoints) =>
        endpoints.update({ id: endpointId(1), expectedVersion: 1n, spec: blob("changed") }, 1n)
      ),
      endpoint(1, 0n)
    )
  ],
  delete: [
    write(
      Effect.flatMap(NexusEndpoints.NexusEndpoints, (endpoints) => endpoints.delete(endpointId(1), 1n)),
      endpoint(1, 0n)
    )
  ]
}

/**
 * What is of the whole cluster: namespaces, metadata of clusters, members, Nexus endpoints.
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
import * as Plain from "./Plain.ts"
import { blob, columns, type Step, times, uuid } from "./Step.ts"

const partition = { partition_id: 54_321 }

const use: typeof Namespaces.Namespaces.use = (write) => Namespaces.Namespaces.use(write)

/** A change of namespaces moves the version that all of them share: the first one is 1. */
const moved = (version: bigint, change: Effect.Effect<unknown, unknown, never> | ReturnType<typeof Plain.insert>) =>
  Effect.all([
    Plain.read("namespace_metadata", partition, "FOR UPDATE"),
    change,
    Plain.update(
      "namespace_metadata",
      { ...partition, notification_version: version },
      { notification_version: version + 1n }
    )
  ])

const namespaces: ReadonlyArray<Step> = times(4, (number) => {
  const id = Identifiers.NamespaceId.make(uuid(5, number))
  const name = Identifiers.NamespaceName.make(`namespace ${number}`)
  const renamed = Identifiers.NamespaceName.make(`renamed ${number}`)
  const key = { ...partition, id }
  const at = BigInt(3 * number - 2)
  const detail = (text: string) => ({ is_global: true, ...columns(blob(text)) })
  const steps: ReadonlyArray<Step> = [
    {
      name: `create ${name}`,
      stores: use((store) => store.create({ id, name, isGlobal: true, detail: blob("created") })),
      go: moved(at, Plain.insert("namespaces", { ...key, name, ...detail("created"), notification_version: at }))
    },
    {
      name: `update ${name}`,
      stores: use((store) => store.update({ id, isGlobal: true, detail: blob("updated") }, at + 1n)),
      go: moved(at + 1n, Plain.update("namespaces", key, { ...detail("updated"), notification_version: at + 1n }))
    },
    {
      name: `rename ${name}`,
      stores: use((store) => store.rename({ id, name: renamed, isGlobal: true, detail: blob("renamed") }, at + 2n)),
      go: moved(
        at + 2n,
        Plain.update("namespaces", key, { name: renamed, ...detail("renamed"), notification_version: at + 2n })
      )
    }
  ]
  return steps
}).flat()

const deleted: Step = {
  name: "delete a namespace",
  stores: use((store) => store.deleteByName(Identifiers.NamespaceName.make("renamed 4"))),
  go: Plain.remove("namespaces", { ...partition, name: "renamed 4" })
}

const clusters: ReadonlyArray<Step> = times(3, (number) => {
  const name = Identifiers.ClusterName.make(`cluster ${number}`)
  const key = { metadata_partition: 0, cluster_name: name }
  const lock = Plain.read("cluster_metadata_info", key, "FOR UPDATE")
  const save = (expected: bigint) =>
    Clusters.Clusters.use((store) => store.save({ name, metadata: blob(`version ${expected + 1n}`) }, expected))
  const steps: ReadonlyArray<Step> = [
    {
      name: `save ${name}`,
      stores: save(0n),
      go: Effect.andThen(
        lock,
        Plain.insert("cluster_metadata_info", { ...key, ...columns(blob("version 1")), version: 1n })
      )
    },
    {
      name: `save ${name} again`,
      stores: save(1n),
      go: Effect.andThen(
        lock,
        Plain.update("cluster_metadata_info", key, { ...columns(blob("version 2")), version: 2n })
      )
    }
  ]
  return steps
}).flat()

const gone = Identifiers.ClusterName.make("cluster 3")

const leaves: Step = {
  name: "delete the metadata of a cluster",
  stores: Clusters.Clusters.use((store) => store.delete(gone)),
  go: Plain.remove("cluster_metadata_info", { metadata_partition: 0, cluster_name: gone })
}

/** Roles with Temporal's numbers. */
const roles = [
  ["Frontend", 1],
  ["History", 2],
  ["Matching", 3],
  ["Worker", 4],
  ["InternalFrontend", 5],
  ["All", 0]
] as const

const longAgo = new Date(Date.UTC(2001, 0, 1))

const farAhead = new Date(Date.UTC(2999, 0, 1))

/** The first member is gone again with the microsecond in which it is heard of. */
const members: ReadonlyArray<Step> = roles.map(([role, roleNumber], index) => {
  const number = index + 1
  const hostId = Identifiers.HostId.make(uuid(6, number))
  const sessionStart = DateTime.makeUnsafe(1_758_000_000_123)
  return {
    name: `hear of member ${number}`,
    stores: ClusterMembers.ClusterMembers.use((store) =>
      store.upsert({
        hostId,
        role,
        rpcAddress: role === "All" ? undefined : ClusterMember.RpcAddress.make("2001:db8::1"),
        rpcPort: ClusterMember.RpcPort.make(7235),
        sessionStart,
        expiresIn: number === 1 ? "1 micro" : "1 hour"
      })
    ),
    go: Plain.upsert(
      "cluster_membership",
      { membership_partition: 0, host_id: hostId },
      {
        rpc_address: role === "All" ? "<nil>" : "2001:db8::1",
        rpc_port: 7235,
        role: roleNumber,
        session_start: DateTime.toDateUtc(sessionStart),
        last_heartbeat: longAgo,
        record_expiry: number === 1 ? longAgo : farAhead
      }
    )
  }
})

const expired: Step = {
  name: "delete the members that have expired",
  stores: ClusterMembers.ClusterMembers.use((store) => store.deleteExpired()),
  go: Effect.suspend(() =>
    Plain.removeRange("cluster_membership", { membership_partition: 0 }, "record_expiry", "<", new Date())
  )
}

const endpoint = (number: number) => Identifiers.EndpointId.make(uuid(7, number))

const nexus: typeof NexusEndpoints.NexusEndpoints.use = (write) => NexusEndpoints.NexusEndpoints.use(write)

const counted = (version: bigint) =>
  version === 0n
    ? Plain.insert("nexus_endpoints_partition_status", { id: 0, version: 1n })
    : Plain.update("nexus_endpoints_partition_status", { id: 0, version }, { version: version + 1n })

const endpoints: ReadonlyArray<Step> = [
  ...times(3, (number): Step => ({
    name: `create endpoint ${number}`,
    stores: nexus((store) => store.create({ id: endpoint(number), spec: blob("created") }, BigInt(number - 1))),
    go: Effect.andThen(
      counted(BigInt(number - 1)),
      Plain.insert("nexus_endpoints", { id: endpoint(number), ...columns(blob("created")), version: 1n })
    )
  })),
  {
    name: "update an endpoint",
    stores: nexus((store) => store.update({ id: endpoint(1), spec: blob("updated"), expectedVersion: 1n }, 3n)),
    go: Effect.andThen(
      counted(3n),
      Plain.update("nexus_endpoints", { id: endpoint(1), version: 1n }, { ...columns(blob("updated")), version: 2n })
    )
  },
  {
    name: "delete an endpoint",
    stores: nexus((store) => store.delete(endpoint(2), 4n)),
    go: Effect.andThen(counted(4n), Plain.remove("nexus_endpoints", { id: endpoint(2) }))
  }
]

export const steps: ReadonlyArray<Step> = [
  ...namespaces,
  deleted,
  ...clusters,
  leaves,
  ...members,
  expired,
  ...endpoints
]

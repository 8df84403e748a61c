/**
 * Rows with ids of their own, so that tests share a database without meeting.
 */
import {
  type Archetype,
  ClusterMember,
  type ClusterMembers,
  type CurrentExecution,
  type DataBlob,
  Identifiers,
  type Namespace
} from "@effect-dsql/persistence"
import { DateTime } from "effect"
import { randomBytes, randomInt, randomUUID } from "node:crypto"

export const shardId = () => Identifiers.ShardId.make(randomInt(1, 2 ** 31))

export const runId = () => Identifiers.RunId.make(randomUUID())

export const blob = (): DataBlob.DataBlob => ({ data: new Uint8Array(randomBytes(24)), encoding: "Proto3" })

export const key = (archetypeId: Archetype.ArchetypeId): CurrentExecution.Key => ({
  shardId: shardId(),
  namespaceId: Identifiers.NamespaceId.make(randomUUID()),
  businessId: Identifiers.BusinessId.make(`business ${randomUUID()}`),
  archetypeId
})

export const current = (
  of: CurrentExecution.Key,
  changed: Partial<CurrentExecution.CurrentExecution> = {}
): CurrentExecution.CurrentExecution => ({
  shardId: of.shardId,
  namespaceId: of.namespaceId,
  businessId: of.businessId,
  archetypeId: of.archetypeId,
  runId: runId(),
  createRequestId: randomUUID(),
  state: "Running",
  status: "Running",
  startTime: DateTime.makeUnsafe(1_758_000_000_123),
  lastWriteVersion: BigInt(randomInt(1, 2 ** 40)),
  data: blob(),
  ...changed
})

export const namespaceId = () => Identifiers.NamespaceId.make(randomUUID())

export const namespaceName = () => Identifiers.NamespaceName.make(`namespace ${randomUUID()}`)

export const namespace = (
  changed: Partial<Omit<Namespace.Namespace, "notificationVersion">> = {}
): Omit<Namespace.Namespace, "notificationVersion"> => ({
  id: namespaceId(),
  name: namespaceName(),
  isGlobal: false,
  detail: blob(),
  ...changed
})

export const endpoint = () => ({ id: Identifiers.EndpointId.make(randomUUID()), spec: blob() })

export const clusterName = () => Identifiers.ClusterName.make(`cluster ${randomUUID()}`)

export const heartbeat = (changed: Partial<ClusterMembers.Heartbeat> = {}): ClusterMembers.Heartbeat => ({
  hostId: Identifiers.HostId.make(randomUUID()),
  role: "History",
  rpcAddress: ClusterMember.RpcAddress.make(`10.${randomBytes(3).join(".")}`),
  rpcPort: ClusterMember.RpcPort.make(7234),
  sessionStart: DateTime.makeUnsafe(1_758_000_000_123),
  expiresIn: "1 hour",
  ...changed
})

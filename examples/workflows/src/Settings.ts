/**
 * What all processes of the cluster have in common, and what each is told by its environment. Where the database is,
 * `DsqlClient.layerConfig` reads.
 */
import { Config, Option } from "effect"
import { RunnerAddress } from "effect/cluster"

/** The name of the cluster, with which the names of its shards begin. */
export const prefix = "orders"

export const host = "127.0.0.1"

/** How many shards there are. The same for all processes, for ever. */
export const shards = 6

/** Shorter than one would have it in production, so that nobody has to wait for a lease to be over. */
const times = {
  shardsPerGroup: shards,
  shardLockExpiration: "3 seconds",
  shardLockRefreshInterval: "500 millis",
  refreshAssignmentsInterval: "250 millis",
  runnerHealthCheckInterval: "1 second",
  entityMessagePollInterval: "500 millis",
  entityReplyPollInterval: "100 millis",
  sendRetryInterval: "100 millis",
  // A runner that has lost a shard takes it again only after so long, if what it ran there does not end.
  entityTerminationTimeout: "2 seconds"
} as const

/** The configuration of a runner that listens at a port, or of a client, which does not listen. */
export const sharding = (port: Option.Option<number>) => ({
  ...times,
  runnerAddress: Option.map(port, (port) => RunnerAddress.make(host, port))
})

/** The name of this process, which stands beside what it writes. */
export const name = Config.String("WORKFLOWS_NAME")

/** The port of a runner. */
export const port = Config.Port("WORKFLOWS_PORT")

/** Whether what activities write is written under the fence of their shard. */
export const fenced = Config.Boolean("WORKFLOWS_FENCED").pipe(Config.withDefault(true))

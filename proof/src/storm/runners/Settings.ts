/**
 * What runners and those who ask them have in common.
 */
import * as Option from "effect/Option"
import * as RunnerAddress from "effect/cluster/RunnerAddress"

/** The name of the cluster, with which the names of its shards begin. */
export const prefix = "storm"

export const host = "127.0.0.1"

/** Leases last a few seconds, so that a runner which is killed or stopped is missed while the storm lasts. */
const times = {
  shardsPerGroup: 4,
  shardLockExpiration: "3 seconds",
  shardLockRefreshInterval: "500 millis",
  refreshAssignmentsInterval: "250 millis",
  runnerHealthCheckInterval: "1 second",
  entityMessagePollInterval: "250 millis",
  entityReplyPollInterval: "100 millis",
  sendRetryInterval: "100 millis",
  // A runner that has lost a shard takes it again only after so long, if what it ran there does not end.
  entityTerminationTimeout: "2 seconds"
} as const

/** The configuration of a runner that listens at a port, or of somebody who asks, and does not listen. */
export const sharding = (port: Option.Option<number>) => ({
  ...times,
  runnerAddress: Option.map(port, (port) => RunnerAddress.make(host, port))
})

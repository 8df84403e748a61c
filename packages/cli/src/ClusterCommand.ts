/**
 * `cluster`: what is asked and done about a running Effect Cluster.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command } from "effect/cli"
import { clusterPrune } from "./ClusterPruneCommand.ts"
import { clusterStatus } from "./ClusterStatusCommand.ts"

/**
 * Prints its help.
 *
 * @since 0.1.0
 * @category commands
 */
export const cluster = Command.make("cluster").pipe(
  Command.withSubcommands([clusterStatus, clusterPrune]),
  Command.withDescription("Look at an Effect Cluster in its tables, and forget what it has finished")
)

/**
 * What a statement knows of the client that sent it.
 */
import type { Cluster } from "../cluster/cluster.ts"
import type { Member } from "../concurrency/state.ts"
import type * as Desk from "../control/desk.ts"

/** One client. */
export interface Client extends Member {
  readonly desk: Desk.Desk
  readonly connection: Desk.Connection
  /** Makes and drops databases. */
  readonly databases: Pick<Cluster, "createDatabase" | "dropDatabase">
  /** Takes what is streamed; false asks for a pause. */
  readonly sink: (slice: Buffer) => boolean
}

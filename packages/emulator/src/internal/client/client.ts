/**
 * What a statement knows of the client that sent it.
 */
import type { Cluster } from "../cluster/cluster.ts"
import type { Member } from "../concurrency/state.ts"
import type * as Desk from "../control/desk.ts"
import type { Looker } from "../watch/looker.ts"
import type { CopyIn } from "./copying.ts"

/** One client. */
export interface Client extends Member {
  readonly desk: Desk.Desk
  readonly connection: Desk.Connection
  /** Looks at its statements; undefined where nobody watches. */
  witness: Looker | undefined
  /** Makes and drops databases. */
  readonly databases: Pick<Cluster, "createDatabase" | "dropDatabase">
  /** Asks the client for rows that it copies; gives its messages, the last of which ends them. */
  readonly copyIn: CopyIn
  /** Takes what is streamed; false asks for a pause. */
  readonly sink: (slice: Buffer) => boolean
}

/**
 * A member of a cluster, as a model.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { isIP } from "node:net"
import * as Schema from "effect/Schema"
import { HostId } from "./Identifiers.ts"

/**
 * What a host serves. The column holds Temporal's number, 0 to 5. `All` is 0, what Temporal writes for a host that says
 * nothing; members are not asked for by it.
 *
 * @since 0.1.0
 * @category models
 */
export const Role = Schema.Literals([0, 1, 2, 3, 4, 5]).transform([
  "All",
  "Frontend",
  "History",
  "Matching",
  "Worker",
  "InternalFrontend"
])

/**
 * @since 0.1.0
 * @category models
 */
export type Role = typeof Role.Type

const isShortest = (address: string): boolean => {
  if (isIP(address) !== 6) return isIP(address) === 4
  // A zone is of one host.
  if (address.includes("%")) return false
  return new URL(`http://[${address}]`).hostname === `[${address}]` && !isMapped(address)
}

/** An IPv4 address inside of IPv6, of which the shortest form is the IPv4 address: `::ffff:` and two groups. */
const isMapped = (address: string): boolean => /^::ffff:[0-9a-f]+:[0-9a-f]+$/.test(address)

const isAddress = Schema.makeFilter<string>(isShortest, { expected: "an IP address in its shortest form" })

/**
 * Where a host is called: an IP address, as `10.0.0.7` or `2001:db8::1`.
 *
 * Temporal reads the column as an address, a name as none at all, and looks for the shortest form of one. So a name is
 * refused, and an address that is written in another form: resolve the one, shorten the other.
 *
 * @since 0.1.0
 * @category models
 */
export const RpcAddress = Schema.String.check(isAddress).pipe(Schema.brand("RpcAddress"))

/**
 * @since 0.1.0
 * @category models
 */
export type RpcAddress = typeof RpcAddress.Type

/**
 * A port below 32768: Temporal's schema keeps it in a SMALLINT.
 *
 * @since 0.1.0
 * @category models
 */
export const RpcPort = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 32_767 })).pipe(Schema.brand("RpcPort"))

/**
 * @since 0.1.0
 * @category models
 */
export type RpcPort = typeof RpcPort.Type

/**
 * A host of the cluster.
 *
 * @since 0.1.0
 * @category models
 */
export const ClusterMember = Schema.Struct({
  hostId: HostId,
  role: Role,
  /** Undefined for a host that says none. */
  rpcAddress: Schema.UndefinedOr(RpcAddress),
  rpcPort: RpcPort,
  /** When the host's process started, by its own clock. */
  sessionStart: Schema.DateTimeUtc,
  /** When the host was heard of last, by the database's clock. */
  lastHeartbeat: Schema.DateTimeUtc,
  /** When the host is no member any more unless it is heard of again, by the database's clock. */
  recordExpiry: Schema.DateTimeUtc
})

/**
 * @since 0.1.0
 * @category models
 */
export type ClusterMember = typeof ClusterMember.Type

/**
 * A heartbeat must keep its host for some time, and not for ever. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class MemberExpiryInvalid extends Schema.TaggedError<MemberExpiryInvalid>(
  "@effect-dsql/persistence/ClusterMember/MemberExpiryInvalid"
)("MemberExpiryInvalid", {
  hostId: HostId,
  /** Milliseconds. */
  expiresIn: Schema.Number
}) {
  override get message(): string {
    return `host ${this.hostId}: a record cannot expire in ${this.expiresIn} ms; give a finite time above 0`
  }
}

/**
 * What a process of this backend is told by its environment. Where the database is, `DsqlClient.layerConfig` reads.
 */
import { Identifiers } from "@effect-dsql/persistence"
import { Config, Schema } from "effect"

export const roles = ["frontend", "history", "matching", "worker"] as const

export type Role = (typeof roles)[number]

export const isRole = (name: string | undefined): name is Role => roles.some((role) => role === name)

/** The port of this process; 0 for any that is free. */
export const port = Config.Port("SERVICES_PORT").pipe(Config.withDefault(0))

/** How many shards the keyspace is cut into. The same for all processes, for ever. */
export const shardCount = Config.Int("SERVICES_SHARDS").pipe(Config.withDefault(4))

/** The shards that a history process takes when it starts, as `1,2`. */
export const initialShards = Config.schema(
  Schema.Array(Schema.NumberFromString.pipe(Schema.decodeTo(Identifiers.ShardId))),
  "SERVICES_OWN"
).pipe(Config.withDefault([]))

/** Where the matching process listens, as a URL. */
export const matching = Config.String("SERVICES_MATCHING")

export const namespace = Config.String("SERVICES_NAMESPACE").pipe(Config.withDefault("default"))

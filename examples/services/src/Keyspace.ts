/**
 * Where an execution lives: which shard, and under which key.
 */
import { Archetype, type CurrentExecution, Identifiers, Namespaces } from "@effect-dsql/persistence"
import { Context, Effect, Layer, Schema } from "effect"
import { createHash } from "node:crypto"
import type { Kind } from "./api/HistoryApi.ts"
import { NotFound } from "./api/Refusal.ts"
import * as Settings from "./Settings.ts"

/** An activity that stands alone: any number that is no other archetype's. */
export const standaloneActivity = Archetype.ArchetypeId.make(1_234_567_890)

export class Keyspace extends Context.Service<
  Keyspace,
  {
    readonly namespaceId: Identifiers.NamespaceId
    readonly shardOf: (id: string) => Identifiers.ShardId
    /** The key of an execution; fails where the id is none that can be stored. */
    readonly key: (kind: Kind, id: string) => Effect.Effect<CurrentExecution.Key, NotFound>
  }
>()("services/Keyspace") {}

export const layer = Layer.effect(
  Keyspace,
  Effect.gen(function* () {
    const namespaces = yield* Namespaces.Namespaces
    const shardCount = yield* Settings.shardCount
    const name = yield* Settings.namespace
    const { id: namespaceId } = yield* namespaces.getByName(Identifiers.NamespaceName.make(name))
    const shardOf = (id: string) =>
      Identifiers.ShardId.make(1 + (createHash("sha256").update(id).digest().readUInt32BE(0) % shardCount))
    return Keyspace.of({
      namespaceId,
      shardOf,
      key: (kind, id) =>
        Schema.decodeUnknownEffect(Identifiers.BusinessId)(id).pipe(
          Effect.mapBoth({
            onFailure: () => new NotFound({ what: `execution ${id}` }),
            onSuccess: (businessId) => ({
              shardId: shardOf(id),
              namespaceId,
              businessId,
              archetypeId: kind === "workflow" ? Archetype.workflow : standaloneActivity
            })
          })
        )
    })
  })
)

/**
 * Effect's `MessageStorage` on Aurora DSQL: each operation one round trip, each
 * reply under the fence under which its request was handed out.
 *
 * - A request that was handed out carries its fence: `respond` of the message
 *   that was polled writes under it and no other. Where the shard has moved on,
 *   nothing is written, and Sharding is told `EntityNotAssignedToRunner`.
 * - Requests that are saved at once go together in one statement, and so do
 *   replies: each is judged by itself, under its own fence.
 * - What is handed out is remembered in this process alone. To poll is to read,
 *   and `resetShards` and its kin cost nothing.
 * - Every write is idempotent by its key, so a lost answer is asked again, once
 *   nothing can come of the first one any more (up to eight seconds). An exit
 *   that was cleared meanwhile is known to have been there.
 * - Within `withTransaction` all of it is part of the transaction that is open.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { DsqlClient } from "@effect-dsql/core/DsqlClient"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as Snowflake from "effect/cluster/Snowflake"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Holding } from "./Holding.ts"
import * as Claims from "./internal/messages/claims.ts"
import * as Encoded from "./internal/messages/encoded.ts"
import * as Travelling from "./internal/messages/travelling.ts"
import * as Storing from "./internal/storing.ts"

/**
 * Provides the storage.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<MessageStorage.MessageStorage, never, DsqlClient | Holding> = Layer.effect(
  MessageStorage.MessageStorage,
  Effect.gen(function* () {
    const client = yield* DsqlClient
    const holding = yield* Holding
    const claims = Claims.make(holding)
    const encoded = yield* Encoded.make(client, Storing.make(client), holding, claims)
    return Travelling.withFences(yield* MessageStorage.makeEncoded(encoded), holding, claims)
  })
).pipe(Layer.provide(Snowflake.layerGenerator))

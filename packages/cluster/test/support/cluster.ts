/**
 * A cluster's storages on an emulated Aurora DSQL: as many processes as a test wants, each with a holding of its own.
 */
import { DsqlCluster, Holding } from "@effect-dsql/cluster"
import { DsqlClient } from "@effect-dsql/core"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { layer, type Vitest } from "@effect/vitest"
import { Context, DateTime, Effect, Exit, Layer, Option, Schema } from "effect"
import {
  DeliverAt,
  EntityAddress,
  EntityId,
  EntityType,
  Envelope,
  Message,
  MessageStorage,
  Reply,
  RunnerAddress,
  RunnerStorage,
  ShardId,
  Snowflake
} from "effect/cluster"
import { Headers } from "effect/http"
import { Rpc, RpcSchema } from "effect/rpc"
import { randomUUID } from "node:crypto"
import { guarded, unwatched } from "../../../../test/database.ts"
import { NothingLate } from "../../../../test/lifetime.ts"
import { linted } from "../../../../test/linted.ts"
import { ProvingReads } from "../../../../test/proving.ts"

export const forms = ["statement", "transaction"] as const

const schema = "dsql/cluster"

const Database = (form: "statement" | "transaction") =>
  linted(schema).pipe(
    Layer.provideMerge(
      Testing.layer({ source: SchemaSource.builtIn(schema), client: { guarded: form }, emulator: unwatched })
    ),
    Layer.provideMerge(NothingLate)
  )

type Suite = (it: Vitest.MethodsNonLive<DsqlClient.Provided | Testing.Control>) => void

/** A suite in both forms in which guarded writes are sent. */
export const describeForms = (name: string, suite: Suite): void => {
  for (const form of forms) {
    layer(Layer.provideMerge(Database(form), ProvingReads), { excludeTestServices: true })(
      `${name}, guarded by one ${form}`,
      suite
    )
  }
}

/** A suite on a database of its own; what is said to be proven to read is sent where the server refuses to write. */
export const describeCluster = (name: string, suite: Suite): void =>
  layer(Layer.provideMerge(Database(guarded), ProvingReads), { excludeTestServices: true })(name, suite)

/** A suite that counts or breaks what is sent: a guarded write is one statement there. */
export const describeCounted = (name: string, suite: Suite): void =>
  layer(Database("statement"), { excludeTestServices: true })(name, suite)

/** What one process of a cluster has. */
export interface Process {
  readonly holding: Holding.Holding["Service"]
  readonly messages: MessageStorage.MessageStorage["Service"]
  readonly runners: RunnerStorage.RunnerStorage["Service"]
  readonly address: RunnerAddress.RunnerAddress
}

/** A process of a cluster, at an address of its own. */
export const process = Effect.fnUntraced(function* (options: DsqlCluster.Options & { readonly host?: string } = {}) {
  const context = yield* Layer.build(Layer.fresh(DsqlCluster.layerWith(options)))
  return {
    holding: Context.get(context, Holding.Holding),
    messages: Context.get(context, MessageStorage.MessageStorage),
    runners: Context.get(context, RunnerStorage.RunnerStorage),
    address: RunnerAddress.make(options.host ?? randomUUID(), 1)
  } satisfies Process
})

/** A cluster that nobody else of the file's database is in. */
export const prefix = (): string => `test-${randomUUID()}`

/** Two processes of one cluster, whose leases are over as soon as another one wants the shard. */
export const rivals = Effect.gen(function* () {
  // Each evaluation makes a cluster of its own.
  const options = { prefix: prefix(), shardingConfig: { shardLockExpiration: 0 } } as const
  return { one: yield* process(options), other: yield* process(options) }
})

const snowflakes = Effect.runSync(Snowflake.makeGenerator)

export const id = (): Snowflake.Snowflake => snowflakes.nextUnsafe()

export const shard = (number = 1, group = "default"): ShardId.ShardId => ShardId.make(group, number)

const Answer = Schema.Union([Schema.Number, Schema.String])

export const GetUser = Rpc.make("GetUser", { payload: { id: Schema.Number }, success: Answer })

const Keyed = Rpc.make("Keyed", {
  payload: { id: Schema.String },
  success: Schema.Number,
  primaryKey: ({ id }) => id
})

const Streamed = Rpc.make("Streamed", {
  payload: { id: Schema.String },
  success: RpcSchema.Stream(Answer, Schema.Never),
  primaryKey: ({ id }) => id
})

/** A request that is known by a key. */
export const keyed = (
  key: string,
  options: { readonly entityId?: string } = {}
): Message.OutgoingRequest<Rpc.AnyWithProps> =>
  request({ ...options, rpc: Keyed, payload: Keyed.payloadSchema.make({ id: key }) })

/** A request that is known by a key, and answered in chunks. */
export const streamed = (key: string = randomUUID()): Message.OutgoingRequest<Rpc.AnyWithProps> =>
  request({ rpc: Streamed, payload: Streamed.payloadSchema.make({ id: key }) })

/** Due at an instant, in milliseconds since 1970. */
class DelayedPayload extends Schema.Class<DelayedPayload>("Delayed")({ at: Schema.Number }) {
  [DeliverAt.symbol]() {
    return DateTime.addDuration(DateTime.makeUnsafe(0), this.at)
  }
}

export const Delayed = Rpc.make("Delayed", { payload: DelayedPayload })

export const delayed = (at: number): Message.OutgoingRequest<Rpc.AnyWithProps> =>
  request({ rpc: Delayed, payload: new DelayedPayload({ at }) })

export const address = (entityId: string, shardId = shard()): EntityAddress.EntityAddress =>
  EntityAddress.make({ shardId, entityType: EntityType.make("Test"), entityId: EntityId.make(entityId) })

export const request = (
  options: {
    readonly rpc?: Rpc.AnyWithProps
    readonly payload?: unknown
    readonly entityId?: string
    readonly shardId?: ShardId.ShardId
  } = {}
): Message.OutgoingRequest<Rpc.AnyWithProps> => {
  const { entityId = "1", payload = { id: 1 }, rpc = GetUser, shardId = shard() } = options
  return new Message.OutgoingRequest<Rpc.AnyWithProps>({
    envelope: Envelope.makeRequest<Rpc.AnyWithProps>({
      requestId: id(),
      address: address(entityId, shardId),
      // Only a request of a particular RPC has a tag of its own.
      tag: rpc._tag as never,
      payload: payload as never,
      headers: Headers.fromInput({ tenant: "t1" })
    }),
    annotations: rpc.annotations,
    context: Context.empty(),
    rpc,
    lastReceivedReply: Option.none(),
    respond: () => Effect.void
  })
}

/** An exit of any request: the types of what is in it are those of its schema, which a test knows. */
const succeeded = (value: number | string) => Exit.succeed(value) as unknown as Exit.Exit<Rpc.Success<Rpc.AnyWithProps>>

const inContext = (request: Message.OutgoingRequest<Rpc.AnyWithProps>, reply: Reply.Reply<Rpc.AnyWithProps>) =>
  new Reply.ReplyWithContext<Rpc.AnyWithProps>({ reply, context: request.context, rpc: request.rpc })

export const exit = (
  request: Message.OutgoingRequest<Rpc.AnyWithProps>,
  value: number | string = 1
): Reply.ReplyWithContext<Rpc.AnyWithProps> =>
  inContext(request, new Reply.WithExit({ id: id(), requestId: request.envelope.requestId, exit: succeeded(value) }))

export const chunk = (
  request: Message.OutgoingRequest<Rpc.AnyWithProps>,
  sequence: number,
  value: number | string = sequence
): Reply.ReplyWithContext<Rpc.AnyWithProps> =>
  inContext(request, new Reply.Chunk({ id: id(), requestId: request.envelope.requestId, sequence, values: [value] }))

export const ack = (
  request: Message.OutgoingRequest<Rpc.AnyWithProps>,
  reply: Reply.ReplyWithContext<Rpc.AnyWithProps>
): Message.OutgoingEnvelope =>
  new Message.OutgoingEnvelope({
    envelope: new Envelope.AckChunk({
      id: id(),
      address: request.envelope.address,
      requestId: request.envelope.requestId,
      replyId: reply.reply.id
    }),
    rpc: request.rpc
  })

export const interrupt = (request: Message.OutgoingRequest<Rpc.AnyWithProps>): Message.OutgoingEnvelope =>
  new Message.OutgoingEnvelope({
    envelope: new Envelope.Interrupt({
      id: id(),
      address: request.envelope.address,
      requestId: request.envelope.requestId
    }),
    rpc: request.rpc
  })

/** The first request among what was polled. */
export const requestIn = (
  messages: ReadonlyArray<Message.Incoming<Rpc.AnyWithProps>>
): Message.IncomingRequest<Rpc.AnyWithProps> => {
  const found = messages.find((message) => message._tag === "IncomingRequest")
  if (found === undefined) throw new Error("no request was polled")
  return found as Message.IncomingRequest<Rpc.AnyWithProps>
}

/** What a table holds of a cluster's only shard, or all. */
export const rows = (statement: string) =>
  Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql.unsafe<Record<string, unknown>>(statement))

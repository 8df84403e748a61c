import { Identifiers, Namespaces, Persistence } from "@effect-dsql/persistence"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { randomUUID } from "node:crypto"
import * as Keyspace from "../src/Keyspace.ts"
import { layer as queuesLayer, Queues } from "../src/matching/Queues.ts"

/** The namespace that a process looks for where nothing else is set. */
const namespace = Layer.effectDiscard(
  Effect.flatMap(Namespaces.Namespaces, (namespaces) =>
    namespaces.create({
      id: Identifiers.NamespaceId.make(randomUUID()),
      name: Identifiers.NamespaceName.make("default"),
      isGlobal: false,
      detail: { data: new Uint8Array(), encoding: "Proto3" }
    })
  )
)

const Database = Persistence.layer.pipe(Layer.provideMerge(Testing.layer({ source: SchemaSource.builtIn() })))

const Matching = queuesLayer.pipe(Layer.provide(Keyspace.layer), Layer.provide(namespace), Layer.provideMerge(Database))

const work = (id: number) => ({ _tag: "Decide", shardId: 1, id: String(id), runId: "run" }) as const

layer(Matching, { excludeTestServices: true })("a queue of the matching role", (it) => {
  it.effect("gives out every task, however many are acknowledged before the first one is", () =>
    Effect.gen(function* () {
      const queues = yield* Queues
      yield* queues.add(
        "work",
        Array.from({ length: 101 }, (_, index) => work(index))
      )
      const polled = Effect.map(queues.poll("work"), Option.getOrThrow)
      const [first, ...others] = yield* Effect.replicateEffect(polled, 100)
      for (const { taskId } of others) yield* queues.acknowledge("work", taskId)
      yield* queues.acknowledge("work", first?.taskId ?? 0n)
      assert.deepStrictEqual((yield* polled).work, work(100))
    })
  )
})

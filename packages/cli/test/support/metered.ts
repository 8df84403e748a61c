/**
 * A process that serves its metrics: callers increment one row of `hot` at once, some of them naming it. It says where
 * it listens once all of them are done.
 */
import { DsqlClient, Observability, Transaction } from "@effect-dsql/core"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"

const increment = (operation: string, keys: Transaction.Options<void>["keys"]) =>
  Transaction.run(
    Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE hot SET n = n + 1 WHERE id = 1`),
    { operation, keys }
  )

const work = Effect.all(
  [
    Effect.replicateEffect(increment("Unnamed", undefined), 15, { concurrency: "unbounded" }),
    Effect.replicateEffect(increment("Named", [{ table: "hot", key: { id: 1 } }]), 30, { concurrency: "unbounded" })
  ],
  { concurrency: "unbounded" }
)

const said = Effect.gen(function* () {
  yield* work
  yield* HttpServer.addressFormattedWith((address) => Console.log(`${address}/metrics`))
})

const client = Layer.unwrap(
  Effect.map(Config.Redacted("METERED_URL"), (url) =>
    DsqlClient.layerUrl({ url, applicationName: "metered", maxConnections: 20 })
  )
)

HttpRouter.serve(Observability.layerPrometheus()).pipe(
  Layer.provideMerge(Layer.effectDiscard(said)),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
  Layer.provide(client),
  Layer.launch,
  NodeRuntime.runMain
)

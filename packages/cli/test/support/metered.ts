/**
 * A process that serves its metrics: callers increment one row of `hot` at once, some of them naming it. It says where
 * it listens once all of them are done.
 */
import { DsqlClient, Observability, Transaction } from "@effect-dsql/core"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Latch, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"

const unnamed = 15

/** Open once each of those who name nothing has begun, so that all but one of them have lost their first attempt. */
const begun = Latch.makeUnsafe()
let missing = unnamed

const together = Effect.gen(function* () {
  const sql = yield* Transaction.sql
  yield* sql`SELECT n FROM hot WHERE id = 1`
  missing -= 1
  if (missing === 0) yield* begun.open
  yield* begun.await
  yield* sql`UPDATE hot SET n = n + 1 WHERE id = 1`
})

const nameless = Transaction.run(together, { operation: "Unnamed" })

const apart = Effect.flatMap(Transaction.sql, (sql) => sql`UPDATE hot SET n = n + 1 WHERE id = 1`)

const named = Transaction.run(apart, { operation: "Named", keys: [{ table: "hot", key: { id: 1 } }] })

const work = Effect.all(
  [
    Effect.replicateEffect(nameless, unnamed, { concurrency: "unbounded" }),
    Effect.replicateEffect(named, 30, { concurrency: "unbounded" })
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

Layer.effectDiscard(said).pipe(
  Layer.provide(HttpRouter.serve(Observability.layerPrometheus(), { disableListenLog: true })),
  Layer.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
  Layer.provide(client),
  Layer.launch,
  NodeRuntime.runMain
)

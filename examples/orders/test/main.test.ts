import { DsqlClient } from "@effect-dsql/core"
import { Migrator } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer, Redacted, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import { source } from "../src/Schema.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const service = (url: Redacted.Redacted, port: string) =>
  ChildProcess.make(process.execPath, [main], {
    env: { DSQL_URL: Redacted.value(url), PORT: port },
    extendEnv: true,
    // Whoever breaks the tests off breaks it off with them.
    detached: false
  })

/** Starts the service, and gives what it said until it listened, and where. */
const start = Effect.fnUntraced(function* (url: Redacted.Redacted) {
  const { stdout } = yield* service(url, "0")
  const lines = yield* stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.takeUntil((line) => line.includes("http://")),
    Stream.runCollect
  )
  return { said: lines.join("\n"), at: /http:\/\/\S+/.exec(lines.join("\n"))?.[0] ?? "" }
})

const get = (url: string) => Effect.promise(async () => (await fetch(url)).text())

it.live(
  "the order service brings an older schema to its latest version, takes the desk, and only then answers; the next one takes it from it, and one that cannot open its port takes it from nobody",
  () =>
    Effect.gen(function* () {
      const { url } = yield* Testing.make()
      const id = randomUUID()
      yield* Effect.gen(function* () {
        const migrator = yield* Migrator.Migrator
        const versions = yield* source
        yield* migrator.setup({ source: versions, database: "orders", version: versions.versions[0].version })
        const { sql } = yield* DsqlClient.DsqlClient
        yield* sql`INSERT INTO orders (id, customer, item, quantity, placed) VALUES (${id}, 'Ada', 'tea', 2, now())`
      }).pipe(Effect.provide(Migrator.layer.pipe(Layer.provideMerge(DsqlClient.layerUrl({ url })))))

      const { at, said } = yield* start(url)
      assert.match(said, /the schema is at 1\.1 now[^]*took the desk, epoch 1[^]*http:/)
      const order = JSON.parse(yield* get(`${at}/orders/${id}`))
      assert.deepInclude(order, { id, customer: "Ada", quantity: 2, shipped: null })
      assert.match(yield* get(`${at}/metrics`), /dsql_tx_latency_count\{[^}]*operation="FindOrder"[^}]*\} 1\n/)

      const long = { method: "POST", body: JSON.stringify({ customer: "x".repeat(201), item: "tea", quantity: 1 }) }
      const headers = { "content-type": "application/json" }
      assert.strictEqual((yield* Effect.promise(() => fetch(`${at}/orders`, { ...long, headers }))).status, 400)

      const next = yield* start(url)
      assert.notStrictEqual(yield* (yield* service(url, new URL(next.at).port)).exitCode, 0)
      const refused = yield* Effect.promise(() => fetch(`${at}/orders/${id}/ship`, { method: "POST" }))
      assert.strictEqual(refused.status, 409)
      assert.deepStrictEqual(yield* Effect.promise(() => refused.json()), {
        _tag: "DeskTaken",
        reason: "desks(name = main).epoch: expected 1, but it is 2"
      })
      const shipped = yield* Effect.promise(() => fetch(`${next.at}/orders/${id}/ship`, { method: "POST" }))
      assert.strictEqual(shipped.status, 200)
    }).pipe(Effect.provide(NodeServices.layer), Effect.scoped)
)

/**
 * What docs/cluster.md lets its reader do: two runners and a client, and the runner is killed that has reserved.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Redacted, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import { freePort } from "../../../test/freePort.ts"

/** Starts one of the programs with leases of a few seconds, and gives what it says, line by line. */
const start = Effect.fnUntraced(function* (program: string, env: Readonly<Record<string, string>>) {
  const handle = yield* ChildProcess.make(
    process.execPath,
    [fileURLToPath(new URL(`../src/${program}.ts`, import.meta.url))],
    {
      env: { ...env, SHARD_LOCK_EXPIRATION: "5 seconds", ENTITY_MESSAGE_POLL_INTERVAL: "1 second" },
      extendEnv: true,
      // Whoever breaks the tests off breaks it off with them.
      detached: false,
      stderr: "inherit"
    }
  )
  const said: Array<string> = []
  const waiting = new Map<RegExp, Deferred.Deferred<void>>()
  yield* handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => {
      said.push(line)
      return Effect.forEach(
        waiting,
        ([pattern, met]) => (pattern.test(line) ? Deferred.succeed(met, undefined) : Effect.void),
        {
          discard: true
        }
      )
    }),
    Effect.forkScoped
  )
  const says = Effect.fnUntraced(function* (pattern: RegExp) {
    const met = yield* Deferred.make<void>()
    waiting.set(pattern, met)
    if (!said.some((line) => pattern.test(line))) yield* Deferred.await(met)
  })
  return { handle, said, says }
})

it.live("an order goes on where the runner died that reserved for it, and is not reserved again", () =>
  Effect.gen(function* () {
    const { url } = yield* Testing.make()
    yield* Effect.gen(function* () {
      const migrator = yield* Migrator.Migrator
      yield* migrator.setup({ source: yield* SchemaSource.builtIn("dsql/cluster"), database: "dsql/cluster" })
    }).pipe(Effect.provide(Migrator.layer.pipe(Layer.provideMerge(DsqlClient.layerUrl({ url })))))

    const env = { DSQL_URL: Redacted.value(url), HOST: "127.0.0.1" }
    const ports = yield* Effect.promise(() => Promise.all([freePort(), freePort()]))
    const runners = yield* Effect.forEach(ports, (port) => start("runner", { ...env, PORT: port }))
    yield* Effect.forEach(runners, ({ says }) => says(/Listening/))
    const client = yield* start("client", env)

    // Said after the reply of the activity was stored: whoever dies before that reserves once more.
    const keeping = runners.map((runner) => Effect.as(runner.says(/keeping 4711/), runner))
    const reserved = yield* Effect.raceAllFirst(keeping)
    yield* reserved.handle.kill({ killSignal: "SIGKILL" })

    yield* client.says(/shipped, approved by Ada/)
    for (const left of runners) {
      if (left === reserved) continue
      yield* left.handle.kill()
      assert.lengthOf(
        left.said.filter((line) => line.includes("shipped 4711")),
        1
      )
      assert.isFalse(left.said.some((line) => line.includes("reserved")))
    }
  }).pipe(Effect.provide(NodeServices.layer), Effect.scoped)
)

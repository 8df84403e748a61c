/**
 * Where the clusters that are compared keep their messages, each 2 ms away.
 */
import { DsqlClient } from "@effect-dsql/core"
import type { Postgres } from "@effect-dsql/emulator"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import { emulatorBefore } from "./EmulatorBefore.ts"
import { latencyProxy } from "./LatencyProxy.ts"
import { pool } from "./QueueFills.ts"

const millisAway = 2

/** Sets the storages' tables up in a database. */
export const setUp = (url: Redacted.Redacted) =>
  Effect.gen(function* () {
    const source = yield* SchemaSource.builtIn("dsql/cluster")
    yield* Effect.flatMap(Migrator.Migrator, (migrator) => migrator.setup({ source }))
  }).pipe(
    Effect.provide(
      Migrator.layer.pipe(Layer.provide(DsqlClient.layerUrl({ url })), Layer.provideMerge(NodeServices.layer))
    )
  )

/** Makes a database on the server itself. */
export const database = Effect.fnUntraced(function* (server: Postgres.Postgres, name: string) {
  const admin = yield* pool(Redacted.value(server.url()))
  yield* Effect.promise(() => admin.query(`CREATE DATABASE ${name}`))
  return server.url(name)
})

/** A database behind a network. */
export interface Far {
  readonly url: Redacted.Redacted
  readonly roundTrips: () => number
}

export const databases = Effect.fnUntraced(function* (server: Postgres.Postgres) {
  const emulated = Redacted.make(yield* emulatorBefore(server))
  const plain = yield* database(server, "bench_cluster")
  const effect = yield* database(server, "bench_cluster_effect")
  yield* setUp(emulated)
  yield* setUp(plain)
  const far = (url: Redacted.Redacted) => {
    const near = new URL(Redacted.value(url))
    return Effect.map(
      latencyProxy({ host: near.hostname, port: Number(near.port) }, millisAway),
      ({ port, roundTrips }): Far => ({
        url: Redacted.make(Object.assign(near, { hostname: "127.0.0.1", port: String(port) }).href),
        roundTrips
      })
    )
  }
  return { emulated: yield* far(emulated), plain: yield* far(plain), effect: yield* far(effect) }
})

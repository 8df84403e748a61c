/**
 * The whole backend on this machine: a local Aurora DSQL with its schema, and a process for each role.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Identifiers, Namespaces } from "@effect-dsql/persistence"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { Data, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { ChildProcess } from "effect/process"
import { randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import { FrontendApi } from "./api/FrontendApi.ts"
import { HistoryApi } from "./api/HistoryApi.ts"
import type { Role } from "./Settings.ts"
import { blobs } from "./Json.ts"

/** A process ended before it listened. */
export class DidNotStart extends Data.TaggedError("DidNotStart")<{ readonly message: string }> {}

const Announcement = Schema.fromJsonString(Schema.Struct({ role: Schema.String, url: Schema.String }))

/** A process of a role: where it listens, and how to end it. */
export interface Process {
  readonly url: string
  /** Asks it to finish, as an operator would, and waits until it has. Gives its exit code. */
  readonly stop: Effect.Effect<number>
}

const main = fileURLToPath(new URL("./main.ts", import.meta.url))

/** Starts a role, and waits until it listens. It ends with the scope. */
export const launch = Effect.fnUntraced(function* (
  role: Role,
  database: Redacted.Redacted,
  env: Readonly<Record<string, string>> = {}
) {
  const handle = yield* ChildProcess.make(process.execPath, [main, role], {
    env: { DSQL_URL: Redacted.value(database), DSQL_APPLICATION_NAME: role, ...env },
    extendEnv: true,
    // Ctrl-C in the terminal of the one that starts it is meant for it, too, should that one not come to its end.
    detached: false,
    killSignal: "SIGTERM"
  })
  const lines = handle.stdout.pipe(Stream.decodeText(), Stream.splitLines)
  const announced = yield* lines.pipe(
    Stream.filter((line) => line.startsWith("{")),
    Stream.take(1),
    Stream.runCollect
  )
  const [line] = announced
  if (line === undefined) {
    const said = yield* Stream.mkString(Stream.decodeText(handle.stderr))
    return yield* new DidNotStart({ message: `${role} ended before it listened: ${said}` })
  }
  const { url } = yield* Schema.decodeUnknownEffect(Announcement)(line)
  const running: Process = {
    url,
    stop: Effect.orDie(Effect.andThen(handle.kill({ killSignal: "SIGTERM" }), handle.exitCode))
  }
  return running
})

const prepared = Effect.gen(function* () {
  const migrator = yield* Migrator.Migrator
  yield* migrator.setup({ source: yield* SchemaSource.builtIn() })
  const namespaces = yield* Namespaces.Namespaces
  yield* namespaces.create({
    id: Identifiers.NamespaceId.make(randomUUID()),
    name: Identifiers.NamespaceName.make("default"),
    isGlobal: false,
    detail: blobs(Schema.Struct({})).encode({})
  })
})

/** Starts all of it: two history processes share four shards. It ends with the scope. */
export const start = Effect.gen(function* () {
  const emulator = yield* Emulator.make({ jobDelay: "20 millis" })
  const client = DsqlClient.layerUrl({ url: emulator.url() })
  const live = Layer.mergeAll(Migrator.layer, Namespaces.layer).pipe(Layer.provideMerge(client))
  yield* Effect.provide(prepared, Layer.merge(live, NodeServices.layer))
  const database = emulator.url()
  const matching = yield* launch("matching", database)
  const env = { SERVICES_MATCHING: matching.url }
  const histories = yield* Effect.all([
    launch("history", database, { ...env, SERVICES_OWN: "1,2" }),
    launch("history", database, { ...env, SERVICES_OWN: "3,4" })
  ])
  const worker = yield* launch("worker", database, env)
  const frontend = yield* launch("frontend", database)
  const http = <A, E, R>(make: Effect.Effect<A, E, R>) => Effect.provide(make, FetchHttpClient.layer)
  return {
    emulator,
    client,
    processes: { matching, histories, worker, frontend },
    frontend: yield* http(HttpApiClient.make(FrontendApi, { baseUrl: frontend.url })),
    histories: yield* http(Effect.forEach(histories, ({ url }) => HttpApiClient.make(HistoryApi, { baseUrl: url })))
  }
})

export type Backend = Effect.Success<typeof start>

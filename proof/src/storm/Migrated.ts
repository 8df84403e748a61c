/**
 * A server in a process of its own, and a client of its one database, which has the schemas.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import * as Processes from "./Processes.ts"

/** Everything is in a directory that goes with the scope; whoever runs workers may keep more in it. */
export const make = Effect.fnUntraced(function* (seed: number, schemas: ReadonlyArray<string> = ["dsql/temporal"]) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "storm-" })
  // PostgreSQL, which does not run as root, has to get through.
  yield* fs.chmod(directory, 0o755)
  const server = yield* Processes.server(join(directory, "server"), seed)
  const client = yield* Layer.build(DsqlClient.layerUrl({ url: server.url, applicationName: "proof" }))
  yield* Effect.forEach(schemas, (schema) =>
    Effect.flatMap(SchemaSource.builtIn(schema), (source) =>
      Migrator.Migrator.use((migrator) => migrator.setup({ source }))
    )
  ).pipe(Effect.provide(Migrator.layer), Effect.provideContext(client))
  return { directory, server, client }
})

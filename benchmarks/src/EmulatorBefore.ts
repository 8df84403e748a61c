/**
 * An emulator before a server, in a process of its own, with a database in it.
 */
import { DsqlClient } from "@effect-dsql/core"
import type { Postgres } from "@effect-dsql/emulator"
import { NodeServices } from "@effect/platform-node"
import { Effect, Redacted, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

/** Starts it, and gives the URL of the database, which is empty. */
export const emulatorBefore = (server: Postgres.Postgres) =>
  Effect.gen(function* () {
    const program = fileURLToPath(new URL("./EmulatorProcess.ts", import.meta.url))
    const emulator = yield* ChildProcess.make(process.execPath, [program], {
      env: { BENCH_POSTGRES: Redacted.value(server.url()) },
      extendEnv: true,
      stderr: "inherit"
    })
    const lines = emulator.stdout.pipe(Stream.decodeText(), Stream.splitLines)
    const url = yield* Effect.flatMap(Stream.runHead(lines), (line) => Effect.fromOption(line))
    yield* Effect.flatMap(
      DsqlClient.DsqlClient,
      ({ sql }) => sql.unsafe(`CALL emulator.control('{"createDatabase": {"name": "bench"}}')`).unprepared
    ).pipe(Effect.provide(DsqlClient.layerUrl({ url: Redacted.make(url.replace("/bench", "/postgres")) })))
    return url
  }).pipe(Effect.provide(NodeServices.layer))

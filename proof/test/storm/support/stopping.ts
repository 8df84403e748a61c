/**
 * Starts a server, a worker and a runner, stops the runner for ever, and says so.
 */
import { DsqlClient } from "@effect-dsql/core"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Redacted } from "effect"
import { join } from "node:path"
import * as Migrated from "../../../src/storm/Migrated.ts"
import * as Processes from "../../../src/storm/Processes.ts"
import * as Journal from "../../../src/storm/runners/Journal.ts"

const program = Effect.gen(function* () {
  const { client, directory, server } = yield* Migrated.make(1, ["dsql/temporal", "dsql/storage", "dsql/cluster"])
  yield* Effect.provideContext(
    DsqlClient.DsqlClient.use(({ sql }) => sql.unsafe(Journal.table).unprepared),
    client
  )
  const shared = { STORM_URL: Redacted.value(server.url), STORM_FENCED: "true" }
  const runner = yield* Processes.runner("r1", (life) => ({ ...shared, STORM_RUNNER: life }))
  const worker = Processes.worker("w1", (life) => ({
    ...shared,
    STORM_WORKER: life,
    STORM_LEDGER: join(directory, `${life}.jsonl`),
    STORM_VITALS: join(directory, `${life}.vitals`),
    STORM_SEED: "1",
    STORM_SHARDS: "1"
  }))
  yield* Effect.forkChild(Effect.all([runner.lives, worker.lives], { concurrency: "unbounded" }))
  yield* worker.ready
  yield* runner.stopped(Effect.andThen(Console.log("stopped"), Effect.never))
}).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

NodeRuntime.runMain(program)

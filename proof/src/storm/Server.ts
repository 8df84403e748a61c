/**
 * The emulated Aurora DSQL of a storm, in a process that can be killed and started again. It says at which port it
 * listens.
 */
import { Emulator, Postgres } from "@effect-dsql/emulator"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Input from "./Input.ts"

const settings = Config.all({
  dataDirectory: Config.String("STORM_DATA"),
  port: Config.option(Config.Port("STORM_PORT")),
  seed: Config.Int("STORM_SERVER_SEED")
})

const program = Effect.gen(function* () {
  const told = yield* Input.told
  const { dataDirectory, port, seed } = yield* settings
  // The processes die here, and the machine does not: what is in its memory is safe enough, what is in theirs is not.
  const server = { dataDirectory, settings: { max_connections: 200, fsync: "off", full_page_writes: "off" } }
  const postgres = yield* Effect.retry(Postgres.make(server), {
    // A server whose owner was killed needs a moment to end.
    while: (error) => error.reason === "directory",
    schedule: Schedule.spaced("50 millis"),
    times: 200
  })
  const emulator = yield* Emulator.make({
    postgres,
    port: Option.getOrUndefined(port),
    seed,
    log: false,
    jobDelay: "20 millis"
  })
  yield* Console.log(emulator.port)
  yield* told.await
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)

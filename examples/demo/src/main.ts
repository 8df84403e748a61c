/**
 * The main job on one machine: a server, a schema in two versions, two processes that fight over shards, and a check
 * of everything that they were promised.
 */
import { Cli } from "@effect-dsql/cli"
import { DsqlClient } from "@effect-dsql/core"
import { Postgres } from "@effect-dsql/emulator"
import { Persistence } from "@effect-dsql/persistence"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { ConfigProvider, Console, Data, Effect, Fiber, Layer, Redacted, Ref, Schedule, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"
import { checks } from "./Checks.ts"
import * as Protocol from "./Protocol.ts"
import { table, verdict } from "./Report.ts"

/** A worker ended without saying what it had done. */
class WorkerFailed extends Data.TaggedError("WorkerFailed")<{ readonly message: string }> {}

/** Something that was promised does not hold. */
class PromiseBroken extends Data.TaggedError("PromiseBroken")<{ readonly message: string }> {}

const shardCount = 4
const fibers = 4
const workers = ["alice", "bob"]

/** Runs the command line in this process, on the local server. */
const effectDsql = (server: Postgres.Postgres, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* Console.log(`\n$ effect-dsql ${args.join(" ")}`)
    const connection = ["--endpoint", server.host, "--port", String(server.port), "--user", server.username]
    yield* Cli.run([...args, ...connection])
  }).pipe(
    Effect.provide(
      ConfigProvider.layer(ConfigProvider.fromEnvRecord({ SQL_PASSWORD: Redacted.value(server.password) }))
    )
  )

/** Starts a worker process, counts its progress, and waits for its result. */
const work = Effect.fnUntraced(function* (
  server: Postgres.Postgres,
  worker: string,
  seconds: number,
  counts: Ref.Ref<Readonly<Record<string, Counts>>>
) {
  const handle = yield* ChildProcess.make(process.execPath, [fileURLToPath(new URL("./Worker.ts", import.meta.url))], {
    env: {
      DSQL_URL: Redacted.value(server.url()),
      DSQL_MAX_CONNECTIONS: String(fibers),
      DEMO_WORKER: worker,
      DEMO_SHARDS: String(shardCount),
      DEMO_FIBERS: String(fibers),
      DEMO_SECONDS: String(seconds)
    },
    extendEnv: true,
    stderr: "inherit"
  })
  const last = yield* handle.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.mapEffect((line) => Protocol.decode(line)),
    Stream.tap((message) =>
      message._tag === "Progress" ? Ref.update(counts, (all) => ({ ...all, [worker]: message })) : Effect.void
    ),
    Stream.runLast
  )
  return yield* Effect.fromOption(last).pipe(
    Effect.filterOrFail((message): message is Protocol.Result => message._tag === "Result"),
    Effect.mapError(() => new WorkerFailed({ message: `worker ${worker} ended without a result` }))
  )
})

/** What a worker has done so far. */
interface Counts {
  readonly operations: number
  readonly conflicts: number
  readonly refused: number
}

const progress = (counts: Ref.Ref<Readonly<Record<string, Counts>>>) =>
  Effect.gen(function* () {
    const all = Object.values(yield* Ref.get(counts))
    const total = (field: keyof Counts) => all.reduce((sum, one) => sum + one[field], 0)
    // The processes take a moment to start.
    if (total("operations") === 0) return
    const shown = (field: keyof Counts, width: number) => total(field).toLocaleString("en-US").padStart(width)
    yield* Console.log(
      `  ${shown("operations", 8)} operations ${shown("conflicts", 8)} conflicts ` +
        `${shown("refused", 6)} stale writes refused`
    )
  }).pipe(Effect.delay("1 second"), Effect.repeat(Schedule.forever))

const demo = Effect.fnUntraced(function* (seconds: number) {
  yield* Console.log("Starting PostgreSQL 16 from npm ...")
  const server = yield* Postgres.make()
  yield* Console.log(`It listens on ${server.host}:${server.port}, in ${server.dataDirectory}.`)
  yield* effectDsql(server, "setup-schema", "--version", "1.0")
  yield* effectDsql(server, "update-schema")
  yield* effectDsql(server, "status")

  yield* Console.log(`\n${workers.join(" and ")}, a process each, fight over ${shardCount} shards for ${seconds} s:`)
  const counts = yield* Ref.make<Readonly<Record<string, Counts>>>({})
  const reporting = yield* Effect.forkChild(progress(counts))
  const results = yield* Effect.all(
    workers.map((worker) => work(server, worker, seconds, counts)),
    { concurrency: "unbounded" }
  )
  yield* Fiber.interrupt(reporting)

  yield* Console.log(`\n${table(results)}\n`)
  const found = yield* Effect.provide(
    checks(results, shardCount),
    Layer.provideMerge(Persistence.layer, DsqlClient.layerUrl({ url: server.url() }))
  )
  yield* Console.log(verdict(found))
  const broken = found.filter((check) => !check.holds)
  if (broken.length > 0) {
    return yield* new PromiseBroken({ message: `broken: ${broken.map((check) => check.promise).join(", ")}` })
  }
}, Effect.scoped)

const help = `pnpm demo [seconds]: a schema in two versions on a local server, then two processes that fight over
shards for so many seconds, 1 to 600 [default: 8], and a check of all that they were promised
`

const asked = process.argv[2] ?? "8"
const seconds = Number(asked)

if (asked === "--help" || asked === "-h") {
  process.stdout.write(help)
} else if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 600) {
  demo(seconds).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
} else {
  process.stderr.write(`the demo takes a number of seconds, 1 to 600, not ${asked}\n`)
  process.exitCode = 2
}

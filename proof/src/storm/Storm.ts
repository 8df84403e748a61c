/**
 * A storm: workers and runners, what goes wrong while they work, and what must hold when it is over.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Quote } from "@effect-dsql/dialect"
import type { Control } from "@effect-dsql/emulator"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Hash from "effect/Hash"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { ChildProcessSpawner } from "effect/process"
import { join } from "node:path"
import { type Check, checks } from "./Checks.ts"
import * as Ledger from "./Ledger.ts"
import * as Migrated from "./Migrated.ts"
import * as Processes from "./Processes.ts"
import * as Callers from "./runners/Callers.ts"
import * as Journal from "./runners/Journal.ts"
import * as Kept from "./runners/Kept.ts"
import * as Stored from "./Stored.ts"
import * as Vitals from "./Vitals.ts"
import * as Weather from "./Weather.ts"

export interface Options {
  /** Decides what goes wrong, and when, and what each worker chooses to do. */
  readonly seed: string
  readonly seconds: number
  readonly workers: number
  readonly runners: number
  readonly shards: number
  /** Whether workers and runners hold the shard for what they note. Without, the checks have to find what comes of it. */
  readonly fenced: boolean
}

/** What is run where nothing else is asked for. */
export const standard: Omit<Options, "seed"> = { seconds: 120, workers: 4, runners: 2, shards: 3, fenced: true }

/** How often each thing went wrong. */
export type Happened = Readonly<Record<string, number>>

/** What happened, and what was found. */
export interface Result {
  readonly options: Options
  readonly happened: Happened
  /** How many runners did not end when they were told to, and were killed. */
  readonly forced: number
  readonly ledger: Ledger.Ledger
  readonly checks: ReadonlyArray<Check>
  /** What the worker that was spared held, early and late in its life. */
  readonly growth: Vitals.Growth
}

/**
 * Runs a storm on a server of its own, with a process for each worker and each runner. What goes wrong is the seed's to
 * decide, unless it is given.
 */
export const run = Effect.fnUntraced(function* (options: Options, given?: ReadonlyArray<Weather.Forecast>) {
  const fs = yield* FileSystem.FileSystem
  const { client, directory, server } = yield* Migrated.make(Math.abs(Hash.string(options.seed)), [
    "dsql/temporal",
    "dsql/storage",
    "dsql/cluster"
  ])
  yield* Effect.provideContext(
    DsqlClient.DsqlClient.use(({ sql }) => sql.unsafe(Journal.table).unprepared),
    client
  )
  const workers = Array.from({ length: options.workers }, (_, number) =>
    Processes.worker(`w${number + 1}`, (life) => ({
      STORM_WORKER: life,
      STORM_LEDGER: join(directory, `${life}.jsonl`),
      STORM_VITALS: join(directory, `${life}.vitals`),
      STORM_SEED: options.seed,
      STORM_SHARDS: String(options.shards),
      STORM_FENCED: String(options.fenced),
      STORM_URL: Redacted.value(server.url)
    }))
  )
  const runners = yield* Effect.forEach(Array.from({ length: options.runners }).keys(), (number) =>
    Processes.runner(`r${number + 1}`, (life) => ({
      STORM_RUNNER: life,
      STORM_FENCED: String(options.fenced),
      STORM_URL: Redacted.value(server.url)
    }))
  )
  const events = given ?? (yield* Weather.forecast(options))
  const lives = (processes: ReadonlyArray<Pick<Processes.Runner, "lives">>) =>
    Effect.all(
      processes.map(({ lives }) => lives),
      { concurrency: "unbounded", discard: true }
    )
  const ended = (processes: ReadonlyArray<Pick<Processes.Runner, "end">>) =>
    Effect.forEach(processes, ({ end }) => end, { concurrency: "unbounded", discard: true })
  const storm = Effect.gen(function* () {
    yield* Effect.forEach(workers, ({ ready }) => ready)
    const end = (yield* Clock.currentTimeMillis) + options.seconds * 1000
    const happened = yield* weather(events, server, workers, runners, client)
    yield* Effect.sleep(Math.max(0, end - (yield* Clock.currentTimeMillis)))
    yield* ended(workers)
    return happened
  })
  // Whoever asks has come to the end before those who answer do.
  const asked = Effect.gen(function* () {
    const [happened] = yield* Effect.all([storm, lives(workers)], { concurrency: "unbounded" })
    yield* Effect.provideContext(settled, client)
    yield* ended(runners)
    return happened
  })
  const [happened] = yield* Effect.all([asked, lives(runners)], { concurrency: "unbounded" }).pipe(
    Effect.timeoutOrElse({
      duration: (options.seconds + overtime) * 1000,
      orElse: () =>
        Effect.flatMap(
          Effect.forEach([...workers, ...runners], ({ running }) => running),
          (running) =>
            new Processes.ProcessFailed({ message: `did not end when it was time: ${running.flat().join(", ")}` })
        )
    })
  )
  const files = (yield* fs.readDirectory(directory)).filter((name) => name.endsWith(".jsonl"))
  const entries = yield* Effect.forEach(files, (name) =>
    Effect.map(fs.readFileString(join(directory, name)), Ledger.parse)
  )
  const ledger = Ledger.collect(entries.flat())
  const stored = yield* Effect.provideContext(Stored.read, client)
  const spared = yield* fs.readFileString(join(directory, `w${options.workers}.1.vitals`))
  const growth = Vitals.growth(Vitals.parse(spared))
  // In a short storm everything is still warming up.
  const grown = options.seconds < Vitals.enough ? [] : [Vitals.check(growth)]
  const forced = (yield* Effect.forEach(runners, (runner) => runner.forced)).reduce((sum, more) => sum + more, 0)
  const result: Result = { options, happened, forced, ledger, checks: [...checks(ledger, stored), ...grown], growth }
  return result
})

/**
 * Seconds that a storm may take beyond its own: on a machine that is busy with other tests its processes, which begin
 * one after the other, take half a minute each until they are there.
 */
const overtime = 480

/** Waits until nothing waits any more, if it comes to that. */
const settled = Kept.waiting.pipe(
  Effect.repeat({ until: (waiting) => waiting.length === 0, schedule: Schedule.spaced("100 millis") }),
  Effect.timeoutOption(Callers.patience)
)

/** Asks the emulator for something, from another process. */
const ask = (request: typeof Control.Request.Type) =>
  Effect.gen(function* () {
    const { sql } = yield* DsqlClient.DsqlClient
    const rows = yield* sql.unsafe(`CALL emulator.control(${Quote.literal(JSON.stringify(request))})`).unprepared
    return Object.values(rows[0] ?? {})[0]
    // A server that has just come back finds connections of before its end.
  }).pipe(Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 5 }))

const happenedOf = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Int)))

/** Makes the weather of the forecast, and counts what came of it. */
const weather = (
  events: ReadonlyArray<Weather.Forecast>,
  server: Effect.Success<ReturnType<typeof Processes.server>>,
  workers: ReadonlyArray<Processes.Worker>,
  runners: ReadonlyArray<Processes.Runner>,
  client: Context.Context<DsqlClient.Provided>
) =>
  Effect.gen(function* () {
    const happened = new Map<string, number>()
    const count = (name: string, more = 1) => happened.set(name, (happened.get(name) ?? 0) + more)
    /** What was asked of the emulator since it began. */
    const asked = new Set<string>()
    // Nobody is told when a fault has happened; at work, each of them happens sooner or later.
    const faults = Effect.map(ask({ happened: true }), happenedOf).pipe(
      Effect.repeat({
        until: (found) => [...asked].every((name) => name in found),
        schedule: Schedule.spaced("50 millis")
      })
    )
    const countFaults = Effect.map(faults, (found) => {
      for (const [name, more] of Object.entries(found)) count(name, more)
      asked.clear()
    })
    // One runner after the other, so that somebody is there to take what it had.
    const { withPermit } = Semaphore.makeUnsafe(1)
    const disturbed: Array<Fiber.Fiber<unknown>> = []
    const disturb = Effect.fnUntraced(function* (
      kind: Weather.Kind,
      runner: number,
      how: (
        runner: Processes.Runner
      ) => Effect.Effect<void, never, DsqlClient.DsqlClient | ChildProcessSpawner.ChildProcessSpawner>
    ) {
      const target = runners[runner]
      if (target === undefined) return
      const done = Effect.sync(() => count(kind))
      disturbed.push(yield* Effect.forkChild(withPermit(Effect.andThen(how(target), done))))
    })
    const start = yield* Clock.currentTimeMillis
    for (const { at, event } of events) {
      yield* Effect.sleep(Math.max(0, start + at - (yield* Clock.currentTimeMillis)))
      switch (event._tag) {
        case "Fault":
          yield* ask({ inject: event.rule })
          asked.add(`${event.rule.fault}@${event.rule.on}`)
          break
        case "Latency":
          yield* ask({ latency: { millis: event.millis, for: Weather.label } })
          if (event.millis > 0) count("latency")
          break
        case "CutAll":
          yield* ask({ cut: Weather.label })
          count("cut all")
          break
        case "KillWorker":
          yield* workers[event.worker]?.kill ?? Effect.void
          count("kill worker")
          break
        case "KillRunner":
          yield* disturb("kill runner", event.runner, ({ kill }) => kill)
          break
        case "RestartRunner":
          yield* disturb("restart runner", event.runner, ({ restart }) => restart)
          break
        case "StopRunner":
          yield* disturb("stop runner", event.runner, (runner) =>
            event.inStep
              ? runner.stoppedInStep(({ op, step }) => Effect.andThen(Kept.isTaken(runner.port), Kept.isDone(op, step)))
              : runner.stopped(Kept.isTaken(runner.port))
          )
          break
        case "KillServer":
          yield* countFaults
          yield* server.restart
          count("kill server")
          break
      }
    }
    yield* Effect.forEach(disturbed, Fiber.join)
    yield* countFaults
    yield* ask({ clear: true })
    return Object.fromEntries(happened) as Happened
  }).pipe(Effect.provideContext(client))

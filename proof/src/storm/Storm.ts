/**
 * A storm: workers, what goes wrong while they work, and what must hold when it is over.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Quote } from "@effect-dsql/dialect"
import type { Control } from "@effect-dsql/emulator"
import { Clock, type Context, Effect, FileSystem, Hash, Redacted, Schedule, Schema } from "effect"
import { join } from "node:path"
import { type Check, checks } from "./Checks.ts"
import * as Ledger from "./Ledger.ts"
import * as Migrated from "./Migrated.ts"
import * as Processes from "./Processes.ts"
import * as Stored from "./Stored.ts"
import * as Vitals from "./Vitals.ts"
import * as Weather from "./Weather.ts"

export interface Options {
  /** Decides what goes wrong, and when, and what each worker chooses to do. */
  readonly seed: string
  readonly seconds: number
  readonly workers: number
  readonly shards: number
  /** Whether anything goes wrong. */
  readonly weather: boolean
  /** Whether workers hold the shard for their notes. Without, the checks have to find what comes of it. */
  readonly fenced: boolean
}

/** What is run where nothing else is asked for. */
export const standard: Omit<Options, "seed"> = { seconds: 120, workers: 4, shards: 3, weather: true, fenced: true }

/** How often each thing went wrong. */
export type Happened = Readonly<Record<string, number>>

/** What happened, and what was found. */
export interface Result {
  readonly options: Options
  readonly happened: Happened
  readonly ledger: Ledger.Ledger
  readonly checks: ReadonlyArray<Check>
  /** What the worker that was spared held, early and late in its life. */
  readonly growth: Vitals.Growth
}

/** Runs a storm on a server of its own, with a process for each worker. */
export const run = Effect.fnUntraced(function* (options: Options) {
  const fs = yield* FileSystem.FileSystem
  const { client, directory, server } = yield* Migrated.make(Math.abs(Hash.string(options.seed)), [
    "dsql/temporal",
    "dsql/storage"
  ])
  const workers = yield* Effect.forEach(Array.from({ length: options.workers }).keys(), (number) =>
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
  const storm = Effect.gen(function* () {
    yield* Effect.forEach(workers, ({ ready }) => ready)
    const end = (yield* Clock.currentTimeMillis) + options.seconds * 1000
    const happened = options.weather ? yield* weather(options, server, workers, client) : {}
    yield* Effect.sleep(Math.max(0, end - (yield* Clock.currentTimeMillis)))
    yield* Effect.forEach(workers, (worker) => worker.end)
    return happened
  })
  const lives = Effect.all(
    workers.map((worker) => worker.lives),
    { concurrency: "unbounded", discard: true }
  )
  const [happened] = yield* Effect.all([storm, lives], { concurrency: "unbounded" }).pipe(
    Effect.timeoutOrElse({
      duration: (options.seconds + 120) * 1000,
      orElse: () => Effect.fail(new Processes.ProcessFailed({ message: "the workers did not end when it was time" }))
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
  const result: Result = { options, happened, ledger, checks: [...checks(ledger, stored), ...grown], growth }
  return result
})

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
  options: Options,
  server: Effect.Success<ReturnType<typeof Processes.server>>,
  workers: ReadonlyArray<Effect.Success<ReturnType<typeof Processes.worker>>>,
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
    const start = yield* Clock.currentTimeMillis
    for (const { at, event } of yield* Weather.forecast(options)) {
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
        case "KillServer":
          yield* countFaults
          yield* server.restart
          count("kill server")
          break
      }
    }
    yield* countFaults
    yield* ask({ clear: true })
    return Object.fromEntries(happened) as Happened
  }).pipe(Effect.provideContext(client))

/**
 * `pnpm bench` runs all benchmarks, `pnpm bench NAME…` those that are named. `--rows` says how many rows `growth` puts
 * around an operation at most; `--chart` draws the pictures of `docs/performance.md`, and runs what has one.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Postgres } from "@effect-dsql/emulator"
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, type Redacted, Result, type Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import { parseArgs } from "node:util"
import * as Charts from "./Charts.ts"
import { clusters } from "./Clusters.ts"
import { contention } from "./Contention.ts"
import { emulation } from "./Emulation.ts"
import { fences } from "./Fences.ts"
import { freshDatabases } from "./FreshDatabases.ts"
import { growth } from "./Growth.ts"
import { persistence } from "./Persistence.ts"
import { queues } from "./Queues.ts"
import { startup } from "./Startup.ts"
import { transactions } from "./Transactions.ts"

const schema = Effect.gen(function* () {
  const { sql } = yield* DsqlClient.DsqlClient
  yield* sql`CREATE TABLE bench_rows (id integer PRIMARY KEY, n integer NOT NULL)`
  yield* sql`INSERT INTO bench_rows SELECT id, 0 FROM generate_series(0, 999) AS id`
  yield* sql`CREATE TABLE bench_guards (id integer PRIMARY KEY, token bigint NOT NULL, owner text)`
  yield* sql`INSERT INTO bench_guards SELECT id, 0 FROM generate_series(0, 9999) AS id`
})

// Durability is not what is compared, and a disk's fsync would hide everything else.
const server = Postgres.make({ settings: { fsync: "off", synchronous_commit: "off" } })

/** Runs a benchmark on a server of its own. */
const onServer = <A, E>(
  benchmark: (
    url: Redacted.Redacted
  ) => Effect.Effect<A, E, DsqlClient.DsqlClient | Reactivity.Reactivity | Scope.Scope>
) =>
  Effect.gen(function* () {
    const url = (yield* server).url()
    const live = Layer.mergeAll(DsqlClient.layerUrl({ url, maxConnections: 8 }), Reactivity.layer)
    yield* Effect.provide(Effect.andThen(schema, Effect.scoped(benchmark(url))), live)
  }).pipe(Effect.scoped)

const parsed = Result.try({
  try: () =>
    parseArgs({
      allowPositionals: true,
      options: {
        rows: { type: "string", default: "1000000" },
        chart: { type: "boolean", default: false },
        help: { type: "boolean", short: "h" }
      }
    }),
  catch: (error) => (error instanceof Error ? error.message : String(error))
})
const nothing = { positionals: new Array<string>(), values: { rows: "1", chart: false, help: false } }
const { positionals: asked, values } = Result.getOrElse(parsed, () => nothing)
const rows = Number(values.rows)

const benchmarks = {
  transactions: onServer(transactions),
  fences: onServer(fences),
  emulation: Effect.scoped(Effect.flatMap(server, emulation)),
  persistence: Effect.scoped(Effect.flatMap(server, persistence)),
  growth: Effect.scoped(Effect.flatMap(server, (postgres) => growth(postgres, rows))),
  contention,
  queue: Effect.scoped(Effect.flatMap(server, queues)),
  cluster: Effect.scoped(Effect.flatMap(server, clusters)),
  testing: freshDatabases,
  startup
}

/** What has a picture in `docs/performance.md`. */
const pictured: ReadonlyArray<keyof typeof benchmarks> = ["transactions", "fences", "contention"]

const isName = (name: string): name is keyof typeof benchmarks => name in benchmarks
const unknown = asked.find((name) => !isName(name))
const all = values.chart ? pictured : Object.keys(benchmarks).filter(isName)
const names = asked.length === 0 ? all : asked.filter(isName)

const list = Object.keys(benchmarks).join(", ")

/** Why nothing is run. */
const objection = (): string | undefined => {
  if (Result.isFailure(parsed)) return parsed.failure
  if (!Number.isInteger(rows) || rows < 1) return `--rows ${values.rows}: it takes a whole number above 0`
  return unknown === undefined ? undefined : `no benchmark ${unknown}: there are ${list}`
}

const refused = objection()

if (values.help === true) {
  process.stdout.write(
    `pnpm bench [name…] [--rows N] [--chart]: the toolkit beside what it replaces; all benchmarks, or some of ${list}; --chart draws the pictures of docs/performance.md\n`
  )
} else if (refused === undefined) {
  const run = Effect.forEach(names, (name) => benchmarks[name], { discard: true })
  NodeRuntime.runMain(Effect.provideService(run, Charts.Wanted, values.chart))
} else {
  process.stderr.write(`${refused}\n`)
  process.exitCode = 2
}

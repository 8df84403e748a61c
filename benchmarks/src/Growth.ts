/**
 * What each operation of each store costs with ever more rows around it, in the same shard, namespace, queue or branch:
 * time and rows read, on connections that are new, before and after the server has looked at the tables.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator, type Postgres } from "@effect-dsql/emulator"
import { Persistence } from "@effect-dsql/persistence"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { Clock, Console, Effect, Layer, type Redacted } from "effect"
import { everyOperation, type Readied } from "../../packages/persistence/test/support/everyOperation.ts"
import { fill, growing, owners } from "../../packages/persistence/test/support/filled.ts"
import * as Plans from "../../test/plans.ts"
import { median } from "./Compare.ts"
import { draining, runsOf } from "./Draining.ts"

/** Rows around an operation, in each table. */
const sizes = [1_000, 30_000, 1_000_000]

/** How often an operation is timed, fewer than a connection plans for the parameters of. */
const times = 3

/** What an operation cost. */
interface Cost {
  readonly millis: number
  readonly rows: number
}

type Costs = ReadonlyMap<string, Cost>

/** A migrated database of its own with so many rows around; the server that only the emulator migrates is beneath. */
const filled = Effect.fnUntraced(function* (server: Postgres.Postgres, emulator: Emulator.Emulator, rows: number) {
  const name = `growth_${rows}`
  yield* emulator.createDatabase(name)
  yield* Effect.gen(function* () {
    yield* (yield* Migrator.Migrator).setup({ source: yield* SchemaSource.builtIn() })
  }).pipe(
    Effect.provide(Migrator.layer.pipe(Layer.provide(DsqlClient.layerUrl({ url: emulator.url(name) })))),
    Effect.provide(NodeServices.layer)
  )
  const url = server.url(name)
  const start = yield* Clock.currentTimeMillis
  yield* Effect.gen(function* () {
    yield* owners
    const { sql } = yield* DsqlClient.DsqlClient
    yield* Effect.forEach(growing, (table) => fill(sql, 2, rows, [table]), { concurrency: 2, discard: true })
  }).pipe(Effect.provide(Persistence.layer.pipe(Layer.provideMerge(DsqlClient.layerUrl({ url })))))
  const seconds = ((yield* Clock.currentTimeMillis) - start) / 1000
  yield* Console.log(`${rows.toLocaleString("en-US")} rows in each of ${growing.size} tables: ${seconds.toFixed(1)} s`)
  return url
})

/** Runs something with stores of its own, as a process that has just begun. */
const anew = <A, E>(
  url: Redacted.Redacted,
  run: Effect.Effect<A, E, Persistence.Persistence | DsqlClient.DsqlClient>
) => Effect.provide(run, Layer.fresh(Persistence.layer).pipe(Layer.provideMerge(DsqlClient.layerUrl({ url }))))

const timed = (readied: Readied) =>
  Effect.gen(function* () {
    const operation = yield* readied
    const start = yield* Clock.monotonicTimeNanos
    yield* operation
    return Number((yield* Clock.monotonicTimeNanos) - start) / 1e6
  })

/** Operations after which rows are missing, at the front. */
const isDeletion = (name: string): boolean => /\.delete(Expired|Messages|Range|Tasks)$/.test(name)

/** Puts the first rows back that a deletion took. */
const refilled = (name: string, readied: Readied, rows: number): Readied =>
  isDeletion(name)
    ? Effect.andThen(
        Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => fill(sql, 2, Math.min(rows, 1_000))),
        readied
      )
    : readied

const cost = Effect.fnUntraced(function* (url: Redacted.Redacted, listener: Plans.Listener, readied: Readied) {
  const millis = median(yield* anew(url, Effect.replicateEffect(timed(readied), times)))
  const rows = yield* anew(
    listener.url,
    Effect.gen(function* () {
      const operation = yield* readied
      listener.take()
      yield* operation
      return listener.take().reduce((sum, { root }) => sum + Plans.scanned(root), 0)
    })
  )
  return { millis, rows }
})

const costs = (url: Redacted.Redacted, rows: number) =>
  Effect.gen(function* () {
    const listener = yield* Plans.listen(url, "force_custom_plan")
    const found = new Map<string, Cost>()
    for (const [name, readied] of everyOperation) {
      found.set(name, yield* cost(url, listener, refilled(name, readied, rows)))
    }
    return found as Costs
  }).pipe(Effect.scoped)

const cell = ({ millis, rows }: Cost) => `${millis.toFixed(2).padStart(10)}${rows.toLocaleString("en-US").padStart(8)}`

const print = (title: string, columns: ReadonlyMap<number, Costs>) =>
  Effect.gen(function* () {
    const heads = [...columns.keys()].map((size) => size.toLocaleString("en-US").padStart(18)).join("")
    const units = [...columns.keys()].map(() => `${"ms".padStart(10)}${"rows".padStart(8)}`).join("")
    yield* Console.log(`\n${title}\n  ${"rows around".padEnd(40)}${heads}\n  ${"".padEnd(40)}${units}`)
    for (const [name] of everyOperation) {
      const cells = [...columns.values()].map((each) => cell(each.get(name) ?? { millis: Number.NaN, rows: 0 }))
      yield* Console.log(`  ${name.padEnd(40)}${cells.join("")}`)
    }
  })

/** Prints the table, for sizes up to one. */
export const growth = Effect.fnUntraced(function* (server: Postgres.Postgres, most = sizes.at(-1) ?? 0) {
  const emulator = yield* Emulator.make({ postgres: server, log: false, jobDelay: "20 millis" })
  const [before, after] = [new Map<number, Costs>(), new Map<number, Costs>()]
  for (const size of sizes.filter((size) => size <= most)) {
    const url = yield* filled(server, emulator, size)
    before.set(size, yield* costs(url, size))
    yield* anew(
      url,
      Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => sql`ANALYZE`)
    )
    after.set(size, yield* costs(url, size))
    yield* anew(url, draining(size))
    yield* anew(url, runsOf([1_000, 16_000, 64_000]))
  }
  yield* print("Nothing is known of the tables", before)
  yield* print("The tables are analysed", after)
})

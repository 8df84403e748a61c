/**
 * Jobs per second of the queue on an emulated Aurora DSQL, beside Effect's own store, graphile-worker and pg-boss on the
 * plain PostgreSQL beneath it: workers in several processes, all of them 2 ms away from their server.
 *
 * Each round fills every queue and times how long the workers take for its jobs, which do nothing: it is the queue that
 * is measured. A statement costs more through the emulator than on the server beneath it, and the processes
 * share the machine with both, so what is compared is rather what each of them asks of its server.
 */
import { DsqlClient } from "@effect-dsql/core"
import type { Postgres } from "@effect-dsql/emulator"
import { Migrator, SchemaSource } from "@effect-dsql/schema"
import { NodeServices } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { type ChildProcess as Child, fork } from "node:child_process"
import { on } from "node:events"
import { fileURLToPath } from "node:url"
import { median } from "./Compare.ts"
import { emulatorBefore } from "./EmulatorBefore.ts"
import { latencyProxy } from "./LatencyProxy.ts"
import * as QueueFills from "./QueueFills.ts"
import type { Order } from "./QueueProcess.ts"
import { type Contender, dsql, starts } from "./QueueWorkers.ts"

/** How many workers there are in all, in how many processes, and how many jobs they do. */
const sizes = [
  { workers: 1, processes: 1, jobs: 150 },
  { workers: 4, processes: 2, jobs: 500 },
  { workers: 16, processes: 4, jobs: 2_000 },
  { workers: 64, processes: 4, jobs: 4_000 }
]

const rounds = 3

const millisAway = 2

/** The first is what the others are measured against. */
const contenders = Object.keys(starts).filter((name): name is Contender => name in starts)

export const queues = Effect.fnUntraced(function* (server: Postgres.Postgres) {
  const emulator = yield* emulated(server)
  const plain = yield* QueueFills.pool(Redacted.value(server.url()))
  for (const contender of contenders) {
    // The emulator has made its own.
    if (contender === dsql) continue
    yield* Effect.promise(() => plain.query(`CREATE DATABASE ${QueueFills.databases[contender]}`))
  }
  const fills = yield* QueueFills.make((database) => Redacted.value(server.url(database)))
  const far = {
    emulator: yield* latencyProxy({ host: "127.0.0.1", port: Number(new URL(emulator).port) }, millisAway),
    plain: yield* latencyProxy(server, millisAway)
  }
  const urlOf = (contender: Contender) => {
    const near = contender === dsql ? emulator : Redacted.value(server.url(QueueFills.databases[contender]))
    const { port } = contender === dsql ? far.emulator : far.plain
    return Object.assign(new URL(near), { hostname: "127.0.0.1", port: String(port) }).href
  }
  for (const { jobs, processes: count, workers } of sizes) {
    const rates = new Map(contenders.map((contender) => [contender, Array<number>()]))
    const measured = Effect.gen(function* () {
      const processes = yield* Effect.replicateEffect(workerProcess, count)
      for (let round = 0; round < rounds; round++) {
        for (let turn = 0; turn < contenders.length; turn++) {
          const contender = contenders[(round + turn) % contenders.length]
          if (contender === undefined) continue
          yield* fills[contender](jobs)
          const order = { contender, url: urlOf(contender), workers: workers / count }
          rates.get(contender)?.push(yield* Effect.promise(() => drain(processes, order, jobs)))
        }
      }
    })
    yield* Effect.scoped(measured)
    yield* report(`${workers} workers in ${count} processes, ${rounds} rounds of ${jobs} jobs`, rates)
  }
}, Effect.scoped)

/** An emulator before the server, and a database in it with the store's tables; its URL. */
const emulated = (server: Postgres.Postgres) =>
  Effect.gen(function* () {
    const url = yield* emulatorBefore(server)
    const source = yield* SchemaSource.builtIn("dsql/storage")
    yield* Effect.flatMap(Migrator.Migrator, (migrator) => migrator.setup({ source })).pipe(
      Effect.provide(Migrator.layer.pipe(Layer.provide(DsqlClient.layerUrl({ url: Redacted.make(url) }))))
    )
    return url
  }).pipe(Effect.provide(NodeServices.layer))

const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const workerProcess = Effect.acquireRelease(
  Effect.promise(async () => {
    const child = fork(fileOf("./QueueProcess.ts"))
    await said(child, "ready")
    return child
  }),
  (child) => Effect.sync(() => child.kill())
)

/** Waits until a process says a word. */
const said = async (child: Child, word: string) => {
  for await (const [message] of on(child, "message")) if (message === word) return
}

/** Jobs per second, from the first ones on: what it takes to start is not measured. */
const drain = async (processes: ReadonlyArray<Child>, order: Order, jobs: number) => {
  let first: { readonly at: number; readonly left: number } | undefined
  let left = jobs
  await new Promise<void>((resolve) => {
    for (const child of processes) {
      child.on("message", (message) => {
        if (typeof message !== "number") return
        left -= message
        first ??= { at: performance.now(), left }
        if (left <= 0) resolve()
      })
      child.send(order)
    }
  })
  const rate = first === undefined ? Number.NaN : (1_000 * first.left) / (performance.now() - first.at)
  await Promise.all(
    processes.map((child) => {
      child.removeAllListeners("message")
      const stopped = said(child, "stopped")
      child.send("stop")
      return stopped
    })
  )
  return rate
}

/** Prints medians, and the medians of the ratios of one round. */
const report = Effect.fnUntraced(function* (title: string, rates: ReadonlyMap<Contender, ReadonlyArray<number>>) {
  const baseline = rates.get(dsql) ?? []
  yield* Console.log(`\n${title}`)
  yield* Console.log(`  ${"".padEnd(44)}${"jobs per second".padStart(16)}${"ratio".padStart(8)}`)
  for (const [name, measured] of rates) {
    const ratio = median(measured.map((rate, round) => rate / (baseline[round] ?? rate)))
    yield* Console.log(`  ${name.padEnd(44)}${median(measured).toFixed(0).padStart(16)}${ratio.toFixed(2).padStart(8)}`)
  }
})

/**
 * What the emulator costs: the same statements through it, on the bare server beneath it, and through a process that
 * only forwards bytes, which is as near to the server as a process before it can come; and whether anybody waits for a
 * transaction that is idle on a row of his.
 */
import type { Postgres } from "@effect-dsql/emulator"
import { Server } from "@effect-dsql/testing"
import { NodeServices } from "@effect/platform-node"
import { Clock, Console, Effect, Redacted, Stream } from "effect"
import { ChildProcess, type ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import pg from "pg"
import { compare } from "./Compare.ts"

const clients = 4
const rows = 10_000

const pool = (url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new pg.Pool({ connectionString: url, max: clients })),
    (pool) => Effect.promise(() => pool.end())
  )

const query = (pool: pg.Pool, name: string, text: string, values: () => ReadonlyArray<unknown>) =>
  Effect.promise(() => pool.query({ name, text, values: [...values()] }))

/** The work that is compared, on one of the two. */
const workloads = (name: string, on: pg.Pool) => {
  let next = rows
  // One after the other, so that nobody meets anybody else's row.
  const anyRow = () => [(++next % rows) + 1]
  return {
    select: { name, once: query(on, "select", "SELECT n FROM bench_rows WHERE id = $1", anyRow) },
    insert: {
      name,
      once: query(on, "insert", `INSERT INTO bench_new (id, origin) VALUES ($1, '${name}')`, () => [++next])
    },
    update: { name, once: query(on, "update", "UPDATE bench_rows SET n = n + 1 WHERE id = $1", anyRow) },
    transaction: {
      name,
      once: Effect.promise(async () => {
        const client = await on.connect()
        try {
          await client.query("BEGIN")
          const id = anyRow()
          await client.query({ name: "lock", text: "SELECT n FROM bench_rows WHERE id = $1 FOR UPDATE", values: id })
          await client.query({ name: "set", text: "UPDATE bench_rows SET n = n + 1 WHERE id = $1", values: id })
          await client.query("COMMIT")
        } finally {
          client.release()
        }
      })
    }
  }
}

const schema = [
  "CREATE TABLE bench_rows (id integer PRIMARY KEY, n integer NOT NULL)",
  "CREATE TABLE bench_new (id integer, origin text, PRIMARY KEY (id, origin))"
]

/** Milliseconds of an update, alone and while another transaction is idle on its row. */
const waiting = (through: pg.Pool) =>
  Effect.gen(function* () {
    const measured = (id: number) =>
      Effect.gen(function* () {
        const start = yield* Clock.monotonicTimeNanos
        yield* Effect.ignore(
          Effect.tryPromise(() => through.query("UPDATE bench_rows SET n = n + 1 WHERE id = $1", [id]))
        )
        return Number((yield* Clock.monotonicTimeNanos) - start) / 1e6
      })
    const idle = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const client = await through.connect()
        await client.query("BEGIN")
        await client.query("UPDATE bench_rows SET n = n + 1 WHERE id = 1")
        return client
      }),
      (client) => Effect.promise(() => client.query("ROLLBACK").finally(() => client.release()))
    )
    const alone = yield* Effect.replicateEffect(measured(2), 50)
    const contended: Array<number> = []
    for (let round = 0; round < 50; round++) {
      contended.push(yield* measured(1))
      // The idle one takes its row back, so that the next one meets it again.
      yield* Effect.ignore(Effect.tryPromise(() => idle.query("SELECT 1")))
    }
    const median = (times: ReadonlyArray<number>) => times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN
    yield* Console.log("\nAn update through the emulator, median of 50")
    yield* Console.log(`  nobody else on its row              ${median(alone).toFixed(1)} ms`)
    yield* Console.log(`  an idle transaction has changed it  ${median(contended).toFixed(1)} ms`)
  }).pipe(Effect.scoped)

const firstLine = ({ stdout }: ChildProcessSpawner.ChildProcessHandle) =>
  stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runHead,
    Effect.flatMap((line) => Effect.fromOption(line))
  )

export const emulation = (server: Postgres.Postgres) =>
  Effect.gen(function* () {
    const emulator = yield* ChildProcess.make(
      process.execPath,
      [fileURLToPath(new URL("./EmulatorProcess.ts", import.meta.url))],
      { env: { BENCH_POSTGRES: Server.toUrl(server).href }, extendEnv: true, stderr: "inherit" }
    )
    const through = yield* firstLine(emulator)
    const forwarder = yield* ChildProcess.make(process.execPath, [
      fileURLToPath(new URL("./ForwardingProcess.ts", import.meta.url)),
      String(server.port)
    ])
    const setUp = yield* pool(through.replace("/bench", "/postgres"))
    yield* Effect.promise(() => setUp.query(`CALL emulator.control('{"createDatabase": {"name": "bench"}}')`))
    const bareUrl = new URL(Redacted.value(server.url("bench")))
    const forwardedUrl = new URL(bareUrl)
    forwardedUrl.port = yield* firstLine(forwarder)
    const emulated = yield* pool(through)
    const bare = yield* pool(bareUrl.href)
    for (const statement of schema) yield* Effect.promise(() => emulated.query(statement))
    yield* Effect.promise(() =>
      bare.query(`INSERT INTO bench_rows SELECT id, 0 FROM generate_series(1, ${rows}) AS id`)
    )
    const below = workloads("bare server", bare)
    const between = workloads("through a process that forwards", yield* pool(forwardedUrl.href))
    const above = workloads("through the emulator", emulated)
    for (const kind of ["select", "insert", "update", "transaction"] as const) {
      yield* compare(`${kind}`, [below[kind], between[kind], above[kind]], {
        operations: 400,
        rounds: 15,
        concurrency: clients
      })
    }
    yield* waiting(emulated)
  }).pipe(Effect.provide(NodeServices.layer))

/**
 * A migrator's process that is killed with SIGKILL after every single step that it takes on the emulated Aurora DSQL:
 * the next run ends where an undisturbed one does.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { sharedPostgres } from "../../../test/postgres.ts"
import { rows } from "./support/database.ts"
import { everything, kinds } from "./support/kinds.ts"
import * as Proxy from "./support/proxy.ts"
import { version } from "./support/schemas.ts"
import type { Order } from "./support/process.ts"

/** Migrators that one process runs, each on a database of its own, and that die with it. */
const together = 6

/** A statement that only reads leaves the server as it was, so to be killed after it is to be killed before the next. */
const writes = (sql: string) => !/^(BEGIN|SELECT|WITH c AS|WITH n AS)/.test(sql.trimStart())

/**
 * Runs a migrator on each database, in one process that is killed when each has taken as many steps as are named for it
 * and hears of no other. Gives those steps; undefined for one that ended before.
 */
const killed = (port: number, work: Omit<Order, "url">, after: ReadonlyMap<string, number>) =>
  Effect.gen(function* () {
    const child = spawn(process.execPath, [join(import.meta.dirname, "support", "process.ts")], {
      stdio: ["pipe", "pipe", "pipe"]
    })
    const ended = new Promise((resolve) => child.once("close", (_, signal) => resolve(signal)))
    const said: Array<string> = []
    child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()))
    const over = new Map<string, () => void>()
    createInterface({ input: child.stdout }).on("line", (url) => over.get(url)?.())
    const steps = yield* Effect.forEach(
      after,
      ([database, n]) =>
        Effect.gen(function* () {
          const proxy = yield* Proxy.make(port, n, writes)
          const order: Order = { url: `postgres://admin@127.0.0.1:${proxy.port}/${database}`, ...work }
          over.set(order.url, proxy.over)
          void ended.then(proxy.over)
          child.stdin.write(`${JSON.stringify(order)}\n`)
          return yield* Effect.promise(() => proxy.stopped)
        }),
      { concurrency: "unbounded" }
    )
    child.kill("SIGKILL")
    assert.strictEqual(yield* Effect.promise(() => ended), "SIGKILL", said.join(""))
    return steps
  }).pipe(Effect.scoped)

describe("a migrator's process", () => {
  it.live.each(["setup", "update"] as ReadonlyArray<Order["command"]>)(
    "may be killed after any step, and the next one ends where an undisturbed one ends: %s",
    (command) =>
      Effect.gen(function* () {
        const emulator = yield* Emulator.make({ postgres: sharedPostgres(), jobDelay: 0, log: false })
        const source = yield* kinds
        const url = (name: string) => Redacted.value(emulator.url(name))
        const run = (order: Order["command"]) =>
          Effect.flatMap(Migrator.Migrator, (migrator) =>
            order === "setup" ? migrator.setup({ source, version: version("1.0") }) : migrator.update({ source })
          )
        const on = <A, E>(name: string, use: Effect.Effect<A, E, DsqlClient.DsqlClient | Migrator.Migrator>) =>
          Effect.provide(
            use,
            Layer.provideMerge(
              Migrator.layer,
              DsqlClient.layerUrl({ url: Redacted.make(url(name)), maxConnections: 2 })
            )
          )
        const name = (suffix: string | number) => `kill_${process.pid}_${command}_${suffix}`
        yield* emulator.createDatabase(name("before"))
        if (command === "update") yield* on(name("before"), run("setup"))
        yield* emulator.createDatabase(name("expected"), name("before"))
        const expected = yield* on(name("expected"), Effect.andThen(run(command), everything))
        const work = { command, source, version: version(command === "setup" ? "1.0" : "1.1") }
        const steps: Array<string> = []
        for (let isOver = false; !isOver;) {
          const first = steps.length + 1
          const after = new Map(Array.from({ length: together }, (_, i) => [name(first + i), first + i]))
          for (const database of after.keys()) yield* emulator.createDatabase(database, name("before"))
          const taken = yield* killed(emulator.port, work, after)
          yield* Effect.forEach(
            after,
            ([database, n], i) =>
              on(
                database,
                Effect.gen(function* () {
                  // The lease of the dead would last for a while yet; the database's clock is moved on.
                  yield* Effect.ignore(rows("UPDATE schema_lease SET expires_at = now()"))
                  yield* run(command)
                  assert.deepStrictEqual(yield* everything, expected, `killed after ${n}: ${taken[i]}`)
                })
              ).pipe(Effect.ensuring(Effect.ignore(emulator.dropDatabase(database)))),
            { concurrency: "unbounded" }
          )
          steps.push(...taken.filter((step) => step !== undefined))
          isOver = taken.includes(undefined)
        }
        yield* Effect.log(`${command}: killed after each of ${steps.length} steps`)
        assert.isAbove(steps.length, 15)
        assert.isAbove(steps.filter((step) => step === "COMMIT").length, 3)
      }),
    { timeout: 600_000 }
  )
})

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
import { sharedPostgres } from "../../../test/postgres.ts"
import * as Proxy from "../../../test/proxy.ts"
import { rows } from "./support/database.ts"
import { everything, kinds } from "./support/kinds.ts"
import { version } from "./support/schemas.ts"
import type { Order } from "./support/process.ts"

/** Processes at once. */
const together = 6

/** A statement that only reads leaves the server as it was, so to be killed after it is to be killed before the next. */
const writes = (sql: string) => !/^(BEGIN|SELECT|WITH c AS|WITH n AS)/.test(sql.trimStart())

/** Runs an order in a process that is killed after its nth step. Gives the step; undefined where it ended before. */
const killed = (work: Order, n: number) =>
  Effect.gen(function* () {
    const proxy = yield* Proxy.make(Redacted.make(work.url))
    let steps = 0
    const stopped = yield* proxy.silence((sql) => writes(sql) && ++steps === n)
    const child = spawn(process.execPath, [join(import.meta.dirname, "support", "process.ts")], {
      stdio: ["pipe", "ignore", "pipe"]
    })
    const said: Array<string> = []
    child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()))
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)))
    const order: Order = { ...work, url: Redacted.value(proxy.url) }
    child.stdin.write(`${JSON.stringify(order)}\n`)
    const step = yield* Effect.raceFirst(
      stopped,
      Effect.as(
        Effect.promise(() => ended),
        undefined
      )
    )
    child.kill("SIGKILL")
    const code = yield* Effect.promise(() => ended)
    if (step === undefined) assert.strictEqual(code, 0, said.join(""))
    return step
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
        const steps: Array<string> = []
        const at = (n: number) =>
          Effect.gen(function* () {
            yield* emulator.createDatabase(name(n), name("before"))
            const step = yield* killed(
              { url: url(name(n)), command, source, version: version(command === "setup" ? "1.0" : "1.1") },
              n
            )
            yield* on(
              name(n),
              Effect.gen(function* () {
                // The lease of the dead would last for a while yet; the database's clock is moved on.
                yield* Effect.ignore(rows("UPDATE schema_lease SET expires_at = now()"))
                yield* run(command)
                assert.deepStrictEqual(yield* everything, expected, `killed after ${n}: ${step}`)
              })
            )
            yield* emulator.dropDatabase(name(n))
            if (step !== undefined) steps.push(step)
            return step !== undefined
          })
        for (let n = 1, reached = true; reached; n += together) {
          const batch = Array.from({ length: together }, (_, i) => n + i)
          reached = (yield* Effect.forEach(batch, at, { concurrency: together })).every((is) => is)
        }
        yield* Effect.log(`${command}: a process was killed after each of ${steps.length} steps`)
        assert.isAbove(steps.length, 15)
        assert.isAbove(steps.filter((step) => step === "COMMIT").length, 3)
      }),
    { timeout: 600_000 }
  )
})

/**
 * A migrator that is gone after every single step that it takes on the emulated Aurora DSQL: the next run ends where an
 * undisturbed one does. That a process which is killed leaves what a client leaves that falls silent is seen at a few of
 * the steps, and the others are taken by such clients.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { sharedPostgres } from "../../../test/postgres.ts"
import { rows } from "./support/database.ts"
import * as Gone from "./support/gone.ts"
import { everything, kinds } from "./support/kinds.ts"
import { atEveryPoint } from "./support/points.ts"
import type { Order } from "./support/process.ts"
import { version } from "./support/schemas.ts"

const client = (url: Redacted.Redacted) =>
  Layer.provideMerge(Migrator.layer, DsqlClient.layerUrl({ url, maxConnections: 2 }))

const carryOut = ({ command, source, version }: Order) =>
  Effect.flatMap(Migrator.Migrator, (migrator) => migrator[command]({ source, version }))

/** Carries out an order, as a client of its own. */
const obeyed = (order: Order) => Effect.provide(carryOut(order), client(Redacted.make(order.url)))

/** The order is carried out by a client that falls silent. */
const vanished = (work: Order, after: Parameters<typeof Gone.vanished>[1]) =>
  Gone.vanished(Redacted.make(work.url), after, (url) => obeyed({ ...work, url: Redacted.value(url) }))

/** The same by a process, which is killed. */
const killed = (work: Order, after: Parameters<typeof Gone.vanished>[1]) =>
  Gone.silenced(Redacted.make(work.url), after, (url) =>
    Effect.callback<void>((resume) => {
      const child = spawn(process.execPath, [join(import.meta.dirname, "support", "process.ts")], {
        stdio: ["pipe", "ignore", "pipe"]
      })
      const said: Array<string> = []
      child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()))
      const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)))
      ended.then((code) => resume(code === 0 ? Effect.void : Effect.die(said.join(""))))
      child.stdin.write(`${JSON.stringify({ ...work, url: Redacted.value(url) })}\n`)
      return Effect.promise(() => (child.kill("SIGKILL"), ended))
    })
  )

/** Where orders are carried out, each on a database of its own which is as it was before. */
const laboratory = Effect.fnUntraced(function* (command: Order["command"]) {
  const emulator = yield* Emulator.make({ postgres: sharedPostgres(), jobDelay: 0, log: false })
  const source = yield* kinds
  const order = (name: string, command: Order["command"]): Order => ({
    url: Redacted.value(emulator.url(name)),
    command,
    source,
    version: version(command === "setup" ? "1.0" : "1.1")
  })
  const make = (template?: string) =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const name = `kill_${randomUUID().replaceAll("-", "")}`
        return Effect.as(emulator.createDatabase(name, template), name)
      }),
      (name) => Effect.ignore(emulator.dropDatabase(name))
    )
  const before = yield* make()
  // What the emulator adds to a database that somebody connects to, its copies have.
  yield* command === "update"
    ? obeyed(order(before, "setup"))
    : Effect.provide(rows("SELECT 1"), client(emulator.url(before)))
  return Effect.map(make(before), (name) => ({
    order: order(name, command),
    on: Effect.provide(client(emulator.url(name)))
  }))
})

describe("a migrator", () => {
  it.live.each(["setup", "update"] as ReadonlyArray<Order["command"]>)(
    "may be gone after any step, and the next one ends where an undisturbed one ends: %s",
    (command) =>
      Effect.gen(function* () {
        const database = yield* laboratory(command)
        const undisturbed = yield* database
        const several = yield* Gone.stepsOf(Redacted.make(undisturbed.order.url), (url) =>
          obeyed({ ...undisturbed.order, url: Redacted.value(url) })
        )
        const expected = yield* undisturbed.on(everything)
        const steps: Array<string> = []
        const at = (n: number) =>
          Effect.gen(function* () {
            const { on, order } = yield* database
            const step = yield* vanished(order, Gone.nth(n, Gone.isStep()))
            if (step !== undefined) steps.push(step)
            const found = yield* on(
              Effect.gen(function* () {
                // The lease of the dead would last for a while yet; the database's clock is moved on.
                yield* Effect.ignore(rows("UPDATE schema_lease SET expires_at = now()"))
                yield* carryOut(order)
                return yield* everything
              })
            )
            assert.deepStrictEqual(found, expected, `gone after ${n}: ${step}`)
            return step !== undefined
          }).pipe(Effect.scoped)
        const points = yield* atEveryPoint(Effect.succeed(at), several)
        yield* Effect.log(`${command}: a migrator was gone after each of ${points} steps`)
        assert.isAbove(points, 15)
        assert.isAbove(steps.filter((step) => step === "COMMIT").length, 3)
      })
  )

  it.live("leaves when its process is killed what it leaves when it falls silent", () =>
    Effect.gen(function* () {
      const database = yield* laboratory("update")
      const left = Effect.fnUntraced(function* (gone: typeof killed | typeof vanished, n: number) {
        const { on, order } = yield* database
        // How often a lease is renewed is the clock's choice, so it is COMMITs that are counted.
        const step = yield* gone(
          order,
          Gone.nth(n, (sql) => sql === "COMMIT")
        )
        return { step, ...(yield* on(everything)) }
      }, Effect.scoped)
      for (const n of [2, 3, 4]) {
        const bySilence = yield* left(vanished, n)
        assert.strictEqual(bySilence.step, "COMMIT")
        assert.deepStrictEqual(yield* left(killed, n), bySilence)
      }
    })
  )
})

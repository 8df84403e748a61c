/**
 * A connection that is cut at every single step, on the emulated Aurora DSQL: the next run ends where an undisturbed
 * one does.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { randomUUID } from "node:crypto"
import { BriefLifetime } from "../../../test/lifetime.ts"
import { sharedPostgres } from "../../../test/postgres.ts"
import { everything, kinds } from "./support/kinds.ts"
import { atEveryPoint } from "./support/points.ts"
import { version } from "./support/schemas.ts"

const commands = ["setup", "update"] as const

const faults = [
  { on: "statement", fault: "cut" },
  { on: "commit", fault: "cut" },
  { on: "commit", fault: "cut-after" }
] as const

/** An emulator where databases are made, and worked on by clients whose connections have a label. */
const laboratory = Effect.gen(function* () {
  const emulator = yield* Emulator.make({ postgres: sharedPostgres(), jobDelay: 0 })
  const source = yield* kinds
  /** A new database, for as long as the scope is open. */
  const database = (template?: string) =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const name = `crash_${randomUUID().replaceAll("-", "")}`
        return Effect.as(emulator.createDatabase(name, template), name)
      }),
      (name) => Effect.ignore(emulator.dropDatabase(name))
    )
  const on = (name: string, label: string) => {
    const client = DsqlClient.layerUrl({ url: emulator.url(name), applicationName: label, maxConnections: 2 })
    return Effect.provide(Layer.provideMerge(Migrator.layer, client))
  }
  const run = (command: (typeof commands)[number]) =>
    Effect.flatMap(Migrator.Migrator, (migrator) =>
      command === "setup" ? migrator.setup({ source, version: version("1.0") }) : migrator.update({ source })
    )
  return { control: emulator.control, database, on, run }
})

describe("Migrator", () => {
  it.live.each(faults.flatMap(({ fault, on }) => commands.map((command) => [command, fault, on] as const)))(
    "ends where an undisturbed run ends, whichever step its connection is lost at: %s, %s at %s",
    ([command, fault, event]) =>
      Effect.gen(function* () {
        const { database, on, run } = yield* laboratory
        const before = yield* database()
        if (command === "update") yield* on(before, "before")(run("setup"))
        const undisturbed = yield* database(before)
        const expected = yield* on(undisturbed, "undisturbed")(Effect.andThen(run(command), everything))
        /** Cuts a run at its nth step, and runs again; gives whether it had as many. An emulator of its own counts the cuts. */
        const cutting = Effect.map(
          laboratory,
          ({ control, database, on, run }) =>
            (n: number) =>
              Effect.gen(function* () {
                const name = yield* database(before)
                const past = yield* control.happened
                yield* control.inject({ on: event, fault, nth: [n], label: name })
                const first = yield* on(name, name)(Effect.result(run(command)))
                yield* control.clear
                yield* Effect.gen(function* () {
                  if (first._tag === "Failure") yield* run(command)
                  assert.deepStrictEqual(yield* everything, expected, `${fault} at ${event} ${n}`)
                  assert.isFalse((yield* run(command)).changed, `${fault} at ${event} ${n}`)
                }).pipe(on(name, "next"))
                const kind = `${fault}@${event}`
                return (yield* control.happened)[kind] !== past[kind]
              }).pipe(Effect.scoped)
        )
        const points = yield* atEveryPoint(cutting)
        yield* Effect.log(`${command}: ${fault} at each of ${points} steps (${event})`)
        assert.isAbove(points, event === "statement" ? 30 : 15)
      }).pipe(Effect.provide(BriefLifetime)),
    { timeout: 900_000 }
  )
})

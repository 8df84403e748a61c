/**
 * A connection that is cut at every single step, on the emulated Aurora DSQL: the next run ends where an undisturbed
 * one does.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { sharedPostgres } from "../../../test/postgres.ts"
import { everything, kinds } from "./support/kinds.ts"
import { version } from "./support/schemas.ts"

const commands = ["setup", "update"] as const

const faults = [
  { on: "statement", fault: "cut" },
  { on: "commit", fault: "cut" },
  { on: "commit", fault: "cut-after" }
] as const

/** Where databases are made, each with a client of its own. */
const laboratory = Effect.gen(function* () {
  const emulator = yield* Emulator.make({ postgres: sharedPostgres(), jobDelay: 0 })
  const source = yield* kinds
  let made = 0
  /** Runs an effect on a new database; its connections have the database's name for a label. */
  const on = <A, E>(
    template: string | undefined,
    use: (label: string) => Effect.Effect<A, E, DsqlClient.DsqlClient | Migrator.Migrator>
  ) =>
    Effect.gen(function* () {
      const name = `crash_${process.pid}_${Date.now().toString(36)}_${made++}`
      yield* emulator.createDatabase(name, template)
      const client = DsqlClient.layerUrl({ url: emulator.url(name), applicationName: name, maxConnections: 2 })
      return yield* use(name).pipe(
        Effect.provide(Layer.provideMerge(Migrator.layer, client)),
        Effect.ensuring(template === undefined ? Effect.void : Effect.ignore(emulator.dropDatabase(name)))
      )
    })
  const run = (command: (typeof commands)[number]) =>
    Effect.flatMap(Migrator.Migrator, (migrator) =>
      command === "setup" ? migrator.setup({ source, version: version("1.0") }) : migrator.update({ source })
    )
  return { control: emulator.control, on, run }
})

describe("Migrator", () => {
  it.live.each(commands)(
    "ends where an undisturbed run ends, whenever its connection is cut: %s",
    (command) =>
      Effect.gen(function* () {
        const { control, on, run } = yield* laboratory
        const empty = yield* on(undefined, Effect.succeed)
        const before = command === "setup" ? empty : yield* on(undefined, (name) => Effect.as(run("setup"), name))
        const expected = yield* on(before, () => Effect.andThen(run(command), everything))
        let points = 0
        let failed = 0
        for (const { fault, on: event } of faults) {
          for (let n = 1, reached = true; reached; n++) {
            reached = yield* on(before, (label) =>
              Effect.gen(function* () {
                yield* control.inject({ on: event, fault, nth: [n], label })
                const first = yield* Effect.result(run(command))
                if (first._tag === "Failure") {
                  failed++
                  yield* run(command)
                }
                const { connections } = yield* control.counts(label)
                yield* control.clear
                // Two connections are enough for an undisturbed run; the one that was cut was replaced.
                const wasCut = connections > 2 || first._tag === "Failure"
                if (wasCut) points++
                assert.deepStrictEqual(yield* everything, expected, `${fault} at ${event} ${n}`)
                assert.isFalse((yield* run(command)).changed, `${fault} at ${event} ${n}`)
                return wasCut
              })
            )
          }
        }
        yield* Effect.log(
          `${command}: a connection was cut at ${points} points; ${failed} runs ended and were repeated`
        )
        assert.isAbove(points, 30)
      }),
    { timeout: 900_000 }
  )
})

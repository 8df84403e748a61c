/**
 * A connection that is cut at every single step, on the emulated Aurora DSQL: the next run ends where an undisturbed
 * one does.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { NothingLate } from "../../../test/lifetime.ts"
import { sharedPostgres } from "../../../test/postgres.ts"
import * as Proxy from "../../../test/proxy.ts"
import { rows } from "./support/database.ts"
import { everything, kinds } from "./support/kinds.ts"
import { atEveryPoint } from "./support/points.ts"
import { version } from "./support/schemas.ts"

const commands = ["setup", "update"] as const

/**
 * Where a connection is lost. A statement that is a transaction by itself is lost before it takes effect in one way
 * only, so of COMMIT's losses before its effect it is those of a block that are left.
 */
const losses = ["before a statement", "before the COMMIT of a block", "after the effect of a COMMIT"] as const

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
  const on = (url: Redacted.Redacted, label: string) => {
    const client = DsqlClient.layerUrl({ url, applicationName: label, maxConnections: 2 })
    return Effect.provide(Layer.provideMerge(Migrator.layer, client))
  }
  const run = (command: (typeof commands)[number]) =>
    Effect.flatMap(Migrator.Migrator, (migrator) =>
      command === "setup" ? migrator.setup({ source, version: version("1.0") }) : migrator.update({ source })
    )
  /** Loses the connection of a client with a label at the nth step; gives whether there was one, once the client is done. */
  const losing = Effect.fnUntraced(function* (loss: (typeof losses)[number], name: string, n: number) {
    const url = emulator.url(name)
    if (loss === "before the COMMIT of a block") {
      const proxy = yield* Proxy.make(url)
      let commits = 0
      yield* proxy.cut("request", (sql) => sql === "COMMIT" && ++commits === n)
      return { url: proxy.url, happened: Effect.sync(() => commits >= n) }
    }
    const { fault, on } =
      loss === "before a statement"
        ? ({ on: "statement", fault: "cut" } as const)
        : ({ on: "commit", fault: "cut-after" } as const)
    const count = Effect.map(emulator.control.happened, (happened) => happened[`${fault}@${on}`] ?? 0)
    const before = yield* count
    yield* emulator.control.inject({ on, fault, nth: [n], label: name })
    yield* Effect.addFinalizer(() => emulator.control.clear)
    return { url, happened: Effect.map(count, (after) => after > before) }
  })
  /** How often a client with a label could have lost its connection so. */
  const chances = (loss: (typeof losses)[number], label: string) =>
    Effect.gen(function* () {
      const { commits, statements } = yield* emulator.control.counts(label)
      if (loss !== "before the COMMIT of a block") return loss === "before a statement" ? statements : commits
      return (yield* emulator.control.statements(label)).filter(({ sql }) => sql === "COMMIT").length
    })
  return { chances, database, losing, on, run, url: emulator.url }
})

describe("a migrator", () => {
  it.live.each(losses.flatMap((loss) => commands.map((command) => [command, loss] as const)))(
    "ends where an undisturbed run ends, whichever step of a %s its connection is lost at, %s",
    ([command, loss]) =>
      Effect.gen(function* () {
        const { chances, database, on, run, url } = yield* laboratory
        const before = yield* database()
        // What the emulator adds to a database that somebody connects to, its copies have.
        if (command === "update") yield* on(url(before), "before")(run("setup"))
        else yield* on(url(before), "before")(rows("SELECT 1"))
        const undisturbed = yield* database(before)
        const { expected, several } = yield* on(
          url(undisturbed),
          "undisturbed"
        )(
          Effect.gen(function* () {
            yield* run(command)
            const several = yield* chances(loss, "undisturbed")
            const expected = yield* everything
            // Whoever comes to the same end leaves no more to do.
            assert.isFalse((yield* run(command)).changed)
            return { expected, several }
          })
        )
        /** Cuts a run at its nth step, and runs again; gives whether it had as many. An emulator of its own counts the cuts. */
        const cutting = Effect.map(
          laboratory,
          ({ database, losing, on, run, url }) =>
            (n: number) =>
              Effect.gen(function* () {
                const name = yield* database(before)
                const lossy = yield* losing(loss, name, n)
                const first = yield* on(lossy.url, name)(Effect.result(run(command)))
                yield* Effect.gen(function* () {
                  if (first._tag === "Failure") yield* run(command)
                  assert.deepStrictEqual(yield* everything, expected, `${loss} ${n}`)
                }).pipe(on(url(name), "next"))
                return yield* lossy.happened
              }).pipe(Effect.scoped)
        )
        const points = yield* atEveryPoint(cutting, several)
        yield* Effect.log(`${command}: the connection was lost ${loss}, at each of ${points}`)
        assert.isAbove(points, loss === "before a statement" ? 30 : loss === "before the COMMIT of a block" ? 3 : 15)
      }).pipe(Effect.provide(NothingLate))
  )
})

/**
 * A migration whose every write arrives after its outcome was settled: it has run once, whatever its migrator was told.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Emulator } from "@effect-dsql/emulator"
import { Migrator } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Exit, Layer, type Redacted } from "effect"
import { rows } from "../../packages/schema/test/support/database.ts"
import { everything } from "../../packages/schema/test/support/kinds.ts"
import { sourceOf, version } from "../../packages/schema/test/support/schemas.ts"
import { sharedPostgres } from "../../test/postgres.ts"
import * as Proxy from "../../test/proxy.ts"

const counted = sourceOf(
  `CREATE TABLE counts (id INTEGER PRIMARY KEY, n INTEGER);
   INSERT INTO counts (id, n) VALUES (1, 0);`,
  `UPDATE counts SET n = n + 1;
   ALTER TABLE counts ADD COLUMN extra INTEGER;
   INSERT INTO counts (id, n) SELECT max(id) + 1, 0 FROM counts;`
)

/** A statement that only reads changes nothing, whenever it comes. */
const writes = (sql: string) => !/^(BEGIN|ROLLBACK|SELECT)/.test(sql.trimStart())

const on = <A, E>(url: Redacted.Redacted, use: Effect.Effect<A, E, DsqlClient.DsqlClient | Migrator.Migrator>) =>
  Effect.provide(use, Layer.provideMerge(Migrator.layer, DsqlClient.layerUrl({ url, maxConnections: 2 })))

const update = Effect.flatMap(Migrator.Migrator, (migrator) =>
  Effect.flatMap(counted, (source) => migrator.update({ source }))
)

const left = Effect.all({ everything, counts: rows("SELECT * FROM counts ORDER BY id") })

describe("a migration", () => {
  it.live(
    "has run once, whichever of its writes came after its outcome was settled",
    () =>
      Effect.gen(function* () {
        const emulator = yield* Emulator.make({ postgres: sharedPostgres(), jobDelay: 0, log: false })
        const name = (suffix: string | number) => `late_${process.pid}_${suffix}`
        const setup = Effect.flatMap(Migrator.Migrator, (migrator) =>
          Effect.flatMap(counted, (source) => migrator.setup({ source, version: version("1.0") }))
        )
        yield* emulator.createDatabase(name("before"))
        yield* on(emulator.url(name("before")), setup)
        yield* emulator.createDatabase(name("after"), name("before"))
        const expected = yield* on(emulator.url(name("after")), Effect.andThen(update, left))

        /** Updates a database with its nth write late. Gives what was late and what was told; undefined without any. */
        const late = Effect.fnUntraced(function* (n: number) {
          yield* emulator.createDatabase(name(n), name("before"))
          const url = emulator.url(name(n))
          const proxy = yield* Proxy.make(url)
          let seen = 0
          let text = ""
          const message = yield* proxy.hold((sql) => {
            text = sql
            return writes(sql) && ++seen === n
          })
          const exit = yield* Effect.exit(on(proxy.url, update))
          const isLate = yield* message.arrive
          if (Exit.isSuccess(exit)) assert.deepStrictEqual(yield* on(url, left), expected, `${n}: ${text}`)
          // Who failed leaves its lease behind for a while.
          yield* on(url, Effect.andThen(rows("UPDATE schema_lease SET expires_at = now()"), update))
          assert.deepStrictEqual(yield* on(url, left), expected, `done again after ${n}: ${text}`)
          return isLate ? `${text.trim().split("\n")[0]}: ${exit._tag}` : undefined
        }, Effect.scoped)

        const told: Array<string> = []
        const together = 8
        for (let n = 1, isLate = true; isLate; n += together) {
          const each = Array.from({ length: together }, (_, index) => late(n + index))
          const some = yield* Effect.all(each, { concurrency: together })
          told.push(...some.filter((line) => line !== undefined))
          isLate = some.every((line) => line !== undefined)
        }
        yield* Console.log(told.join("\n"))
        assert.isAbove(told.length, 8)
      }),
    { timeout: 180_000 }
  )
})

/**
 * Processes that all make their storages at the same moment, on a database that has the tables and no row.
 */
import { DsqlClient } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import * as EveryStorage from "./support/everyStorage.ts"
import { Database } from "./support/storage.ts"

const starter = fileURLToPath(new URL("./support/starter.ts", import.meta.url))

/** Starts a process, and gives it once it is ready: told to, it writes, and gives what it says. */
const ready = async (url: string, number: number) => {
  const child = spawn(process.execPath, [starter], {
    env: { ...process.env, STARTER_URL: url, STARTER_NUMBER: String(number) },
    stdio: ["pipe", "pipe", "inherit"]
  })
  const ended = once(child, "exit")
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const said = async () => {
    const line = await lines.next()
    if (line.done === true) throw new Error(`process ${number} ended with ${String((await ended)[0])}`)
    return line.value
  }
  assert.strictEqual(await said(), "ready")
  return async (): Promise<EveryStorage.Written> => {
    child.stdin.end("now\n")
    const written: EveryStorage.Written = JSON.parse(await said())
    assert.deepStrictEqual(await ended, [0, null])
    return written
  }
}

const sorted = (list: ReadonlyArray<number | undefined>) => list.toSorted((a = 0, b = 0) => a - b)

layer(Database(), { excludeTestServices: true })("Processes", (it) => {
  it.effect("that start every storage at once lose nothing, do nothing twice, and are one server", () =>
    Effect.gen(function* () {
      yield* EveryStorage.ownTable
      const { sql } = yield* DsqlClient.DsqlClient
      const url = sql.config.url
      if (url === undefined) return assert.fail("the emulator is reached by a URL")
      const written = yield* Effect.promise(async () => {
        const told = await Promise.all(EveryStorage.numbers.map((number) => ready(Redacted.value(url), number)))
        return Promise.all(told.map((write) => write()))
      })
      const { numbers } = EveryStorage
      const ordinals = numbers.map((number) => number + 1)
      assert.deepStrictEqual(sorted(written.map(({ remaining }) => remaining)), numbers)
      assert.deepStrictEqual(sorted(written.flatMap(({ entry }) => entry)), ordinals)
      assert.deepStrictEqual(sorted(written.flatMap(({ batch }) => batch)), ordinals)
      assert.lengthOf([...new Set(written.flatMap(({ serverIds }) => serverIds))], 1)
      assert.lengthOf([...new Set(written.map(({ signingKey }) => signingKey))], 1)

      const stored = yield* Effect.provide(EveryStorage.stored, EveryStorage.layer)
      const persisted = [undefined, ...numbers.map((number) => ({ number }))]
      assert.deepStrictEqual(stored.keyValue, numbers.map(String))
      assert.deepStrictEqual(stored.persisted, [persisted, persisted])
      assert.deepStrictEqual(sorted(stored.jobs), numbers)
      assert.deepStrictEqual(sorted(stored.journal), numbers)
      assert.deepStrictEqual(sorted(stored.entries), numbers)
      assert.deepStrictEqual(sorted(stored.batches), numbers)
      const left = yield* sql`SELECT id FROM effect_queue WHERE state <> 'completed'`
      assert.deepStrictEqual(left, [])
    })
  )
})

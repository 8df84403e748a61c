/**
 * Many rows in one place: listed and deleted in the memory of a page, in statements that together read each row once or
 * twice, and where a process is killed over it, by the next one from there on. `BULK_ROWS=1000000` makes them a million.
 */
import { DsqlClient } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { NodeServices } from "@effect/platform-node"
import { fileURLToPath } from "node:url"
import { heldBytes } from "../../../test/heldBytes.ts"
import * as Plans from "../../../test/plans.ts"
import { fill } from "./support/filled.ts"
import { Filled, filledWith } from "./support/filledDatabase.ts"
import { hotRows, type Kind, size, tables } from "./support/hotRows.ts"

const rows = Number(process.env["BULK_ROWS"] ?? 10_000)

const names = Object.keys(tables) as ReadonlyArray<Kind> // The record has exactly these keys.

/** Runs something with stores of its own, and gives what it read beside. */
const reading = <A, E>(run: Effect.Effect<A, E, Persistence.Persistence | DsqlClient.DsqlClient>) =>
  Effect.gen(function* () {
    const { url } = yield* Filled
    const listener = yield* Plans.listen(url, "force_generic_plan")
    let read = 0
    let statements = 0
    // What is heard is added up as it comes: of a million rows it is much.
    const counting = Effect.sync(() => {
      for (const { root } of listener.take()) {
        read += Plans.scanned(root)
        statements += 1
      }
    })
    const live = Layer.fresh(Persistence.layer).pipe(Layer.provideMerge(DsqlClient.layerUrl({ url: listener.url })))
    const value = yield* Effect.provide(run, live)
    yield* counting
    return { value, read, statements }
  }).pipe(Effect.scoped)

const count = (table: string) =>
  Effect.gen(function* () {
    const { url } = yield* Filled
    const counted = Effect.flatMap(
      DsqlClient.DsqlClient,
      ({ sql }) => sql<{ readonly count: bigint }>`SELECT count(*) AS count FROM ${sql(table)}`
    )
    const [row] = yield* Effect.provide(counted, DsqlClient.layerUrl({ url }))
    return Number(row?.count)
  })

const refill = (table: string) =>
  Effect.gen(function* () {
    const { url } = yield* Filled
    const filling = Effect.flatMap(DsqlClient.DsqlClient, ({ sql }) => fill(sql, 0, rows - 1, [table]))
    yield* Effect.provide(filling, DsqlClient.layerUrl({ url }))
  })

/** Starts a worker, and gives the lines that it says until it has said so many, where it is killed, or has done. */
const worker = (env: Readonly<Record<string, string>>, lines: number) =>
  Effect.gen(function* () {
    const { url } = yield* Filled
    const script = fileURLToPath(new URL("./support/bulkWorker.ts", import.meta.url))
    const handle = yield* ChildProcess.make(process.execPath, [script], {
      env: { ...env, BULK_URL: Redacted.value(url) },
      extendEnv: true,
      // Whoever breaks the tests off breaks it off with them.
      detached: false,
      stderr: "inherit"
    })
    const said = yield* handle.stdout.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.take(lines),
      Stream.runCollect
    )
    yield* Effect.ignore(handle.kill({ killSignal: "SIGKILL" }))
    return said
  }).pipe(Effect.scoped)

layer(Layer.merge(filledWith(rows - 1, Object.values(tables)), NodeServices.layer), { excludeTestServices: true })(
  `${rows.toLocaleString("en-US")} rows in one place`,
  (it) => {
    for (const kind of names) {
      it.effect(`that are ${kind} are listed, each read once, and deleted, each read twice`, () =>
        Effect.gen(function* () {
          yield* refill(tables[kind])
          const all = yield* count(tables[kind])
          const listed = yield* reading(
            Effect.gen(function* () {
              const { stream } = (yield* hotRows)[kind]
              const before = heldBytes()
              let most = 0
              let pages = 0
              let found = 0
              yield* Stream.runForEachArray(stream, (page) =>
                Effect.sync(() => {
                  found += page.length
                  if (pages++ % 10 === 9) most = Math.max(most, heldBytes() - before)
                })
              )
              return { found, most }
            })
          )
          assert.strictEqual(listed.value.found, all)
          assert.isBelow(listed.value.most, 40 * 2 ** 20)
          // A page reads one row more than it gives, and of a named queue that it is there.
          assert.isAtMost(listed.read, all + 3 * listed.statements)
          const deleted = yield* reading(Effect.flatMap(hotRows, (found) => found[kind].remove(2 * rows)))
          // The last message that was sent is kept.
          assert.isAtMost(yield* count(tables[kind]), 1)
          assert.isAtMost(deleted.read, 2 * all + 10 * deleted.statements)
        })
      )
    }

    for (const kind of ["timers", "messages"] as const) {
      it.effect(
        `that are ${kind} are exported by a process that is killed, and by the one after it from there on`,
        () =>
          Effect.gen(function* () {
            yield* refill(tables[kind])
            const fs = yield* FileSystem.FileSystem
            const file = yield* fs.makeTempFileScoped()
            const said = yield* worker({ BULK_KIND: kind, BULK_FILE: file }, 3)
            const exported = (text: string) => text.split("\n").slice(0, -1)
            const before = exported(yield* fs.readFileString(file))
            assert.isAtLeast(before.length, 3 * size)
            assert.isBelow(before.length, rows)
            yield* worker({ BULK_KIND: kind, BULK_FILE: file, BULK_TOKEN: said.at(-1) ?? "" }, Number.POSITIVE_INFINITY)
            const after = exported(yield* fs.readFileString(file))
            // What was written behind the last token that was said comes again, a page at most if it was one.
            assert.strictEqual(new Set(after).size, yield* count(tables[kind]))
            assert.isAtMost(after.length - new Set(after).size, before.length - 3 * size)
          }).pipe(Effect.scoped)
      )
    }

    it.effect("are deleted by a process that is killed, and by the one after it from there on", () =>
      Effect.gen(function* () {
        yield* refill("timer_tasks")
        yield* worker({ BULK_KIND: "timers" }, 3)
        const left = yield* count("timer_tasks")
        assert.isAtMost(left, rows - 3 * size)
        assert.isAbove(left, 0)
        const rest = yield* reading(Effect.flatMap(hotRows, ({ timers }) => timers.remove(2 * rows)))
        assert.strictEqual(rest.value, left)
        assert.isAtMost(rest.read, 2 * left + 10 * rest.statements)
        assert.strictEqual(yield* count("timer_tasks"), 0)
      })
    )
  }
)

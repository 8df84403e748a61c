import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { TestConsole } from "effect/testing"
import { execFile, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as batch from "../src/batch.ts"
import * as fence from "../src/fence.ts"
import * as retry from "../src/retry.ts"
import { Tables } from "../src/tables.ts"
import * as unknownOutcome from "../src/unknown-outcome.ts"

/** What a program prints. */
const printed = <E, R>(program: Effect.Effect<void, E, R>) =>
  Effect.andThen(program, TestConsole.logLines).pipe(Effect.provide(TestConsole.layer))

layer(Tables.pipe(Layer.provideMerge(Testing.layer())), { excludeTestServices: true })("the example of", (it) => {
  it.effect("retrying counts both visits, one of them in a second attempt", () =>
    Effect.gen(function* () {
      const lines = yield* printed(retry.program)
      assert.sameMembers(lines.slice(0, 2), ["Ada, attempt 1: 1", "Bob, attempt 1: 1"])
      assert.match(String(lines[2]), /^(Ada|Bob), attempt 2: 2$/)
      assert.deepStrictEqual(lines.slice(3), ["counted 1 and 2"])
    })
  )

  it.effect("fences loses the race with a look, and wins it with a fence", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* printed(fence.program), [
        "with a look:  written by Ada, who leads no more",
        "with a fence: refused: leaders(name = reports).epoch: expected 1, but it is 2"
      ])
    })
  )

  it.effect("unknown outcomes is settled both ways by its look", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* printed(unknownOutcome.program), [
        "without verify:                 CommitOutcomeUnknown",
        "cut after COMMIT took effect:   committed",
        "cut before COMMIT took effect:  not committed, and never will be"
      ])
    })
  )

  it.effect("batches goes on where it stopped", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* printed(batch.program), [
        "loaded to 1000, then 2000, and stopped",
        "went on to 3000, then 4000",
        "deleted 1500 + 1500 + 1000"
      ])
    })
  )

  const hasPsycopg = spawnSync("python3", ["-c", "import psycopg"]).status === 0
  const clients = [
    ["JavaScript without Effect", process.execPath, "counter.js"],
    ["Python, where psycopg is installed", "python3", "counter.py"]
  ] as const
  for (const [language, program, file] of clients) {
    it.effect.skipIf(program === "python3" && !hasPsycopg)(`another language loses no visit in ${language}`, () =>
      Effect.gen(function* () {
        const { url } = yield* Testing.make()
        const path = fileURLToPath(new URL(`../another-language/${file}`, import.meta.url))
        const { stdout } = yield* Effect.promise(() => promisify(execFile)(program, [path, Redacted.value(url)]))
        assert.strictEqual(stdout, "20 of 20\n")
      }).pipe(Effect.scoped)
    )
  }
})

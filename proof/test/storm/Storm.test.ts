import { assert, describe, it } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Report from "../../src/storm/Report.ts"
import * as Storm from "../../src/storm/Storm.ts"
import { type Forecast, forecast, kinds } from "../../src/storm/Weather.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

const storm = (options: Partial<Storm.Options>, events?: ReadonlyArray<Forecast>) =>
  Storm.run({ ...Storm.standard, seed: String(Date.now()), workers: 3, ...options }, events).pipe(
    Effect.scoped,
    Effect.provide(NodeServices.layer)
  )

// A storm that does not end says so before the test is over.
describe("a storm", () => {
  it.live("leaves everything as the workers were told, whatever went wrong", () =>
    Effect.gen(function* () {
      const result = yield* storm({ seconds: 10 })
      // The seed is in the report.
      const report = Report.table(result)
      for (const kind of kinds) assert.isAbove(result.happened[kind] ?? 0, 0, `${kind}\n${report}`)
      for (const { early, late } of [result.growth.memory, result.growth.connections]) {
        assert.isAbove(Math.min(early, late), 0, report)
      }
      for (const [deed, { Applied }] of Report.outcomes(result)) assert.isAbove(Applied, 0, `${deed}\n${report}`)
      assert.isTrue(Report.holds(result), report)
    })
  )

  it.live("finds what those write who do not own any more, where they do not hold their shard", () =>
    Effect.gen(function* () {
      // The runner is stopped after it has looked whether a step is done, and woken when another one has done it.
      const stopped: Forecast = { at: 0, event: { _tag: "StopRunner", runner: 0, inStep: true } }
      const result = yield* storm({ seconds: 4, shards: 1, fenced: false }, [stopped])
      const broken = result.checks.filter((check) => check.broken.length > 0).map(({ promise }) => promise)
      assert.deepStrictEqual(
        broken,
        [
          "no write has an older token than the newest",
          "each activity's effect is there once",
          "no entity is on two runners at one time"
        ],
        Report.table(result)
      )
    })
  )
})

describe("the processes of a storm", () => {
  it("are gone when whoever started them is killed, one that is stopped too", async () => {
    const script = fileURLToPath(new URL("support/stopping.ts", import.meta.url))
    const storm = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "pipe"] })
    storm.stderr.resume()
    const closed = once(storm, "close")
    for await (const line of createInterface(storm.stdout)) if (line === "stopped") storm.kill("SIGKILL")
    // All of them have its standard error, which is closed when the last one is gone.
    await closed
    assert.strictEqual(storm.signalCode, "SIGKILL")
  })
})

describe("a forecast", () => {
  it.effect("is the same for the same seed, and has everything that can go wrong", () =>
    Effect.gen(function* () {
      const options = { seconds: 60, workers: 3, runners: 2 }
      const first = yield* forecast({ ...options, seed: "a" })
      assert.deepStrictEqual(yield* forecast({ ...options, seed: "a" }), first)
      assert.notDeepEqual(yield* forecast({ ...options, seed: "b" }), first)
      const drawn = new Set(
        first.map(({ event }) => (event._tag === "Fault" ? `${event.rule.fault}@${event.rule.on}` : event._tag))
      )
      assert.strictEqual(drawn.size, kinds.length)
      assert.isTrue(first.every(({ at }) => at < 60_000))
    })
  )
})

describe("the command", () => {
  it("says in one line what it does not take", async () => {
    const ended = await promisify(execFile)(process.execPath, [main, "--seconds", "1"]).then(
      () => undefined,
      (error: { readonly code: number; readonly stderr: string }) => error
    )
    assert.strictEqual(ended?.code, 2)
    assert.strictEqual(ended?.stderr, "--seconds 1: a storm lasts 5 seconds or more\n")
  })
})

import { assert, describe, it, layer } from "@effect/vitest"
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { checks, type Written } from "../src/Checks.ts"
import * as Cluster from "../src/Cluster.ts"
import * as Journal from "../src/Journal.ts"
import * as Report from "../src/Report.ts"

const demo = fileURLToPath(new URL("../src/demo.ts", import.meta.url))

const Live = Layer.provideMerge(Layer.fresh(Journal.layer()), NodeServices.layer)

layer(NodeServices.layer, { excludeTestServices: true })("workflows on two runners", (it) => {
  /** What a run comes to: which promises do not hold, and what was seen on the way. */
  const run = Effect.fnUntraced(
    function* (fenced: boolean) {
      const { checks, events, outcome } = yield* Cluster.run({ orders: 4, fenced })
      const broken = checks.filter((check) => check.broken.length > 0).map(({ promise }) => promise)
      return { broken, events, outcome, report: `${Report.chart(events)}\n${Report.verdict(checks)}` }
    },
    (run) => Effect.provide(run, Live)
  )

  it.effect("come to their ends with each effect once, though one is killed and one is stopped past its lease", () =>
    Effect.gen(function* () {
      const { broken, events, outcome, report } = yield* run(true)
      assert.deepStrictEqual(broken, [], report)
      assert.strictEqual(outcome.client, 0)
      const happened = events.map(({ what }) => what._tag)
      for (const tag of ["Killed", "Stopped", "Woken", "Refused"] as const) assert.include(happened, tag)
      // Both of them held shards, and somebody else holds these since.
      for (const name of [outcome.killed, outcome.stopped]) {
        const held = events.flatMap(({ what }) => (what._tag === "Held" && what.runner === name ? [what.shard] : []))
        assert.isAbove(held.length, 0, report)
      }
    })
  )

  it.effect("have effects twice where they are not written under the fence of their shard", () =>
    Effect.gen(function* () {
      const { broken, report } = yield* run(false)
      assert.deepStrictEqual(
        // Whoever is stopped while it ships may be at an audit too.
        broken.filter((promise) => promise !== "each instant of the cron has one run"),
        [
          "each activity's effect is there once",
          "nothing is written under an older fence",
          "who was stopped is refused when it wakes"
        ],
        report
      )
    })
  )
})

describe("the checks", () => {
  const outcome = { orders: ["order-1"], killed: "runner-1", stopped: "runner-2", client: 0 }
  const wrote = (step: string, more: Partial<Written> = {}): Written => ({
    of: step === "audit" ? "2026-01-01T00:00:00.000Z" : "order-1",
    step,
    runner: "runner-2",
    shard_id: "orders/default:1",
    fence: 1n,
    ...more
  })
  const all = [wrote("reserve"), wrote("charge"), wrote("ship"), wrote("audit")]
  const events: ReadonlyArray<Journal.Event> = [
    { at: 1, what: { _tag: "Held", shard: "orders/default:1", fence: 1n, runner: "runner-2", live: true } },
    { at: 2, what: { _tag: "Refused", runner: "runner-2", of: "order-1", step: "ship", why: "moved" } },
    { at: 3, what: { _tag: "Ended", order: "order-1", result: "shipped, approved by Ada" } }
  ]
  const broken = (seen: ReadonlyArray<Journal.Event>, rows: ReadonlyArray<Written>) =>
    checks(outcome, seen, rows).flatMap((check) => check.broken)

  it("hold where nothing is wrong", () => {
    assert.deepStrictEqual(broken(events, all), [])
  })

  it.each([
    ["an order without an end", events.slice(0, 2), all, "order-1"],
    ["an effect that is missing", events, all.slice(1), "reserve of order-1 is there 0 times: "],
    ["a cron that has not run", events, all.slice(0, 3), "the cron did not run"],
    [
      "an instant with two runs",
      events,
      [...all, wrote("audit")],
      "audit of 2026-01-01T00:00:00.000Z is there 2 times"
    ],
    [
      "a fence of two runners",
      events,
      [...all.slice(1), wrote("reserve", { runner: "runner-1" })],
      "fence 1 of orders/default:1: runner-2 and runner-1"
    ],
    ["nobody who was refused", events.toSpliced(1, 1), all, "runner-2 wrote what another one had written"]
  ] as const)("find %s", (_, seen, rows, found) => {
    assert.deepStrictEqual(broken(seen, rows), [found])
  })
})

describe("the command", () => {
  const run = promisify(execFile)

  it("says what it does for --help", async () => {
    assert.match((await run(process.execPath, [demo, "--help"])).stdout, /^pnpm workflows \[--without-fence\]: /)
  })

  it("leaves no process behind when it is killed, and none that it has stopped", async () => {
    const running = spawn(process.execPath, [demo], { stdio: ["ignore", "pipe", "pipe"] })
    running.stderr.resume()
    const closed = once(running, "close")
    for await (const line of createInterface(running.stdout)) if (line.includes("IS STOPPED")) running.kill("SIGKILL")
    // All of its processes have its standard error, which is closed when the last one is gone.
    await closed
    assert.strictEqual(running.signalCode, "SIGKILL")
  })

  it("ends without a word when nobody reads any more", async () => {
    const running = spawn(process.execPath, [demo], { stdio: ["ignore", "pipe", "pipe"] })
    const ended = once(running, "close")
    const complaints: Array<string> = []
    running.stderr.on("data", (said) => complaints.push(String(said)))
    await once(running.stdout, "data")
    running.stdout.destroy()
    assert.deepStrictEqual(await ended, [141, null])
    assert.deepStrictEqual(complaints, [])
  })

  it("says in one line what it does not take", async () => {
    const ended = await run(process.execPath, [demo, "soon"]).then(
      () => undefined,
      (error: { readonly code: number; readonly stderr: string }) => error
    )
    assert.strictEqual(ended?.code, 2)
    assert.strictEqual(ended?.stderr, "workflows takes --without-fence or nothing, not soon\n")
  })
})

import { DsqlClient } from "@effect-dsql/core"
import { Persistence } from "@effect-dsql/persistence"
import { SchemaSource } from "@effect-dsql/schema"
import { Testing } from "@effect-dsql/testing"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { checks } from "../src/Checks.ts"
import type { Result } from "../src/Protocol.ts"

const run = promisify(execFile)
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe("the demo", () => {
  it("sets up, upgrades, fights and keeps every promise", async () => {
    const { stdout } = await run(process.execPath, [main, "2"])
    assert.include(stdout, "dsql/temporal is at 1.1, it was at 1.0")
    assert.strictEqual(stdout.match(/^ {2}holds {2}/gm)?.length, 4)
    assert.notInclude(stdout, "BROKEN")
    assert.notMatch(stdout, /^ +0 operations/m)
  })

  it.each(["--help", "-h"])("says what it does for %s", async (flag) => {
    const { stdout } = await run(process.execPath, [main, flag])
    assert.match(stdout, /^pnpm demo \[seconds\]: /)
  })

  it("says what it takes when it is given anything else", async () => {
    const ended = await run(process.execPath, [main, "soon"]).then(
      () => undefined,
      (error: { readonly code: number; readonly stderr: string }) => error
    )
    assert.strictEqual(ended?.code, 2)
    assert.strictEqual(ended?.stderr, "the demo takes a number of seconds, 1 to 600, not soon\n")
  })
})

/** A worker that was told of nothing. */
const nothing: Result = {
  _tag: "Result",
  worker: "alice",
  takeovers: [],
  started: [],
  increments: [],
  refused: 0,
  unknown: 0,
  stale: 0,
  conflicts: 0,
  retries: 0,
  latencies: []
}

const Stores = Persistence.layer.pipe(Layer.provideMerge(Testing.layer({ source: SchemaSource.builtIn() })))

/** Which promises do not hold for what a worker says that it was told. */
const broken = (told: Partial<Result>) =>
  Effect.map(checks([{ ...nothing, ...told }], 2), (found) =>
    found.filter((check) => !check.holds).map((check) => check.promise)
  )

layer(Stores, { excludeTestServices: true })("the checks of the demo", (it) => {
  it.effect("hold where nothing was promised", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* broken({}), [])
    })
  )

  it.effect("find an increment that was acknowledged and is not there", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* broken({ increments: [{ shardId: 1, count: 1 }] }), ["no update is lost"])
    })
  )

  it.effect("find a range that two owners were given", () =>
    Effect.gen(function* () {
      const { sql } = yield* DsqlClient.DsqlClient
      yield* sql`INSERT INTO shards VALUES (1, 1, ''::bytea, 'Json')`
      const taken = { shardId: 1, rangeId: 1n }
      assert.deepStrictEqual(yield* broken({ takeovers: [taken, taken] }), ["one owner per range"])
      yield* sql`DELETE FROM shards`
    })
  )

  it.effect("find a takeover whose range was taken back", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* broken({ takeovers: [{ shardId: 1, rangeId: 1n }] }), ["one owner per range"])
    })
  )

  it.effect("find an execution that was acknowledged and is not there", () =>
    Effect.gen(function* () {
      const started = { shardId: 1, businessId: randomUUID(), runId: randomUUID() }
      assert.deepStrictEqual(yield* broken({ started: [started] }), ["every acknowledged write is present"])
    })
  )

  it.effect("find a write after a newer owner's", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* broken({ stale: 1 }), ["no stale owner writes"])
    })
  )
})

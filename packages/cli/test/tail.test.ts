import { Json, Trail } from "@effect-dsql/cli"
import { Watch } from "@effect-dsql/emulator"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { Reactivity } from "effect/reactivity"
import { chmod } from "node:fs/promises"
import { freePort } from "../../../test/freePort.ts"
import { tree } from "./support/files.ts"
import { start } from "./support/process.ts"
import { call } from "./support/program.ts"

/** A client of its own name. */
const client = (url: string, applicationName: string) =>
  Effect.provide(PgClient.makeClient({ url: Redacted.make(url), applicationName }), Reactivity.layer)

/** Starts a command, and waits until it has said something. */
const running = (args: ReadonlyArray<string>, cwd: string) =>
  Effect.acquireRelease(
    Effect.sync(() => start(args, {}, { cwd })),
    ({ ended, kill }) => Effect.promise(() => (kill("SIGTERM"), ended))
  )

/** A race that `orders` loses to `billing`. */
const race = Effect.fnUntraced(function* (url: string) {
  const [orders, billing] = [yield* client(url, "orders"), yield* client(url, "billing")]
  yield* billing`CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL)`
  yield* billing`INSERT INTO accounts VALUES (7, 100)`
  yield* Effect.flip(
    orders.withTransaction(
      Effect.gen(function* () {
        yield* orders`UPDATE accounts SET balance = balance - 10 WHERE id = 7`
        yield* billing`UPDATE accounts SET balance = 0 WHERE id = 7`
      })
    )
  )
})

const met =
  /^\d\d:\d\d:\d\d\.\d{3} {2}#\d+ orders {2}conflict {2}.+UPDATE accounts SET balance = balance - 10 WHERE id = 7\n {4}OC000 on accounts \(id=7\): #\d+ billing committed `UPDATE accounts SET balance = 0 WHERE id = 7` before `UPDATE accounts SET balance = balance - 10 WHERE id = 7`$/m

describe("effect-dsql tail", () => {
  it.live("finds a dev by its directory, prints what happened, and names row and rival; so does dev --watch", () =>
    Effect.gen(function* () {
      const cwd = yield* Effect.tap(tree({}), (root) => Effect.promise(() => chmod(root, 0o755)))
      const port = yield* Effect.promise(freePort)
      const dev = yield* running(["dev", "--port", port, "--watch", "--no-console", "--format", "json"], cwd)
      const [first = ""] = (yield* Effect.promise(() => dev.spoke)).split("\n")
      const listening = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Json.Listening))(first)
      yield* race(listening.url)
      const tail = yield* running(["tail", "--all"], cwd)
      yield* Effect.promise(() => tail.said((text) => met.test(text)))
      yield* Effect.promise(() => dev.said((text) => text.includes('"outcome":"conflict"')))
      dev.kill("SIGINT")
      const { stdout } = yield* Effect.promise(() => dev.ended)
      const lines = stdout.trim().split("\n").slice(1)
      const transactions = yield* Effect.forEach(lines, (line) =>
        Schema.decodeUnknownEffect(Schema.fromJsonString(Watch.Transaction))(line)
      )
      const lost = transactions.find(({ outcome }) => outcome === "conflict")
      assert.deepInclude(lost?.conflict, { table: "accounts", key: { id: "7" }, label: "orders" })
      const nobody = yield* call(["tail"], {}, { cwd })
      assert.deepStrictEqual(
        [nobody.code, nobody.stderr],
        [2, "error: nothing runs over .data/dsql: start `dev`, or give the url that it printed\n"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("says in one line what is wrong with an address", () =>
    Effect.gen(function* () {
      const bad = yield* call(["tail", "http://127.0.0.1:1"])
      assert.deepStrictEqual([bad.code, bad.stderr.split("\n").length], [2, 2])
      const gone = yield* call(["tail", `postgres://admin@127.0.0.1:${yield* Effect.promise(freePort)}/postgres`])
      assert.strictEqual(gone.code, 3)
      assert.match(gone.stderr, /^error: 127\.0\.0\.1:\d+: connect ECONNREFUSED .+: is it an emulator that runs\?\n$/)
    })
  )
})

describe("a transaction in words", () => {
  it("has a line, and a second one for what it failed with", () => {
    const failed: Watch.Transaction = {
      id: 3,
      revision: 9,
      database: "postgres",
      label: "",
      connection: 1,
      explicit: false,
      began: 0,
      ended: 1.25,
      outcome: "failed",
      statements: [
        {
          sql: "SELECT\n  1/0",
          at: 0,
          millis: 1,
          rows: 0,
          sent: 0,
          received: 0,
          tables: [],
          writes: [],
          sqlstate: "22012"
        }
      ],
      omitted: 0,
      roundTrips: 1,
      rows: 0,
      bytes: 0,
      cost: { write: 0, read: 0 },
      first: 2,
      attempt: 2,
      sqlstate: "22012",
      message: "division by zero"
    }
    assert.strictEqual(
      Trail.text(failed, (_, text) => text),
      "00:00:00.000  #3  failed  1.3 ms, 1 round trip, attempt 2 of #2  SELECT 1/0\n    22012: division by zero"
    )
  })
})

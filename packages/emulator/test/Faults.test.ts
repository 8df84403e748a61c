import { assert, describe, it, layer } from "@effect/vitest"
import * as Faults from "../src/internal/control/faults.ts"
import { Effect } from "effect"
import * as Shared from "./shared.ts"
import { ask, conflict, gives, rows, schemaConflict, tells } from "./wireClient.ts"
import * as WireClient from "./wireClient.ts"

const request = (value: unknown) => `CALL emulator.control('${JSON.stringify(value)}')`

const draw = (seed: number) => {
  const faults = Faults.make(seed)
  faults.inject({ on: "commit", fault: "conflict", probability: 0.3 })
  faults.inject({ on: "commit", fault: "cut", probability: 0.1 })
  return Array.from({ length: 200 }, () => faults.decide("commit", ""))
}

describe("a source of faults", () => {
  it("draws the same faults from the same seed", () => {
    assert.deepStrictEqual(draw(7), draw(7))
    assert.notDeepEqual(draw(7), draw(8))
    const conflicts = draw(7).filter((fault) => fault === "conflict").length
    assert.isTrue(conflicts > 30 && conflicts < 90, String(conflicts))
  })

  it("counts events of a rule's own label, and stops when it is spent", () => {
    const faults = Faults.make(1)
    faults.inject({ on: "commit", fault: "conflict", nth: [1, 3, 4], times: 2, label: "a" })
    const told = ["b", "a", "a", "a", "a"].map((label) => faults.decide("commit", label))
    assert.deepStrictEqual(told, [undefined, "conflict", undefined, "conflict", undefined])
    assert.deepStrictEqual(faults.happened(), { "conflict@commit": 2 })
  })
})

layer(Shared.layer(), { excludeTestServices: true })("faults", (it) => {
  let tables = 0
  const table = Effect.gen(function* () {
    const { control } = (yield* Shared.Shared).emulator
    yield* control.clear
    const name = `t${++tables}`
    const client = yield* Shared.wire({ application_name: name })
    yield* tells(client, `CREATE TABLE ${name} (id int PRIMARY KEY)`, "CREATE TABLE")
    const count = (expected: number) =>
      Effect.scoped(
        Effect.flatMap(Shared.wire(), (other) => gives(other, `SELECT count(*) FROM ${name}`, [[String(expected)]]))
      )
    return { control, client, name, count }
  })

  it.effect("OC000 and OC001 at a chosen COMMIT, without effect", () =>
    Effect.gen(function* () {
      const { client, control, count, name } = yield* table
      yield* control.inject({ on: "commit", fault: "conflict", nth: [2], label: name })
      yield* control.inject({ on: "commit", fault: "schema-conflict", nth: [3], label: name })
      yield* tells(client, `INSERT INTO ${name} VALUES (1)`, "INSERT 0 1")
      yield* tells(client, `INSERT INTO ${name} VALUES (2)`, conflict)
      yield* tells(client, `BEGIN; INSERT INTO ${name} VALUES (2)`, "BEGIN, INSERT 0 1")
      yield* tells(client, "COMMIT", schemaConflict)
      yield* count(1)
    })
  )

  it.effect("XX000 before COMMIT took effect, and after", () =>
    Effect.gen(function* () {
      const { client, control, count, name } = yield* table
      yield* control.inject({ on: "commit", fault: "unavailable", nth: [1], label: name })
      yield* control.inject({ on: "commit", fault: "unavailable-after", nth: [2], label: name })
      yield* tells(client, `BEGIN; INSERT INTO ${name} VALUES (1)`, "BEGIN, INSERT 0 1")
      yield* tells(client, "COMMIT", "XX000 server unavailable")
      yield* count(0)
      yield* tells(client, `BEGIN; INSERT INTO ${name} VALUES (1)`, "BEGIN, INSERT 0 1")
      yield* tells(client, "COMMIT", "XX000 server unavailable")
      yield* count(1)
      yield* tells(client, "SELECT 1", "SELECT 1")
    })
  )

  it.effect("the connection cut before COMMIT took effect, and after", () =>
    Effect.gen(function* () {
      const { client, control, count, name } = yield* table
      yield* control.inject({ on: "commit", fault: "cut", nth: [1], label: name })
      yield* control.inject({ on: "commit", fault: "cut-after", nth: [2], label: name })
      yield* tells(client, `BEGIN; INSERT INTO ${name} VALUES (1)`, "BEGIN, INSERT 0 1")
      assert.isUndefined((yield* client.query("COMMIT")).status)
      yield* count(0)
      const second = yield* Shared.wire({ application_name: name })
      assert.isUndefined((yield* second.query(`INSERT INTO ${name} VALUES (1)`)).status)
      yield* count(1)
    })
  )

  it.effect("a statement that fails, and takes its transaction with it", () =>
    Effect.gen(function* () {
      const { client, control, count, name } = yield* table
      yield* control.inject({ on: "statement", fault: "unavailable", nth: [2], label: name })
      yield* tells(client, "BEGIN", "BEGIN")
      yield* tells(client, `INSERT INTO ${name} VALUES (1)`, "INSERT 0 1")
      yield* tells(client, `INSERT INTO ${name} VALUES (2)`, "XX000 server unavailable")
      yield* tells(client, "COMMIT", "ROLLBACK")
      yield* count(0)
    })
  )

  it.effect("connections refused as the service refuses them", () =>
    Effect.gen(function* () {
      const { control } = yield* table
      const refusals = { "expired-token": "28000", "too-many-connections": "53300", "rate-exceeded": "53400" } as const
      for (const [fault, code] of Object.entries(refusals)) {
        const label = `refused ${fault}`
        yield* control.inject({ on: "connect", fault: fault as keyof typeof refusals, times: 1, label })
        const refused = yield* Shared.wire({ application_name: label })
        assert.deepStrictEqual([refused.started.error?.severity, refused.started.error?.sqlstate], ["FATAL", code])
        if (fault === "expired-token") assert.match(refused.started.error?.hint ?? "", /^Signature expired/)
        const taken = yield* Shared.wire({ application_name: label })
        assert.strictEqual(taken.started.status, "I")
      }
    })
  )

  it.effect("all of it can be asked for in SQL, from another process", () =>
    Effect.gen(function* () {
      const { client, name } = yield* table
      const control = yield* Shared.wire()
      yield* gives(control, request({ inject: { on: "commit", fault: "conflict", nth: [1], label: name } }), [['"ok"']])
      yield* tells(client, `INSERT INTO ${name} VALUES (1)`, conflict)
      yield* gives(control, request({ counts: name }), [
        [JSON.stringify({ connections: 1, roundTrips: 2, statements: 2, commits: 1 })]
      ])
      const [happened] = yield* rows(control, request({ happened: true }))
      assert.match(happened?.[0] ?? "", /"conflict@commit":\d/)
      assert.match(
        yield* ask(control, "CALL emulator.control('{\"inject\": 1}')"),
        /^22023 not a request to the emulator/
      )
    })
  )
})

layer(Shared.layer(), { excludeTestServices: true })("counting", (it) => {
  it.effect("a round trip is what a client sends before it has an answer", () =>
    Effect.gen(function* () {
      const { control } = (yield* Shared.Shared).emulator
      const client = yield* Shared.client({ application_name: "counted" })
      const one = yield* control.counts("counted")
      yield* Effect.promise(() => client.query("SELECT $1::int", [1]))
      const two = yield* control.counts("counted")
      assert.strictEqual(two.roundTrips - one.roundTrips, 1)
      yield* Effect.promise(() => client.query("BEGIN; SELECT 1; COMMIT"))
      const three = yield* control.counts("counted")
      assert.strictEqual(three.roundTrips - two.roundTrips, 1)
      assert.strictEqual(three.statements - two.statements, 3)
    })
  )

  it.effect("statements are logged as they were written, with the transaction that they were in", () =>
    Effect.gen(function* () {
      const { control } = (yield* Shared.Shared).emulator
      const client = yield* Shared.client({ application_name: "logged" })
      yield* Effect.promise(() => client.query("SELECT  1 -- one"))
      yield* Effect.promise(() => client.query("BEGIN"))
      yield* Effect.promise(() => client.query("SELECT $1::int", [2]))
      yield* Effect.promise(() => client.query("ROLLBACK"))
      const logged = yield* control.statements("logged")
      assert.deepStrictEqual(
        logged.map((each) => [each.sql, each.inTransaction]),
        [
          ["SELECT  1", false],
          ["BEGIN", false],
          ["SELECT $1::int", true],
          ["ROLLBACK", true]
        ]
      )
    })
  )

  it.effect("latency is paid once for each round trip, not for each statement", () =>
    Effect.gen(function* () {
      const { control } = (yield* Shared.Shared).emulator
      const labelled = { application_name: "slow" }
      const [client, other] = [yield* Shared.client(labelled), yield* Shared.client(labelled)]
      yield* control.latency(1_000, "slow")
      // Beside one who waits for each of two answers: three latencies would be more than his.
      const ended: Array<string> = []
      const together = client.query("SELECT 1; SELECT 2; SELECT 3").then(() => ended.push("together"))
      const inTurn = other
        .query("SELECT 1")
        .then(() => other.query("SELECT 2"))
        .then(() => ended.push("in turn"))
      yield* Effect.promise(() => Promise.all([together, inTurn]))
      yield* control.latency(0, "slow")
      assert.deepStrictEqual(ended, ["together", "in turn"])
    })
  )
})

// So slow that the test's own time adds none.
const slow = { connectionsPerSecond: 0.001, databases: "postgres" } as const

layer(Shared.layer(slow), { excludeTestServices: true })("new connections", (it) => {
  it.effect("are refused beyond a thousand at once, until time has passed", () =>
    Effect.gen(function* () {
      const { emulator } = yield* Shared.Shared
      // Whoever is admitted is told that there is no such database.
      const knock = Effect.map(
        Effect.scoped(WireClient.make(emulator.connect, "nowhere")),
        ({ started }) => started.error?.sqlstate
      )
      const admitted = yield* Effect.replicateEffect(knock, 1_000)
      assert.deepStrictEqual([...new Set(admitted)], ["3D000"])
      assert.deepStrictEqual(yield* Effect.replicateEffect(knock, 2), ["53400", "53400"])
      yield* emulator.control.advance(2_000_000)
      assert.deepStrictEqual(yield* Effect.replicateEffect(knock, 3), ["3D000", "3D000", "53400"])
    })
  )
})

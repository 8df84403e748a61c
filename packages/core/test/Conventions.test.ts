/**
 * What OpenTelemetry's conventions for databases ask of a client: attributes on the span of each statement, and how long
 * statements took.
 */
import { Metrics, RetryPolicy, Transaction } from "@effect-dsql/core"
import { Testing } from "@effect-dsql/testing"
import { assert, layer } from "@effect/vitest"
import { Effect, Metric, Stream, Tracer } from "effect"
import { SqlClient } from "effect/sql"
import { guarded } from "../../../test/database.ts"
import { Control } from "../../../test/emulator.ts"
import { operationOf } from "../src/internal/connection/firstWord.ts"

/** The spans and the series of durations that an effect leaves, where somebody looks at spans or nobody does. */
const shown = <A, E, R>(effect: Effect.Effect<A, E, R>, isTraced = true) =>
  Effect.gen(function* () {
    const spans: Array<Tracer.Span> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const snapshot = yield* Effect.ignore(effect).pipe(
      Effect.withSpan("mine"),
      Effect.andThen(Metric.snapshot),
      Effect.provideService(Tracer.Tracer, isTraced ? tracer : Tracer.nativeTracer),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
    const attributesOf = (span: Tracer.Span | undefined): Readonly<Record<string, unknown>> =>
      Object.fromEntries(span?.attributes ?? [])
    return {
      statements: spans.filter(({ attributes }) => attributes.has("db.query.text")).map(attributesOf),
      mine: attributesOf(spans.find(({ name }) => name === "mine")),
      series: snapshot
        .filter(({ id }) => id === Metrics.client.operations.metric.id)
        .map(({ attributes = {}, state }) => ({
          operation: attributes["db.operation.name"] ?? "none",
          code: attributes["db.response.status_code"] ?? "none",
          error: attributes["error.type"] ?? "none",
          namespace: attributes["db.namespace"],
          count: "count" in state ? state.count : 0
        }))
    }
  })

const policy = RetryPolicy.make({ base: "1 millis", jitter: "none" })

layer(Testing.layer({ client: { guarded, policy } }), { excludeTestServices: true })("a statement", (it) => {
  it.effect("says on its span what it did and where, and how long that took", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { mine, series, statements } = yield* shown(sql`/* why */ SELECT 1 AS one`)
      const [row] = yield* sql<{ name: string }>`SELECT current_database() AS name`
      assert.lengthOf(statements, 1)
      assert.include(statements[0], {
        "db.system.name": "postgresql",
        "db.namespace": row?.name ?? "",
        "server.address": "127.0.0.1",
        "db.operation.name": "SELECT"
      })
      assert.notProperty(statements[0], "error.type")
      assert.deepStrictEqual(mine, {})
      assert.lengthOf(series, 1)
      assert.include(series[0], { operation: "SELECT", code: "none", error: "none", count: 1 })
      assert.strictEqual(series[0]?.namespace, row?.name)
    })
  )

  it.effect("says how it failed, by its SQLSTATE", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const missing = yield* shown(sql`SELECT * FROM missing`)
      assert.include(missing.statements[0], { "db.response.status_code": "42P01", "error.type": "42P01" })
      assert.include(missing.series[0], { operation: "SELECT", code: "42P01", error: "42P01", count: 1 })
      const stream = yield* shown(Stream.runDrain(sql`SELECT * FROM missing`.stream))
      assert.include(stream.statements[0], { "db.response.status_code": "42P01" })
    })
  )

  it.effect("counts each time that it was sent", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const control = yield* Control
      yield* sql`CREATE TABLE sent (id integer PRIMARY KEY)`
      yield* control.inject({ on: "commit", fault: "conflict", nth: [1] })
      const { series } = yield* shown(sql`INSERT INTO sent VALUES (1)`)
      assert.sameDeepMembers(
        series.map(({ code, count, operation }) => ({ code, count, operation })),
        [
          { code: "40001", count: 1, operation: "INSERT" },
          { code: "none", count: 1, operation: "INSERT" }
        ]
      )
    })
  )

  it.effect("is named by its error where the server said none", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const control = yield* Control
      yield* control.inject({ on: "statement", fault: "cut", nth: [1] })
      const { series, statements } = yield* shown(sql`SELECT 1`)
      assert.include(series[0], { code: "none", error: "ConnectionLost" })
      assert.include(statements[0], { "error.type": "ConnectionLost" })
      yield* control.clear
    })
  )

  it.effect("is counted with the BEGIN and COMMIT around it, which have no span of their own", () =>
    Effect.gen(function* () {
      const { mine, series, statements } = yield* shown(
        Transaction.run(Effect.flatMap(Transaction.sql, (sql) => sql`SELECT 1`))
      )
      assert.sameMembers(
        series.map(({ operation }) => operation),
        ["BEGIN", "SELECT", "COMMIT"]
      )
      assert.lengthOf(statements, 1)
      assert.deepStrictEqual(mine, {})
    })
  )

  it.effect.each([true, false])("is not counted where it was not sent, and its spans are watched: %s", (isTraced) =>
    Effect.gen(function* () {
      const unwritable = Transaction.batch((sql) => [
        sql`INSERT INTO sent VALUES (${Symbol() as never})`,
        sql`SELECT 1`,
        sql`SELECT 2`
      ])
      const { series } = yield* shown(unwritable, isTraced)
      assert.deepStrictEqual(
        series.map(({ count, error, operation }) => ({ count, error, operation })),
        [{ count: 1, error: "StatementFailed", operation: "INSERT" }]
      )
    })
  )

  it.effect("has one of few names, whatever its text is", () =>
    Effect.sync(() => {
      for (const [text, name] of [
        ["select 1", "SELECT"],
        ["\n -- why\n (with a AS (SELECT 1) SELECT 2)", "WITH"],
        ["/* a */ COMMIT", "COMMIT"],
        ["select1", "OTHER"],
        ["frobnicate the bits", "OTHER"],
        ["/* a /* b */ c */ SELECT 1", "OTHER"],
        ["", "OTHER"]
      ] as const) {
        assert.strictEqual(operationOf(text), name, text)
      }
    })
  )
})

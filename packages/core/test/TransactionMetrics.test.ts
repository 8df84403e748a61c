import { DsqlError, RetryPolicy, Transaction } from "@effect-dsql/core"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Metric, Tracer } from "effect"
import { TestDatabase } from "../../../test/database.ts"
import { conflictAtCommit, failCommits, raise, schema, write } from "./support/faults.ts"

const policy = RetryPolicy.make({ jitter: "none", base: "2 millis", attempts: 3 })

/** Runs in a registry of its own and gives every series that moved, by name and labels. */
const observed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    yield* Effect.ignore(effect)
    const snapshot = yield* Metric.snapshot
    return new Map(snapshot.map((series) => [`${series.id}${JSON.stringify(series.attributes ?? {})}`, series.state]))
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))

layer(Layer.provideMerge(schema, TestDatabase()), { excludeTestServices: true })("TransactionMetrics", (it) => {
  it.effect("count a transaction that commits at once by its latency alone", () =>
    Effect.gen(function* () {
      const series = yield* observed(Transaction.run(write("plain"), { operation: "Plain" }))
      const ours = [...series.keys()].filter((key) => key.startsWith("dsql_"))
      assert.deepStrictEqual(ours, ['dsql_tx_latency{"operation":"Plain"}'])
      assert.propertyVal(series.get('dsql_tx_latency{"operation":"Plain"}'), "count", 1)
    })
  )

  it.effect("count conflicts by code, retries by attempt, and the time waited", () =>
    Effect.gen(function* () {
      yield* failCommits("retried", 2, conflictAtCommit("OC000"))
      const series = yield* observed(Transaction.run(write("retried"), { operation: "Retried", policy }))
      assert.propertyVal(series.get('dsql_tx_conflict_total{"operation":"Retried","code":"OC000"}'), "count", 2)
      assert.propertyVal(series.get('dsql_tx_retry_total{"operation":"Retried","attempt":"2"}'), "count", 1)
      assert.propertyVal(series.get('dsql_tx_retry_total{"operation":"Retried","attempt":"3"}'), "count", 1)
      const backoff = series.get('dsql_tx_backoff{"operation":"Retried"}')
      assert.propertyVal(backoff, "count", 2)
      assert.propertyVal(backoff, "sum", 6)
      assert.propertyVal(series.get('dsql_tx_latency{"operation":"Retried"}'), "count", 1)
    })
  )

  it.effect("count what gave up", () =>
    Effect.gen(function* () {
      yield* failCommits("gave_up", 100, conflictAtCommit("OC001"))
      const series = yield* observed(Transaction.run(write("gave_up"), { operation: "GaveUp", policy }))
      assert.propertyVal(series.get('dsql_tx_exhausted_total{"operation":"GaveUp"}'), "count", 1)
      assert.propertyVal(series.get('dsql_tx_conflict_total{"operation":"GaveUp","code":"OC001"}'), "count", 3)
      assert.propertyVal(
        series.get('dsql_tx_error_class_total{"operation":"GaveUp","error_class":"ConflictRetriesExhausted"}'),
        "count",
        1
      )
    })
  )

  it.effect("count failures by the tag of their error", () =>
    Effect.gen(function* () {
      const moved = Effect.fail(new DsqlError.ConditionFailed({ what: "row", expected: 1n, actual: 2n }))
      const cases: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, Transaction.Transaction>]> = [
        ["ConditionFailed", moved],
        ["LimitExceeded", raise("54000", "transaction row limit exceeded")],
        ["Defect", Effect.die("broken")],
        ["Other", Effect.fail("untagged")]
      ]
      for (const [tag, body] of cases) {
        const series = yield* observed(Effect.sandbox(Transaction.run(body, { operation: "Fails" })))
        assert.propertyVal(
          series.get(`dsql_tx_error_class_total{"operation":"Fails","error_class":"${tag}"}`),
          "count",
          1
        )
      }
    })
  )

  it.effect("have a span for the operation, and Effect SQL's own for each attempt", () =>
    Effect.gen(function* () {
      yield* failCommits("traced", 1, conflictAtCommit("OC000"))
      const spans: Array<readonly [string, unknown]> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push([span.name, span.attributes])
          return span
        }
      })
      yield* Transaction.run(write("traced"), { operation: "Traced", policy }).pipe(Effect.withTracer(tracer))
      const named = (name: string) =>
        spans
          .filter(([span]) => span === name)
          .map(([, attributes]) => Object.fromEntries(attributes as Map<string, unknown>))
      assert.deepStrictEqual(named("dsql.transaction"), [{ "dsql.operation": "Traced" }])
      assert.deepStrictEqual(named("sql.transaction"), [{ "dsql.attempt": 1 }, { "dsql.attempt": 2 }])
    })
  )
})

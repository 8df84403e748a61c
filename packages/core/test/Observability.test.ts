/**
 * What operators rely on: every metric moves in a real run, the page says what there is, and the dashboard and the
 * alerts ask for nothing else.
 */
import { Metrics, Observability } from "@effect-dsql/core"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Metric } from "effect"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import {
  asked,
  documented,
  expected,
  families,
  holds,
  load,
  reads,
  scrapedAs,
  unbegun
} from "../../../test/observability.ts"
import { Quiet } from "../../../test/quiet.ts"
import { badDay, cluster } from "./support/badDay.ts"
import { Series } from "./support/occurrences.ts"

const { dashboard, expressions, rules } = load("dashboard.json", "alerts.yaml")

interface Run {
  readonly snapshot: ReadonlyArray<Metric.Metric.Snapshot>
  readonly scraped: string
  readonly sent: string
}

class RealRun extends Context.Service<RealRun, Run>()("test/RealRun") {}

/** A collector that keeps what it is sent. */
const collector = Effect.gen(function* () {
  const sent: Array<string> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      sent.push(`${request.url} ${Buffer.concat(chunks).toString()}`)
      response.setHeader("content-type", "application/json")
      response.end("{}")
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () => Effect.sync(() => server.close())
  )
  return { sent, baseUrl: `http://127.0.0.1:${port}` }
})

/** The run, scraped over HTTP as Prometheus does, and sent over OTLP as a collector takes it. */
const run = (series: Series) =>
  Effect.gen(function* () {
    const { baseUrl, sent } = yield* collector
    const emulator = yield* cluster
    const snapshot = yield* Effect.scoped(
      Effect.gen(function* () {
        yield* badDay(emulator, series)
        const server = yield* Layer.build(
          HttpRouter.serve(Observability.layerPrometheus(), { disableLogger: true, disableListenLog: true }).pipe(
            Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0 }))
          )
        )
        const { address } = Context.get(server, HttpServer.HttpServer)
        const port = "port" in address ? address.port : 0
        const scraped = yield* Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
        yield* Effect.scoped(
          Layer.build(
            Observability.layerOtlp({ baseUrl, serviceName: "bad-day" }).pipe(Layer.provide(FetchHttpClient.layer))
          )
        )
        return { snapshot: yield* Metric.snapshot, scraped }
      })
    )
    return { ...snapshot, sent: sent.join("\n") }
  }).pipe(Effect.provideService(Metric.MetricRegistry, series), Effect.provide(Quiet))

const isOurs = (id: string) => id.startsWith("dsql_") || id.startsWith("db.client.")

layer(Layer.effect(RealRun, run(new Series())), { excludeTestServices: true })("Observability", (it) => {
  it.effect("moves every metric in a real run, with the labels that it says", () =>
    Effect.gen(function* () {
      const { snapshot } = yield* RealRun
      for (const { failureLabels = [], labels, metric } of Metrics.catalogue) {
        const series = snapshot.filter(({ id }) => id === metric.id)
        const moved = series.some(({ state }) => {
          if ("count" in state) return state.count > 0
          return "value" in state && state.value > 0
        })
        assert.isTrue(moved, `${metric.id} did not move`)
        // The unit is told to a collector by an attribute, and is no label.
        const own = series.map(({ attributes = {} }) => Object.keys(attributes).filter((key) => key !== "unit"))
        const isKnown = (key: string) => (labels as ReadonlyArray<string>).includes(key) || failureLabels.includes(key)
        for (const keys of own) {
          assert.includeMembers(keys, [...labels], metric.id)
          assert.isTrue(keys.every(isKnown), `${metric.id} has ${keys.join(", ")}`)
        }
        for (const label of failureLabels) {
          assert.isTrue(
            own.some((keys) => keys.includes(label)),
            `${metric.id} never failed with ${label}`
          )
        }
      }
    })
  )

  it.effect("knows every metric that the run registered", () =>
    Effect.gen(function* () {
      const { snapshot } = yield* RealRun
      const registered = new Set(snapshot.map(({ id }) => id).filter(isOurs))
      assert.deepStrictEqual([...registered].toSorted(), Metrics.catalogue.map(({ metric }) => metric.id).toSorted())
    })
  )

  it.effect("shows every metric to Prometheus and to an OTLP collector", () =>
    Effect.gen(function* () {
      const { scraped, sent } = yield* RealRun
      const shown = families(scraped)
      for (const { metric } of Metrics.catalogue) {
        assert.isTrue(
          shown.has(metric.type === "Histogram" ? `${scrapedAs(metric.id)}_bucket` : scrapedAs(metric.id)),
          metric.id
        )
        assert.include(sent, `"${metric.id}"`)
      }
      assert.include(sent, "/v1/metrics")
      assert.include(sent, "bad-day")
    })
  )

  it.effect.each(expressions)("%s asks for what there is: %s", ([, expression, said]) =>
    Effect.gen(function* () {
      holds(families((yield* RealRun).scraped), expression, said)
    })
  )

  it.effect("asks for nothing that the test of its expressions would not see", () =>
    Effect.gen(function* () {
      const shown = families((yield* RealRun).scraped)
      for (const wrong of ["dsql_pool_opne", "rate(dsql_tx_conflict_total[5m]", 'dsql_pool_open{pol="x"}']) {
        const { metrics, problems } = asked(wrong)
        const unknown = metrics.some(
          ({ matchers, name }) => !shown.has(name) || matchers.some(([label]) => shown.get(name)?.has(label) !== true)
        )
        assert.isTrue(problems.length > 0 || unknown, wrong)
      }
    })
  )

  it.effect("fills the dashboard's lists from what there is", () =>
    Effect.gen(function* () {
      const shown = families((yield* RealRun).scraped)
      for (const { name, query } of dashboard.templating.list) {
        const values = /^label_values\((\w+), (\w+)\)$/.exec(query)
        if (name === "datasource") continue
        assert.strictEqual(values?.[2], name)
        assert.isTrue(shown.get(values?.[1] ?? "")?.has(name))
      }
    })
  )

  it.effect("reads every metric in the dashboard", () =>
    Effect.gen(function* () {
      yield* RealRun
      const charted = dashboard.panels.flatMap(({ targets = [] }) =>
        targets.map(({ expr }) => expr.replaceAll("$__rate_interval", "5m"))
      )
      for (const { metric } of Metrics.catalogue) {
        assert.isTrue(
          charted.some((expression) => reads(expression, metric.id)),
          `no panel shows ${metric.id}`
        )
      }
    })
  )

  it("sees the first of what an alert counts", () => {
    assert.deepStrictEqual(
      rules.flatMap(({ expr }) => unbegun(expr)),
      []
    )
  })

  it.effect("says what to do in every alert", () =>
    Effect.gen(function* () {
      yield* RealRun
      for (const { annotations } of rules) assert.isNotEmpty(annotations.action)
    })
  )

  it.effect("has a page that says just this, and which alerts read it", () =>
    Effect.gen(function* () {
      yield* RealRun
      const isRow = (line: string) =>
        (line.startsWith("| `dsql_") && !line.startsWith("| `dsql_cluster_")) || line.startsWith("| `db.client.")
      assert.deepStrictEqual(documented(isRow), expected(Metrics.catalogue, rules))
    })
  )
})

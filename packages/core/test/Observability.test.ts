/**
 * What operators rely on: every metric moves in a real run, the page says what there is, and the dashboard and the
 * alerts ask for nothing else.
 */
import { Metrics, Observability } from "@effect-dsql/core"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Metric } from "effect"
import { FetchHttpClient, HttpRouter, HttpServer } from "effect/http"
import { parser } from "@prometheus-io/lezer-promql"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { parse } from "yaml"
import { Quiet } from "../../../test/quiet.ts"
import { badDay, cluster } from "./support/badDay.ts"
import { Series } from "./support/occurrences.ts"

const file = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8")

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

/** What Prometheus calls a metric. */
const scrapedAs = (id: string) => id.replaceAll(".", "_")

/** The families that a scrape shows, with the labels of their series and the values of each label. */
const families = (text: string) => {
  const found = new Map<string, Map<string, Set<string>>>()
  for (const line of text.split("\n")) {
    const series = /^([a-z_:][\w:]*)(?:\{(.*)\})? \S+$/i.exec(line)
    const name = series?.[1]
    if (name === undefined) continue
    const labels = found.get(name) ?? new Map<string, Set<string>>()
    found.set(name, labels)
    for (const [, label = "", value = ""] of (series?.[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels.set(label, (labels.get(label) ?? new Set()).add(value))
    }
  }
  return found
}

/** What an expression asks for: metrics, and labels with what they are compared with. */
const asked = (expression: string) => {
  const metrics: Array<{
    readonly name: string
    readonly matchers: Array<readonly [label: string, op: string, value: string]>
  }> = []
  const grouping: Array<string> = []
  const problems: Array<string> = []
  parser.parse(expression).iterate({
    enter: (node) => {
      const text = (from = node.from, to = node.to) => expression.slice(from, to)
      if (node.type.isError) problems.push(`at ${node.from}: ${text(0)}`)
      if (node.name === "VectorSelector") {
        const identifier = node.node.getChild("Identifier")
        metrics.push({ name: identifier === null ? "" : text(identifier.from, identifier.to), matchers: [] })
      }
      if (node.name === "UnquotedLabelMatcher") {
        const [, label = "", op = "", value = ""] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/.exec(text()) ?? []
        metrics.at(-1)?.matchers.push([label, op, value])
      }
      if (node.name === "GroupingLabels")
        grouping.push(
          ...text()
            .replace(/[()\s]/g, "")
            .split(",")
            .filter(Boolean)
        )
    }
  })
  return { metrics, grouping, problems }
}

/** Whether an expression asks for a metric, or for a part of it. */
const reads = (expression: string, id: string): boolean =>
  asked(expression).metrics.some(
    ({ name }) => name.replace(/_(bucket|sum|count)$/, "") === scrapedAs(id) || name === scrapedAs(id)
  )

interface Dashboard {
  readonly panels: ReadonlyArray<{
    readonly title: string
    readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
  }>
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string; readonly query: string }> }
}

interface Alerts {
  readonly groups: ReadonlyArray<{
    readonly rules: ReadonlyArray<{
      readonly alert: string
      readonly expr: string
      readonly annotations: { readonly summary: string; readonly action: string }
    }>
  }>
}

// The files are the repository's own; a shape that is another one fails the tests below.
const dashboard = JSON.parse(file("observability/dashboard.json")) as Dashboard
const rules = (parse(file("observability/alerts.yaml")) as Alerts).groups.flatMap((group) => group.rules)

const expressions: ReadonlyArray<readonly [string, string, string]> = [
  ...dashboard.panels.flatMap(({ targets = [], title }) =>
    targets.map(
      ({ expr, legendFormat }) => [`panel ${title}`, expr.replaceAll("$__rate_interval", "5m"), legendFormat] as const
    )
  ),
  ...rules.map(({ alert, annotations, expr }) => [`alert ${alert}`, expr, annotations.summary] as const)
]

layer(Layer.effect(RealRun, run(new Series())), { excludeTestServices: true, timeout: "60 seconds" })(
  "Observability",
  (it) => {
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
          const isKnown = (key: string) =>
            (labels as ReadonlyArray<string>).includes(key) || failureLabels.includes(key)
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
        const shown = families((yield* RealRun).scraped)
        const { grouping, metrics, problems } = asked(expression)
        assert.deepStrictEqual(problems, [])
        assert.isNotEmpty(metrics)
        const labels = new Set<string>()
        for (const { matchers, name } of metrics) {
          const family = shown.get(name)
          assert(family !== undefined, `no metric ${name}`)
          for (const label of family.keys()) labels.add(label)
          for (const [label, op, value] of matchers) {
            const values = family.get(label)
            assert(values !== undefined, `${name} has no label ${label}`)
            if (value.startsWith("$")) continue
            const found = [...values].some((each) =>
              op.includes("~") ? new RegExp(`^(${value})$`).test(each) : each === value
            )
            assert.isTrue(found || op.startsWith("!"), `no ${name} has ${label} ${op} ${value}`)
          }
        }
        for (const label of grouping) assert.isTrue(labels.has(label), `nothing has the label ${label}`)
        for (const [, label = ""] of said.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)) {
          assert.isTrue(
            grouping.length > 0 ? grouping.includes(label) : labels.has(label),
            `${label} is not in the result`
          )
        }
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

    it.effect("says what to do in every alert", () =>
      Effect.gen(function* () {
        yield* RealRun
        for (const { annotations } of rules) assert.isNotEmpty(annotations.action)
      })
    )

    it.effect("has a page that says just this, and which alerts read it", () =>
      Effect.gen(function* () {
        yield* RealRun
        const rows = file("docs/metrics.md")
          .split("\n")
          .filter((line) => line.startsWith("| `dsql_") || line.startsWith("| `db.client."))
        const expected = Metrics.catalogue.map(({ failureLabels = [], labels, meaning, metric, unit }) => {
          const alerts = rules.filter(({ expr }) => reads(expr, metric.id)).map(({ alert }) => alert)
          const named = [...labels, ...failureLabels].map((label) => `\`${label}\``).join(", ")
          return ["", `\`${metric.id}\``, metric.type.toLowerCase(), named, unit, meaning, alerts.join(", "), ""].join(
            " | "
          )
        })
        const cells = (row: string) => row.split("|").map((cell) => cell.trim())
        assert.deepStrictEqual(rows.map(cells), expected.map(cells))
      })
    )
  }
)

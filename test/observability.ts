/**
 * What operators rely on: dashboards and alerts that ask for what there is, and the page that says what that is.
 */
import type { Metrics } from "@effect-dsql/core"
import { assert } from "@effect/vitest"
import { parser } from "@prometheus-io/lezer-promql"
import { readFileSync } from "node:fs"
import { parse } from "yaml"

const file = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")

/** What Prometheus calls a metric. */
export const scrapedAs = (id: string) => id.replaceAll(".", "_")

/** The families that a scrape shows, with the labels of their series and the values of each label. */
export const families = (text: string) => {
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
export const asked = (expression: string) => {
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
export const reads = (expression: string, id: string): boolean =>
  asked(expression).metrics.some(
    ({ name }) => name.replace(/_(bucket|sum|count)$/, "") === scrapedAs(id) || name === scrapedAs(id)
  )

/**
 * What an expression sees no beginning of: Prometheus knows no increase of a counter that was not there before, and one
 * begins with what it counts first.
 */
export const unbegun = (expression: string): ReadonlyArray<string> => {
  const missed: Array<string> = []
  parser.parse(expression).iterate({
    enter: (node) => {
      if (node.name !== "MatrixSelector") return
      const [, counter = "", time = ""] = /^(.*)\[(\w+)\]$/.exec(expression.slice(node.from, node.to)) ?? []
      const increase = `increase(${counter}[${time}])`
      const begun = `(${counter} unless ${counter} offset ${time}) or ${increase}`
      if (expression.includes(increase) && !expression.includes(begun)) missed.push(counter)
    }
  })
  return missed
}

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

/** The dashboard and the alerts of two files, and each of their expressions with what is said of it. */
export const load = (dashboardFile: string, alertsFile: string) => {
  // The files are the repository's own; a shape that is another one fails the tests.
  const dashboard = JSON.parse(file(`observability/${dashboardFile}`)) as Dashboard
  const rules = (parse(file(`observability/${alertsFile}`)) as Alerts).groups.flatMap((group) => group.rules)
  const expressions: ReadonlyArray<readonly [string, string, string]> = [
    ...dashboard.panels.flatMap(({ targets = [], title }) =>
      targets.map(
        ({ expr, legendFormat }) => [`panel ${title}`, expr.replaceAll("$__rate_interval", "5m"), legendFormat] as const
      )
    ),
    ...rules.map(({ alert, annotations, expr }) => [`alert ${alert}`, expr, annotations.summary] as const)
  ]
  return { dashboard, rules, expressions }
}

/** Whether an expression, and what is said of it, name metrics, labels and values of a scrape. */
export const holds = (shown: ReturnType<typeof families>, expression: string, said: string): void => {
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
    assert.isTrue(grouping.length > 0 ? grouping.includes(label) : labels.has(label), `${label} is not in the result`)
  }
}

const cells = (row: string) => row.split("|").map((cell) => cell.trim())

/** The rows of the page on metrics that are asked for. */
export const documented = (isRow: (line: string) => boolean) =>
  file("docs/metrics.md").split("\n").filter(isRow).map(cells)

/** The rows that a table of metrics makes, with the alerts that read each. */
export const expected = (catalogue: ReadonlyArray<Metrics.Described>, rules: ReturnType<typeof load>["rules"]) =>
  catalogue.map(({ failureLabels = [], labels, meaning, metric, unit }) => {
    const alerts = rules.filter(({ expr }) => reads(expr, metric.id)).map(({ alert }) => alert)
    const named = [...labels, ...failureLabels].map((label) => `\`${label}\``).join(", ")
    return cells(
      ["", `\`${metric.id}\``, metric.type.toLowerCase(), named, unit, meaning, alerts.join(", "), ""].join(" | ")
    )
  })

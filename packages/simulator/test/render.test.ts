import { Chart, Contention, Policies, Table } from "@effect-dsql/simulator"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const outcomes = Effect.forEach([2, 5], (contenders) =>
  Effect.forEach(Policies.all, (policy) => Contention.simulate({ ...Contention.scenario, contenders, runs: 2 }, policy))
).pipe(Effect.map((all) => all.flat()))

describe("the outcomes of a simulation", () => {
  it.effect("are a table with a line for each", () =>
    Effect.gen(function* () {
      const all = yield* outcomes
      const [titles, ...lines] = Table.render(all).split("\n")
      assert.match(titles ?? "", /^policy +contenders +gave up/)
      assert.lengthOf(lines, all.length)
      for (const [index, line] of lines.entries()) {
        assert.strictEqual(line.split(" ", 1)[0], all[index]?.policy)
        assert.strictEqual(line.length, titles?.length)
      }
    })
  )

  it.effect("are a chart with a bar for each, in three panels", () =>
    Effect.gen(function* () {
      const all = yield* outcomes
      const svg = Chart.render(all)
      const legend = Policies.all.length
      const background = 1
      assert.lengthOf(svg.match(/<rect /g) ?? [], 3 * all.length + legend + background)
      assert.notInclude(svg, "NaN")
      assert.isTrue(svg.startsWith("<svg ") && svg.endsWith("</svg>\n"))
    })
  )

  it.effect("are still both where nobody committed, and where a name looks like markup", () =>
    Effect.gen(function* () {
      const [outcome] = yield* outcomes
      assert.isDefined(outcome)
      const nobody = { ...outcome, policy: "a<b&c", committed: 0, p50: Number.NaN, p99: Number.NaN }
      assert.notInclude(Chart.render([nobody]), "NaN")
      assert.include(Chart.render([nobody]), "a&lt;b&amp;c")
      assert.notInclude(Table.render([nobody]), "NaN")
    })
  )
})

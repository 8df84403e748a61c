/**
 * The figures of `docs/retrying.md` are those that its first command prints.
 */
import { Chart, Contention, Policies, Table } from "@effect-dsql/simulator"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"

const page = (name: string) => readFileSync(new URL(`../docs/${name}`, import.meta.url), "utf8")

it.effect("docs/retrying.md shows what simulate prints and draws", () =>
  Effect.gen(function* () {
    const outcomes = yield* Effect.forEach([10, 100], (contenders) =>
      Effect.forEach(Policies.all, (policy) =>
        Contention.simulate({ ...Contention.scenario, contenders, runs: 20 }, policy)
      )
    )
    assert.include(page("retrying.md"), Table.render(outcomes.flat()))
    assert.strictEqual(page("contention.svg"), Chart.render(outcomes.flat()))
  })
)

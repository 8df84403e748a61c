import { Linter, Report } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Log } from "sarif"

const lint = Linter.lint("SELECT 1;\nTRUNCATE t;\nDELETE FROM t", { file: "v1.1/a b.sql" })

describe("Report.text", () => {
  it.effect("writes a line as compilers do, the hint below it, and the counts", () =>
    Effect.map(lint, (findings) =>
      assert.strictEqual(
        Report.text(findings, 2),
        [
          "v1.1/a b.sql:2:1: error: unsupported statement: Truncate (0A000) [truncate]",
          "    DELETE in batches of at most 3,000 rows, or drop and create the table.",
          "v1.1/a b.sql:3:13: warning: DELETE without WHERE fails as soon as the table has more than 3,000 rows [unbounded-write]",
          "    Change at most 3,000 rows at a time, by ranges of the primary key, each in a transaction of its own.",
          "1 error, 1 warning in 2 files"
        ].join("\n")
      )
    )
  )

  it("says so when there is nothing", () => assert.strictEqual(Report.text([], 1), "0 errors, 0 warnings in 1 file"))
})

describe("Report.json", () => {
  it.effect("has a version, the counts, and the findings as they are", () =>
    Effect.map(lint, (findings) =>
      assert.deepStrictEqual(JSON.parse(Report.json(findings, 1)), {
        version: 1,
        summary: { files: 1, errors: 1, warnings: 1, infos: 0 },
        findings: JSON.parse(JSON.stringify(findings))
      })
    )
  )
})

describe("Report.sarif", () => {
  it.effect("refers to a described rule, a file's address and a region", () =>
    Effect.map(lint, (findings) => {
      const log: Log = JSON.parse(Report.sarif(findings))
      const [run] = log.runs
      assert.strictEqual(log.version, "2.1.0")
      assert.strictEqual(run?.columnKind, "utf16CodeUnits")
      const [truncate, unbounded] = run?.results ?? []
      assert.strictEqual(truncate?.level, "error")
      assert.strictEqual(unbounded?.level, "warning")
      assert.strictEqual(run?.tool.driver.rules?.[truncate?.ruleIndex ?? -1]?.id, "truncate")
      assert.deepStrictEqual(truncate?.locations?.[0]?.physicalLocation, {
        artifactLocation: { uri: "v1.1/a%20b.sql" },
        region: { startLine: 2, startColumn: 1, endLine: 2, endColumn: 11 }
      })
    })
  )
})

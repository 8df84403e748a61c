/**
 * What `docs/temporal.md` says is so: the operations are there, and so are the tests.
 */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { methods, suites } from "./support/upstream.ts"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

const page = read("../../../docs/temporal.md")

/** The rows of the table below a heading, cell by cell. */
const table = (heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const section = page.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? ""
  const rows = section.split("\n").filter((line) => line.startsWith("| "))
  return rows.slice(2).map((row) =>
    row
      .slice(2, -2)
      .split(" | ")
      .map((cell) => cell.trim())
  )
}

/** The tests that a cell names, each with its file. */
const named = (cell: string): ReadonlyArray<readonly [file: string, title: string]> =>
  cell.split(/; (?=`)/).map((each) => {
    const [, file = "", title = ""] = /^`([^`]+)`: (.+)$/.exec(each) ?? []
    return [file, title]
  })

describe("docs/temporal.md", () => {
  for (const [heading, columns] of [
    ["Operations", 3],
    ["Suites", 2],
    ["Deliberate differences", 4]
  ] as const) {
    it(`names a test of each row of its ${heading.toLowerCase()} that is there`, () => {
      const rows = table(heading)
      assert.isAbove(rows.length, 15)
      for (const row of rows) {
        assert.lengthOf(row, columns, row[0])
        for (const [file, title] of named(row.at(-1) ?? "")) {
          assert.isTrue(file !== "" && existsSync(new URL(file, import.meta.url)), `${row[0]}: ${file}`)
          assert.include(read(file), title, row[0])
        }
      }
    })
  }

  it("names operations that are there", () => {
    for (const [operation, here] of table("Operations")) {
      const [, module = "", member = ""] = /^`(\w+)\.(\w+)`$/.exec(here ?? "") ?? []
      assert.match(read(`../src/${module}.ts`), new RegExp(`(readonly|const) ${member}\\b`), operation)
    }
  })

  it("leaves out none of Temporal's methods and suites, and names no others", () => {
    const first = (heading: string) =>
      table(heading)
        .flatMap(([cell = ""]) => cell.split(", "))
        // The same method of several interfaces is named with its own.
        .map((name) => name.replace(/^(Queue|QueueV2|HistoryTaskQueueManager) /, ""))
    const operations = new Set([...first("Operations"), ...first("Not here")])
    assert.deepStrictEqual([...operations].toSorted(), methods.toSorted())
    const named = new Set(first("Suites"))
    const parts =
      /^(create|update|conflict resolve|set and delete|operation_mode_validator|workflow_state_status_validator)$/
    assert.deepStrictEqual([...named].filter((name) => !parts.test(name)).toSorted(), suites.toSorted())
  })
})

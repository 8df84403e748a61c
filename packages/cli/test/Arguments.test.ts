import { Arguments } from "@effect-dsql/cli"
import { assert, describe, it } from "@effect/vitest"

describe("Arguments.expand", () => {
  const table: ReadonlyArray<readonly [typed: ReadonlyArray<string>, read: ReadonlyArray<string>]> = [
    [
      ["status", "-ep", "h", "-db", "d"],
      ["status", "--endpoint", "h", "--database", "d"]
    ],
    [
      ["-ep=h", "-db=a=b"],
      ["--endpoint=h", "--database=a=b"]
    ],
    [
      ["-e", "-d", "-p", "1", "-epx"],
      ["-e", "-d", "-p", "1", "-epx"]
    ],
    [
      ["--", "-ep", "-db"],
      ["--", "-ep", "-db"]
    ],
    [[], []]
  ]
  it.each(table)("reads %j as %j", (typed, read) => {
    assert.deepStrictEqual(Arguments.expand(typed), read)
  })
})

describe("Arguments.presentation", () => {
  it("finds how to print wherever it stands", () => {
    assert.deepStrictEqual(Arguments.presentation(["--bogus", "--format", "json", "--verbose", "--no-color"]), {
      format: "json",
      verbose: true,
      color: false
    })
    assert.strictEqual(Arguments.presentation(["--format=json"]).format, "json")
    assert.deepStrictEqual(Arguments.presentation(["json", "--format"]), {
      format: "text",
      verbose: false,
      color: true
    })
  })
})

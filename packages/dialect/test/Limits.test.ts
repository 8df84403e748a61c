import { Limits, SqlState } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"

describe("Limits.all", () => {
  it("has a row for every constant, with its value", () => {
    const { all, ...constants } = Limits
    assert.deepStrictEqual(Object.fromEntries(all.map(({ name, value }) => [name, value])), { ...constants })
  })

  it("gives answers that SqlState reads as a limit or as too many connections", () => {
    for (const { message, name, sqlstate } of Limits.all) {
      if (sqlstate === undefined || message === undefined) continue
      const { kind } = SqlState.meaning({ code: sqlstate, message })
      assert.include(["limit", "throttled", "too_many_connections"], kind, name)
    }
  })
})

import { Version } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"

const version = (text: string) => Effect.runSync(Version.parse(text))

describe("Version.parse", () => {
  it.effect.each(["1.1", "v1.1", "0.0", "1", "1.2.3.4", "10.20"])("reads %s", (text) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Version.parse(text), text.replace("v", ""))
    })
  )

  it.effect.each(["", "v", "1.", ".1", "1..2", "1.x", "-1", "1.1 ", "latest", "1.1.1.1.1", "1".repeat(10), "١.١"])(
    "refuses %j, and says how to write one",
    (text) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Version.parse(text))
        assert.strictEqual(
          error.message,
          `${JSON.stringify(text)} is not a version: write numbers with dots, such as 1.1`
        )
      })
  )
})

describe("Version.compare", () => {
  it("orders by number, not by text", () => {
    assert.strictEqual(Version.compare(version("1.9"), version("1.10")), -1)
    assert.strictEqual(Version.compare(version("2.0"), version("1.10")), 1)
  })

  it("takes a missing number for zero", () => {
    assert.isTrue(Version.equals(version("1.0"), version("1.0.0")))
    assert.isTrue(Version.isAfter(version("1.0.1"), version("1.0")))
  })

  const Part = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 }))
  it.effect.prop("is the same seen from the other side", { a: Part, b: Part, c: Part, d: Part }, ({ a, b, c, d }) =>
    Effect.sync(() => {
      const left = version(`${a}.${b}`)
      const right = version(`${c}.${d}`)
      assert.strictEqual(Version.compare(left, right) + Version.compare(right, left), 0)
    })
  )
})

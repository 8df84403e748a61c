import { Analyzer } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"

describe("Analyzer.analyze", () => {
  it.effect("gives the very same answer while a text is remembered, and forgets the one unused for longest", () =>
    Effect.gen(function* () {
      const { analyze } = yield* Analyzer.make({ capacity: 2 })
      const first = yield* analyze("SELECT 1")
      yield* analyze("SELECT 2")
      assert.strictEqual(yield* analyze("SELECT 1"), first)
      yield* analyze("SELECT 3")
      assert.strictEqual(yield* analyze("SELECT 1"), first)
      yield* analyze("SELECT 4")
      yield* analyze("SELECT 5")
      assert.notStrictEqual(yield* analyze("SELECT 1"), first)
    })
  )

  it.effect("does not keep long texts", () =>
    Effect.gen(function* () {
      const { analyze } = yield* Analyzer.make({ longest: 8 })
      assert.strictEqual(yield* analyze("SELECT 1"), yield* analyze("SELECT 1"))
      assert.notStrictEqual(yield* analyze("SELECT 10"), yield* analyze("SELECT 10"))
    })
  )

  it.effect("answers refused and wrong statements as the first time", () =>
    Effect.gen(function* () {
      const { analyze } = yield* Analyzer.make({ at: "2026-06-04" })
      for (let i = 0; i < 2; i++) {
        const [ok, refused] = yield* analyze("SELECT 1; CREATE TABLE t (d jsonb)")
        assert.isTrue(ok !== undefined && Option.isNone(ok.refusal))
        assert.strictEqual(Option.getOrUndefined(refused?.refusal ?? Option.none())?.rule, "jsonb-column")
        assert.strictEqual((yield* Effect.flip(analyze("SELECT FROM FROM"))).column, 13)
      }
    })
  )
})

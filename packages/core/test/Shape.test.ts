import { Expression, Guard, Write } from "@effect-dsql/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { textOf } from "../src/internal/guarded/flat.ts"
import { written } from "../src/internal/guarded/shape.ts"
import * as Text from "../src/internal/guarded/text.ts"

const clause: Text.Clause = (lock) => (lock === "shared" ? "FOR KEY SHARE" : "FOR UPDATE")

const word = fc.constantFrom("a", "b", "ab", "", "x")
const leaf = fc.integer().map((value) => Expression.value("integer", value))
const expression = fc.oneof(
  leaf,
  fc.tuple(word, leaf).map(([text, value]) => Expression.sql`${Expression.literal(text)} = ${value}`),
  fc.array(leaf, { maxLength: 3 }).map((list) => Expression.join(list, ", ")),
  word.map(Expression.literal)
)
const lock = fc.constantFrom("shared" as const, "exclusive" as const, undefined)
const key = fc.constantFrom({ table: "t", columns: ["c"] }, undefined)
const row = fc.tuple(expression, lock, key).map(([select, lock, key]): Guard.Row => ({ select, lock, key }))
const guard = fc
  .tuple(word, row, fc.option(row, { nil: undefined }), expression, expression, fc.boolean())
  .map(([name, row, beside, holds, column, isView]) =>
    Guard.make({
      name: `guard ${name}`,
      row,
      beside,
      columns: isView ? { c: column } : ["c"],
      holds: (rows) => Expression.sql`${rows} ${holds}`,
      refuse: () => Effect.void as Effect.Effect<never>
    })
  )
const optional = fc.option(expression, { nil: undefined })
const write = fc.oneof(
  fc
    .tuple(word, expression, optional, optional, optional)
    .map(([into, value, from, where, onConflict]) =>
      Write.insert({ into: `t${into}`, columns: { c: value }, from, where, onConflict })
    ),
  fc
    .tuple(word, optional, expression)
    .map(([table, using, where]) => Write.remove({ table: `t${table}`, using, where }))
)
const parts = fc.record({
  guards: fc.array(guard, { maxLength: 3 }),
  tells: fc.dictionary(fc.constantFrom("t", "u"), expression),
  writes: fc.array(write, { maxLength: 3 }),
  independent: fc.boolean()
})

describe("the shape of a guarded statement", () => {
  it("stands for the text and the order of values that it has when it is put together anew", () => {
    fc.assert(
      fc.property(parts, (parts) => {
        const flat = Text.statement(parts, clause)
        const found = written(parts, clause, () => flat)
        assert("text" in found)
        assert.strictEqual(found.text, textOf(flat))
        assert.deepStrictEqual(found.values, flat.values)
      }),
      { numRuns: 3_000 }
    )
  })

  it("is recognised in a statement that is made again", () => {
    fc.assert(
      fc.property(fc.clone(parts, 3), (made) => {
        let times = 0
        for (const parts of made) {
          const flat = Text.statement(parts, clause)
          const found = written(parts, clause, () => {
            times++
            return flat
          })
          assert("text" in found)
          assert.strictEqual(found.text, textOf(flat))
        }
        // Once, or twice where all shapes were forgotten in between.
        assert.isBelow(times, made.length)
      }),
      { numRuns: 1_000 }
    )
  })
})

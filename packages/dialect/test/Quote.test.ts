import { ParseTree, Quote, Statement } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"

const selected = (sql: string) =>
  Effect.runPromise(
    Effect.map(Statement.parse(`SELECT ${sql}`), ([statement]) => {
      const [target] = ParseTree.all(ParseTree.as(statement?.node, "SelectStmt")?.targetList, "ResTarget")
      return target?.val
    })
  )

// No text of SQL holds a NUL, and a lone surrogate is not UTF-8.
const text = fc.string({ unit: "grapheme" }).map((value) => value.replaceAll("\0", "'"))

describe("Quote", () => {
  it("literal is read back by PostgreSQL's parser as the text that it was made of, whatever that is", () =>
    fc.assert(
      fc.asyncProperty(text, async (value) => {
        assert.strictEqual(ParseTree.text(await selected(Quote.literal(value))), value)
      })
    ))

  it("literal of nothing is NULL", () => assert.strictEqual(Quote.literal(null), "NULL"))

  it("qualified is read back by PostgreSQL's parser as the names that it was made of, whatever they are", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          text.filter((name) => name !== ""),
          { minLength: 1, maxLength: 3 }
        ),
        async (path) => {
          const names = path.map((name) => [...name].slice(0, 15).join(""))
          const column = ParseTree.as(await selected(Quote.qualified(...names)), "ColumnRef")
          assert.deepStrictEqual(ParseTree.names(column?.fields), names)
        }
      )
    ))

  it("qualified leaves out what is not known", () => assert.strictEqual(Quote.qualified(undefined, 'a"b'), '"a""b"'))
})

import { Source } from "@effect-dsql/dialect"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"

const texts = fc.string({
  unit: fc.constantFrom("a", " ", "\n", "\r\n", "é", "ß", "€", "😀", "\u0000", "\u007f", "\u0080", "\u07ff", "\uffff")
})

describe("Source.make", () => {
  it("finds the same character by its bytes, by its number and by its line", () =>
    fc.assert(
      fc.property(texts, (text) => {
        const source = Source.make(text)
        let offset = 0
        let bytes = 0
        let line = 1
        let column = 1
        for (const [number, character] of [...text, ""].entries()) {
          assert.strictEqual(source.fromByte(bytes), offset)
          assert.strictEqual(source.fromCharacter(number), offset)
          assert.deepStrictEqual(source.place(offset), { offset, line, column })
          offset += character.length
          bytes += Buffer.byteLength(character)
          line += character === "\n" ? 1 : 0
          column = character === "\n" ? 1 : column + character.length
        }
      }),
      { seed: 20260918, numRuns: 500 }
    ))

  it("ends at the end", () => {
    for (const text of ["ab", "é"]) {
      assert.strictEqual(Source.make(text).fromByte(99), text.length)
      assert.strictEqual(Source.make(text).fromCharacter(99), text.length)
    }
  })
})

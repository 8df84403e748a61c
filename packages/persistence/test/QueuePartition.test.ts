import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { decode, encode } from "../src/internal/queues/partition.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

const id = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })

describe("The bytes of a queue's partition", () => {
  it("are those of Temporal's protobuf message", () => {
    assert.strictEqual(hex(encode(0n)), "0a0408001200")
    assert.strictEqual(hex(encode(5n)), "0a06080012020805")
    assert.strictEqual(hex(encode(300n)), "0a070800120308ac02")
  })

  it("give back the id that they were made of", () => {
    fc.assert(fc.property(id, (min) => decode(encode(min)) === min))
  })

  it("are read in any order of their fields, with fields that are left out or unknown", () => {
    assert.strictEqual(decode(bytes("0a06120208050800")), 5n)
    assert.strictEqual(decode(bytes("0a0412020805")), 5n)
    assert.strictEqual(decode(bytes("10070a06080012020805")), 5n)
    assert.strictEqual(decode(bytes("0a080800120408051001")), 5n)
  })

  it("are refused when they were cut, or have no partition or several", () => {
    fc.assert(
      fc.property(id, fc.nat(), (min, cut) => {
        const whole = encode(min)
        return decode(whole.subarray(0, cut % whole.length)) === undefined
      })
    )
    for (const text of ["0a00", "0a020800", "0a04080012000a0408011200", "0801", "0a0408001205", "0d00000000"]) {
      assert.isUndefined(decode(bytes(text)), text)
    }
  })

  it("never make reading fail, whatever they are", () => {
    fc.assert(fc.property(fc.uint8Array(), (any) => ["bigint", "undefined"].includes(typeof decode(any))))
  })
})

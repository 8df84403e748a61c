import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { make } from "../src/internal/protocol/scram.ts"
import * as Frame from "../src/internal/protocol/frame.ts"
import * as ClientMessage from "../src/internal/protocol/clientMessage.ts"
import * as ServerMessage from "../src/internal/protocol/serverMessage.ts"

const seed = 20_260_918
const name = fc.string().map((text) => text.replaceAll("\0", ""))

describe("Frame.makeFramer", () => {
  it("cuts a stream into the same frames however it arrives", () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1 }), fc.array(fc.integer({ min: 1, max: 9 })), (texts, cuts) => {
        const frames = texts.map(ClientMessage.query)
        const bytes = Buffer.concat(frames)
        const found: Array<Buffer> = []
        const framer = Frame.makeFramer(1 << 20)
        let at = 0
        for (const size of cuts) {
          framer(bytes.subarray(at, at + size), (frame) => found.push(frame))
          at = Math.min(bytes.length, at + size)
        }
        framer(bytes.subarray(at), (frame) => found.push(frame))
        assert.deepStrictEqual(found, frames)
      }),
      { seed }
    )
  })

  it("says what is wrong with a length that cannot be", () => {
    const framer = Frame.makeFramer(100)
    assert.strictEqual(
      framer(Buffer.from([81, 0, 0, 0, 3]), () => {}),
      "invalid message length 3"
    )
    assert.strictEqual(
      Frame.makeFramer(100)(Buffer.from([81, 0, 0, 1, 0]), () => {}),
      "message is too long"
    )
  })
})

describe("ClientMessage.read", () => {
  it("reads back what was written", () => {
    fc.assert(
      fc.property(name, name, fc.integer({ min: 0, max: 1 << 30 }), (a, b, rows) => {
        const readable = (text: string) => ({ _tag: "Text" as const, text })
        assert.deepInclude(ClientMessage.read(ClientMessage.query(a)), { _tag: "Query", sql: readable(a) })
        assert.deepInclude(ClientMessage.read(ClientMessage.parse(a, b, Buffer.from([0, 0]))), {
          _tag: "Parse",
          name: a,
          sql: readable(b)
        })
        assert.deepInclude(ClientMessage.read(ClientMessage.bind(a, b, Buffer.alloc(6))), {
          _tag: "Bind",
          portal: a,
          name: b
        })
        assert.deepInclude(ClientMessage.read(ClientMessage.execute(a, rows)), { _tag: "Execute", portal: a, rows })
        assert.deepInclude(ClientMessage.read(ClientMessage.close("P", a)), { _tag: "Close", of: "portal", name: a })
      }),
      { seed }
    )
  })

  it("reads the parameters of a Bind message, and the result formats behind them", () => {
    const parameters = [0, 1, 0, 1, 0, 3, 0, 0, 0, 2, 7, 8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 9]
    const rest = Buffer.from([...parameters, 0, 1, 0, 1])
    assert.strictEqual(ClientMessage.resultFormat(rest), 1)
    assert.deepStrictEqual(ClientMessage.parameters(rest), [
      { isBinary: true, bytes: Buffer.from([7, 8]) },
      { isBinary: true, bytes: null },
      { isBinary: true, bytes: Buffer.from([9]) }
    ])
  })

  it("tells the first bytes of a text that are no character", () => {
    const query = (...bytes: ReadonlyArray<number>) =>
      ClientMessage.read(Frame.make(Frame.code.query, Buffer.from([...bytes, 0])))
    const unreadable = (...bytes: ReadonlyArray<number>) => ({
      _tag: "Unreadable" as const,
      bytes: Buffer.from(bytes)
    })
    assert.deepInclude(query(0x61, 0xc3, 0xa9, 0xe9, 0x27), { sql: unreadable(0xe9, 0x27) })
    assert.deepInclude(query(0xff, 0x61, 0x62, 0x63), { sql: unreadable(0xff) })
    assert.deepInclude(query(0xf0, 0x9f, 0x98, 0x80, 0xf0, 0x9f, 0x98), { sql: unreadable(0xf0, 0x9f, 0x98) })
  })

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 5, maxLength: 40 }), (bytes) => {
        assert.isString(ClientMessage.read(Buffer.from(bytes))._tag)
        ClientMessage.readStartup(Buffer.from(bytes))
      }),
      { seed, numRuns: 1_000 }
    )
  })
})

describe("ServerMessage.error", () => {
  it("is read back with its fields", () => {
    const fields = { sqlstate: "40001", message: "change conflicts (OC000)", hint: "again", detail: "row 1" }
    assert.deepStrictEqual(ServerMessage.readError(ServerMessage.error(fields)), { severity: "ERROR", ...fields })
  })
})

describe("Scram.make", () => {
  it("answers no challenge that is not made from its own nonce", () => {
    assert.isUndefined(make("secret").answer("r=other,s=c2FsdA==,i=4096"))
    assert.isFalse(make("secret").verify("v=AAAA"))
  })
})

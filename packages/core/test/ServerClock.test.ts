/**
 * What a client makes of the time that a server says.
 */
import { assert, describe, it } from "@effect/vitest"
import type { SqlClient } from "effect/sql"
import fc from "fast-check"
import * as ServerClock from "../src/internal/transaction/serverClock.ts"

// Only a key: nothing is asked of it.
const client = () => ({}) as SqlClient.SqlClient

const delay = fc.integer({ min: 0, max: 20_000 })

/** A server says what time it is, `ahead` of here, to a question and in an answer that are under way for some time. */
const told = (of: SqlClient.SqlClient, ahead: number, [question, answer]: readonly [number, number]) => {
  const received = ServerClock.here()
  ServerClock.learn(of, Math.floor(received - answer + ahead), received - answer - question)
}

const isAbout = (of: SqlClient.SqlClient, ahead: number, within: number) => {
  const before = ServerClock.here() + ahead
  const now = ServerClock.now(of)
  assert.isAtLeast(now, before)
  assert.isAtMost(now, ServerClock.here() + ahead + within + 1)
}

describe("the server's clock", () => {
  it("is this machine's before the server has said anything", () => {
    isAbout(client(), 0, 0)
  })

  it("is never taken for earlier than it is, and for no later than the fastest question allows", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e6, max: 1e6 }),
        fc.array(fc.tuple(delay, delay), { minLength: 1 }),
        (ahead, ways) => {
          const of = client()
          for (const way of ways) told(of, ahead, way)
          isAbout(of, ahead, Math.min(...ways.map(([question]) => question)))
        }
      )
    )
  })

  it("is what the server said last, where it was set", () => {
    fc.assert(
      fc.property(fc.constantFrom(-1, 1), fc.tuple(delay, delay), fc.tuple(delay, delay), (way, before, after) => {
        const of = client()
        told(of, 0, before)
        told(of, way * 1e6, after)
        isAbout(of, way * 1e6, after[0])
      })
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { vi } from "vitest"
import { makeLine } from "../src/internal/client/line.ts"

describe("a line of messages that come late", () => {
  it("delivers them in the order that they came in, each after its delay, whatever the clock rounds away", () =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ delay: fc.constantFrom(0, 0.4, 1, 40), since: fc.constantFrom(0, 0.3, 7) })),
        (arrivals) => {
          vi.useFakeTimers()
          try {
            let time = 0
            // Timers run in whole milliseconds, as those of Node do; the clock knows of fractions.
            const now = () => Date.now() + (time % 1)
            const delivered: Array<number> = []
            const due: Array<number> = []
            const put = makeLine<number>((n) => {
              assert.isAtLeast(now(), due[n] ?? 0)
              delivered.push(n)
            }, now)
            for (const [n, { delay, since }] of arrivals.entries()) {
              const whole = Math.trunc(time + since) - Math.trunc(time)
              time += since
              vi.advanceTimersByTime(whole)
              due.push(now() + delay)
              put(n, delay)
            }
            vi.advanceTimersByTime(60_000)
            assert.deepStrictEqual(
              delivered,
              arrivals.map((_, n) => n)
            )
          } finally {
            vi.useRealTimers()
          }
        }
      )
    ))
})

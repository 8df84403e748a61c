import { assert, describe, it } from "@effect/vitest"
import * as Vitals from "../../src/storm/Vitals.ts"

/** A life of so many looks. */
const life = (looks: number, at: (look: number) => Partial<Vitals.Vitals>): ReadonlyArray<Vitals.Vitals> =>
  Array.from({ length: looks }, (_, look) => ({ memory: 50, connections: 8, files: 30, statements: 40, ...at(look) }))

const broken = (looks: ReadonlyArray<Vitals.Vitals>) => Vitals.check(Vitals.growth(looks)).broken

describe("what a process holds", () => {
  it("may go up and down, and more of it while the process warms up", () => {
    const breathing = life(600, (look) => ({
      memory: 50 + (look % 20),
      connections: 6 + (look % 3),
      statements: look < 100 ? look : 100 - (look % 60)
    }))
    assert.deepStrictEqual(broken(breathing), [])
  })

  for (const figure of ["memory", "connections", "files", "statements"] as const) {
    it(`is found to grow where ${figure} of it are never given back`, () => {
      const leaking = life(600, (look) => ({ [figure]: 40 + Math.floor(look / 5) }))
      assert.deepStrictEqual(
        broken(leaking).map((each) => each.split(":")[0]),
        [figure]
      )
    })
  }

  it("is read from what was noted, but for a line that a killed process has not finished", () => {
    const noted = life(2, () => ({}))
    const text = noted.map((vitals) => `${JSON.stringify(vitals)}\n`).join("")
    assert.deepStrictEqual(Vitals.parse(`${text}{"memory":`), noted)
  })
})

import { DsqlError, HotKeys } from "@effect-dsql/core"
import { Policies } from "@effect-dsql/simulator"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schedule } from "effect"

const conflict = new DsqlError.SerializationConflict({ code: "OC000", message: "change conflicts (OC000)" })

/** The delays that a policy gives, until it ends. */
const delays = ({ policy }: Policies.Named) =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(policy)
    const seen: Array<number> = []
    while (seen.length < 50) {
      const next = yield* Effect.option(Effect.catchCause(step(0, conflict), () => Effect.fail("over")))
      if (next._tag === "None") break
      seen.push(Duration.toMillis(next.value[1]))
    }
    return seen
  })

const within = (actual: ReadonlyArray<number>, bounds: ReadonlyArray<readonly [low: number, high: number]>) => {
  assert.lengthOf(actual, bounds.length)
  for (const [index, [low, high]] of bounds.entries()) {
    assert.isAtLeast(actual[index] ?? Number.NaN, low)
    assert.isAtMost(actual[index] ?? Number.NaN, high)
  }
}

describe("policies", () => {
  it.effect("wait as AWS's connector does", () =>
    Effect.map(delays(Policies.awsConnector), (seen) =>
      within(seen, [
        [1, 1.25],
        [2, 2.5],
        [4, 5]
      ])
    )
  )

  it.effect("wait as AWS's Drizzle adapter does", () =>
    Effect.map(delays(Policies.awsDrizzle), (seen) =>
      within(seen, [
        [25, 50],
        [50, 100],
        [100, 200]
      ])
    )
  )

  it.effect("are read by name or by settings", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Policies.parse("aws-drizzle"), Policies.awsDrizzle)
      const made = yield* Policies.parse("base=5,factor=3,cap=20,jitter=none,attempts=4")
      assert.deepStrictEqual(yield* delays(made), [5, 15, 20])
      const { group, queue, quota } = yield* Policies.parse("queue=on,group=20,quota=500")
      assert.deepStrictEqual({ group, queue, quota }, { group: 20, queue: true, quota: HotKeys.awsQuota })
      assert.strictEqual((yield* Policies.parse("form=batch")).form, "batch")
    })
  )

  it.effect.each([
    ["aws", "it is one of effect-dsql, effect-dsql-queue, effect-dsql-group, aws-connector, aws-drizzle, or settings"],
    ["bass=1", "there is no bass, only base, cap, elapsed, factor, attempts, jitter, queue, form, group, quota"],
    ["base=soon", "base"],
    ["base=", "base"],
    ["attempts=0", "attempts"],
    ["jitter=some", "jitter"],
    ["queue=maybe", "queue"],
    ["form=none", "form"],
    ["group=0", "group"],
    ["group=5,form=finish", "a group is committed by Transaction.run"],
    ["quota=-1", "quota"]
  ] as const)("say why %s is none", ([text, reason]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Policies.parse(text))
      assert.strictEqual(error._tag, "PolicyInvalid")
      assert.include(error.message, reason)
      assert.notInclude(error.message, "\n")
    })
  )
})

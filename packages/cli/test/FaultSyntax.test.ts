import { FaultSyntax } from "@effect-dsql/cli"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

describe("FaultSyntax.parse", () => {
  const good: ReadonlyArray<readonly [text: string, scripted: FaultSyntax.Scripted]> = [
    ["conflict@commit", { _tag: "Rule", rule: { fault: "conflict", on: "commit" } }],
    ["cut@statement:1,4", { _tag: "Rule", rule: { fault: "cut", on: "statement", nth: [1, 4] } }],
    ["unavailable@connect:2.5%", { _tag: "Rule", rule: { fault: "unavailable", on: "connect", probability: 0.025 } }],
    ["conflict@commit:times=2", { _tag: "Rule", rule: { fault: "conflict", on: "commit", times: 2 } }],
    [
      "cut@commit:10%:times=3:label=orders",
      { _tag: "Rule", rule: { fault: "cut", on: "commit", probability: 0.1, times: 3, label: "orders" } }
    ],
    ["latency:20ms", { _tag: "Latency", millis: 20 }]
  ]
  it.effect.each(good)("reads %s", ([text, scripted]) =>
    Effect.map(FaultSyntax.parse(text), (read) => assert.deepStrictEqual(read, scripted))
  )

  const bad: ReadonlyArray<readonly [text: string, says: string]> = [
    ["", 'there is no fault ""'],
    ["toString@commit", 'there is no fault "toString"'],
    ["conflict", "conflict happens at statement or commit: write it as conflict@commit"],
    ["conflict@connect", "conflict happens at statement or commit"],
    ["cut-after@statement", "cut-after happens at commit"],
    ["conflict@commit:0", '"0" says no occasion'],
    ["conflict@commit:101%", '"101%" says no occasion'],
    ["conflict@commit:", '"" says no occasion'],
    ["conflict@commit:1:2", "more than one occasion"],
    ["conflict@commit:times=0", "times says how often at most"],
    ["conflict@commit:label=", "label says whose connections"],
    ["latency:20ms:label=a", "it takes no more than its length"],
    ["latency@statement:20ms", "every round trip has it: write it as latency:20ms"],
    ["latency:fast", "say how long: write it as latency:20ms"]
  ]
  it.effect.each(bad)("says in one line what is wrong with %j", ([text, says]) =>
    Effect.map(Effect.flip(FaultSyntax.parse(text)), ({ message }) => {
      assert.include(message, `--fault ${JSON.stringify(text)}: `)
      assert.include(message, says)
      assert.notInclude(message, "\n")
    })
  )
})

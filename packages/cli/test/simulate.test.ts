import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { tree } from "./support/files.ts"
import { call } from "./support/program.ts"

const few = ["simulate", "--contenders", "2,4", "--runs", "2"]

describe("effect-dsql simulate", () => {
  it.live("prints a line for each number of contenders and each policy", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* call(few)
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(
        stdout
          .trimEnd()
          .split("\n")
          .map((line) => line.split(/ +/).slice(0, 2).join(" ")),
        [
          "policy contenders",
          ...[2, 4].flatMap((number) =>
            ["effect-dsql", "effect-dsql-queue", "effect-dsql-group", "aws-connector", "aws-drizzle"].map(
              (policy) => `${policy} ${number}`
            )
          )
        ]
      )
    })
  )

  it.live("prints the same for the same seed, as JSON too, and draws a chart", () =>
    Effect.gen(function* () {
      const cwd = yield* tree({ "a.txt": "" })
      const args = [...few, "--policy", "attempts=2", "--seed", "7", "--format", "json"]
      const first = yield* call([...args, "--svg", "chart.svg"], {}, { cwd })
      const second = yield* call(args)
      assert.strictEqual(first.stdout, second.stdout)
      const { outcomes, seed } = JSON.parse(first.stdout)
      assert.strictEqual(seed, "7")
      assert.deepStrictEqual(Object.keys(outcomes[0]), [
        "policy",
        "contenders",
        "processes",
        "committed",
        "gaveUp",
        "giveUpShare",
        "attemptsPerCommit",
        "p50",
        "p99",
        "finish",
        "committedAfter"
      ])
      assert.match(readFileSync(join(cwd, "chart.svg"), "utf8"), /^<svg /)
    })
  )

  it.live("spreads contenders over processes, of which there are no more than contenders", () =>
    Effect.gen(function* () {
      const flags = "--contenders 4 --processes 1,2,4,100 --runs 1 --policy queue=on --format json"
      const { code, stdout } = yield* call(["simulate", ...flags.split(" ")])
      assert.strictEqual(code, 0)
      const { outcomes } = JSON.parse(stdout)
      assert.deepStrictEqual(
        outcomes.map(({ processes }: { readonly processes: number }) => processes),
        [1, 2, 4]
      )
    })
  )

  it.live("prints how processes connect, and come back, within a budget", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* call(["simulate", "--connections", "2x5,3x5", "--budget", "12"])
      assert.deepStrictEqual([code, stderr], [0, ""])
      const [titles, enough, few] = stdout.trimEnd().split("\n")
      assert.match(titles ?? "", /^processes +connections each +open/)
      assert.match(enough ?? "", /^2 +5 +10 +\d+ ms +\d+ ms +0 +0$/)
      assert.match(few ?? "", /^3 +5 +12 +- +- +0 +[1-9]\d*$/)
    })
  )

  it.live.each([
    [["--contenders", "many"], '--contenders cannot be "many"'],
    [["--contenders", "10,"], '--contenders cannot be ""'],
    [["--processes", "0"], '--processes cannot be "0"'],
    [["--latency", "0"], '--latency cannot be "0"'],
    [["--connections", "20"], '--connections cannot be ""'],
    [["--connections", "2x3", "--budget", "none"], '--budget cannot be "none"'],
    [["--runs", "1.5"], '--runs cannot be "1.5"'],
    [["--policy", "aws"], '"aws" is not a policy: it is one of effect-dsql, effect-dsql-queue'],
    [["--contenders", "2", "--runs", "1", "--svg", "missing/chart.svg"], "missing/chart.svg"],
    [["--endpoint", "localhost"], "simulate"]
  ] as const)("says in one line what is wrong with %j, and ends with 2", ([args, says]) =>
    Effect.gen(function* () {
      const ended = yield* call(["simulate", ...args])
      assert.deepStrictEqual([ended.code, ended.stdout], [2, ""])
      assert.match(ended.stderr, /^error: [^\n]+\n$/)
      assert.include(ended.stderr, says)
    })
  )
})

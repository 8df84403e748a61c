/**
 * The figures of `docs/retrying.md` are those that its first command prints, and show what it says of them. The other
 * commands of the page run.
 */
import { Contention, Table } from "@effect-dsql/simulator"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { tree } from "../packages/cli/test/support/files.ts"
import { call } from "../packages/cli/test/support/program.ts"
import { blocksOf, read } from "./pages.ts"

const page = read("docs/retrying.md")

const decode = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ outcomes: Schema.Array(Contention.Outcome) }))
)

/** Types a command of one line. */
const typed = (command: string, cwd?: string) =>
  Effect.gen(function* () {
    const [name, ...args] = command.split(" ")
    assert.strictEqual(name, "effect-dsql")
    const ended = yield* call(args, {}, cwd === undefined ? {} : { cwd })
    assert.deepStrictEqual([ended.code, ended.stderr], [0, ""], command)
    return ended
  })

describe("docs/retrying.md", () => {
  const [first = "", ...others] = blocksOf(page).flatMap(({ language, text }) =>
    language === "sh" ? [text.trim()] : []
  )

  it.live(
    "shows what its first command prints and draws, and that the default gives up less and tries less",
    () =>
      Effect.gen(function* () {
        const cwd = yield* tree({})
        const { outcomes } = decode((yield* typed(`${first} --format json --svg contention.svg`, cwd)).stdout)
        assert.include(page, Table.render(outcomes))
        assert.strictEqual(read("docs/contention.svg"), readFileSync(join(cwd, "contention.svg"), "utf8"))
        for (const [contenders, share] of [
          [10, 0],
          [100, 0.01]
        ] as const) {
          const [own, ...rest] = outcomes.filter((outcome) => outcome.contenders === contenders)
          assert.isDefined(own)
          assert.isAtMost(own.giveUpShare, share)
          for (const other of rest) {
            assert.isBelow(own.attemptsPerCommit, other.attemptsPerCommit, other.policy)
            assert.isBelow(own.giveUpShare, other.giveUpShare, other.policy)
          }
        }
      }),
    120_000
  )

  it.live.each(others)("has a command that runs as it is written: %s", (command) => typed(command), 120_000)
})

/**
 * The figures of `docs/retrying.md` are those that its commands print, and show what it says of them. What takes a minute,
 * a thousand contenders, is looked at where it takes seconds.
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

const commands = blocksOf(page).flatMap(({ language, text }) => (language === "sh" ? [text.trim()] : []))

/** The commands whose results stand on the page, and the picture that shows them, if there is one. */
const shown = commands.filter((command) => /--contenders 10|quota|form=/.test(command))

const pictureOf = (command: string) => {
  const [, contenders = ""] = /--contenders (\d+) --processes/.exec(command) ?? []
  return contenders === "" ? undefined : `contention-${contenders}.svg`
}

describe("docs/retrying.md", () => {
  it.live.each(shown)("shows what a command prints and draws: %s", (command) =>
    Effect.gen(function* () {
      const cwd = yield* tree({})
      const { outcomes } = decode((yield* typed(`${command} --format json --svg drawn.svg`, cwd)).stdout)
      assert.include(page, Table.render(outcomes))
      const picture = pictureOf(command)
      if (picture === undefined) return
      assert.include(page, `](${picture})`)
      assert.strictEqual(read(`docs/${picture}`), readFileSync(join(cwd, "drawn.svg"), "utf8"))
      for (const processes of new Set(outcomes.map((outcome) => outcome.processes))) {
        const of = (policy: string) => {
          const found = outcomes.find((outcome) => outcome.policy === policy && outcome.processes === processes)
          assert(found !== undefined)
          return found
        }
        for (const own of ["effect-dsql", "effect-dsql-queue", "effect-dsql-group"].map(of)) {
          assert.strictEqual(own.gaveUp, 0)
          for (const other of ["aws-connector", "aws-drizzle"].map(of)) {
            assert.isBelow(own.attemptsPerCommit, other.attemptsPerCommit)
            assert.isBelow(own.giveUpShare, other.giveUpShare)
          }
        }
      }
    })
  )

  it.live("shows what becomes of a thousand", () =>
    Effect.gen(function* () {
      const own = "--policy effect-dsql-queue --policy effect-dsql-group"
      const command = `effect-dsql simulate --contenders 1000 --processes 1,10 --runs 1 ${own}`
      const { outcomes } = decode((yield* typed(`${command} --format json`)).stdout)
      const [, ...lines] = Table.render(outcomes).split("\n")
      const squeezed = page.replaceAll(/ +/g, " ")
      for (const line of lines) assert.include(squeezed, line.replaceAll(/ +/g, " "))
    })
  )

  it.live.each(commands.filter((command) => !shown.includes(command)))(
    "has a command that runs as it is written: %s",
    (command) => typed(command)
  )
})

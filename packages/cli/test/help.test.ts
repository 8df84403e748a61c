import { Cli } from "@effect-dsql/cli"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { CliOutput, type HelpDoc } from "effect/cli"
import { relevant, wrapped } from "../src/internal/help.ts"

/** What the help of a command is made of. */
const helpOf = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const docs: Array<HelpDoc.HelpDoc> = []
    const presenter: CliOutput.Presenter = {
      present: (event) => Effect.sync(() => void (event._tag === "Help" && docs.push(event.helpDoc)))
    }
    yield* Effect.provide(Cli.run([...args, "--help"]), [CliOutput.layerPresenter(presenter), NodeServices.layer])
    const [doc] = docs
    assert(doc !== undefined)
    return relevant(doc)
  })

const { formatHelpDoc } = CliOutput.defaultFormatter({ colors: false })

const words = (text: string) => text.split(/\s+/)

describe("help", () => {
  const cases = [40, 80, 100].flatMap((columns) => [[], ["setup-schema"], ["lint"]].map((args) => ({ columns, args })))
  it.effect.each(cases)("breaks no word in a terminal of $columns columns: $args", ({ args, columns }) =>
    Effect.gen(function* () {
      const help = formatHelpDoc(yield* helpOf(...args))
      const lines = wrapped(help, columns).split("\n")
      // A broken example has a sign more for each of its lines.
      const read = (text: string) => words(text).filter((word) => word !== "#" && word !== "\\")
      assert.deepStrictEqual(read(lines.join("\n")), read(help))
      // A word that is longer than the terminal stands alone.
      assert.deepStrictEqual(
        lines.filter((line) => line.length > columns && words(line.trim()).length > 1),
        []
      )
    })
  )

  it("keeps the descriptions of a table below each other", () => {
    const table = "  --at date    The day of the service whose rules apply\n  --all        All"
    assert.strictEqual(
      wrapped(table, 50),
      "  --at date    The day of the service whose rules\n               apply\n  --all        All"
    )
  })

  it("breaks an example so that it can still be typed, and a comment so that it stays one", () => {
    const help = "EXAMPLES\n  # Start it over from nothing\n  effect-dsql setup-schema --overwrite --yes"
    assert.strictEqual(
      wrapped(help, 24),
      [
        "EXAMPLES",
        "  # Start it over from",
        "  # nothing",
        "  effect-dsql \\",
        "    setup-schema \\",
        "    --overwrite --yes"
      ].join("\n")
    )
  })

  it.effect("keeps the descriptions of commands with two names below the others", () =>
    Effect.gen(function* () {
      const lines = formatHelpDoc(yield* helpOf()).split("\n")
      const rows = lines.slice(lines.indexOf("SUBCOMMANDS") + 1).filter((line) => line.startsWith("  "))
      assert.isAbove(rows.length, 10)
      assert.lengthOf(new Set(rows.map((row) => /^ +\S+ +/.exec(row)?.[0].length)), 1)
      assert.include(rows.join("\n"), "also setup")
    })
  )

  it.effect.each([
    { command: "lint", taken: [] },
    { command: "simulate", taken: [] },
    { command: "dev", taken: ["port", "db-name"] },
    { command: "tail", taken: [] }
  ])("of $command lists no flag that leads to a database and is refused", ({ command, taken }) =>
    Effect.gen(function* () {
      const { inheritedFlags = [] } = yield* helpOf(command)
      const names = inheritedFlags.map(({ name }) => name).toSorted()
      assert.deepStrictEqual(names, [...taken, "format", "quiet", "verbose", "color"].toSorted())
    })
  )
})

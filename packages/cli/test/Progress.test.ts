import { Output, Progress } from "@effect-dsql/cli"
import { Event } from "@effect-dsql/schema"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const location = "a.sql:1"
const summary = "CREATE INDEX i"
const building = (status: "processing" | "completed", elapsed: number) =>
  Event.Event.Building({ location, summary, job: "j", status, elapsed })

const run: ReadonlyArray<Event.Event> = [
  Event.Event.Applied({ location: "a.sql:0", summary: "CREATE TABLE t" }),
  Event.Event.Waiting({ location, summary, job: "j" }),
  building("processing", 0),
  building("processing", 5_000),
  building("processing", 12_000),
  building("processing", 15_000),
  building("completed", 23_000),
  Event.Event.Applied({ location, summary })
]

const shown = (isTerminal: boolean) =>
  Effect.gen(function* () {
    const written: Array<string> = []
    const follow = Progress.make({
      isTerminal,
      paint: Output.painter(false),
      write: (text) => void written.push(text)
    })
    yield* Effect.forEach(run, follow)
    return written
  })

describe("Progress", () => {
  it.effect("draws a bar over itself while an index is built on a terminal", () =>
    Effect.map(shown(true), (written) => {
      assert.deepStrictEqual(written.slice(0, 3), [
        "ran       CREATE TABLE t\n",
        "\r\u001b[K[====                ] CREATE INDEX i: processing, 0 s",
        "\r\u001b[K[            ====    ] CREATE INDEX i: processing, 5 s"
      ])
      assert.strictEqual(written.at(-1), "\r\u001b[Kran       CREATE INDEX i\n")
    })
  )

  it.effect("writes a line now and then where there is no terminal", () =>
    Effect.map(shown(false), (written) =>
      assert.deepStrictEqual(written, [
        "building  CREATE INDEX i: job j\n",
        "building  CREATE INDEX i: processing, 12 s\n",
        "building  CREATE INDEX i: completed, 23 s\n",
        "built     CREATE INDEX i\n"
      ])
    )
  )
})

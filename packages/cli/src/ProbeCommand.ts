/**
 * `probe`: whether a server answers what the toolkit relies on.
 *
 * @since 0.1.0
 * @stability unstable
 */
import { Command, Flag } from "effect/cli"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { randomBytes } from "node:crypto"
import * as Connection from "./Connection.ts"
import { ExitCode } from "./ExitCode.ts"
import { InvalidUsage } from "./Failure.ts"
import * as Files from "./internal/files.ts"
import type { Asked } from "./internal/probe/asking.ts"
import * as Json from "./Json.ts"
import * as Output from "./Output.ts"
import * as Root from "./Root.ts"
import * as Stop from "./Stop.ts"

type Probing = typeof Json.Probing.Type

/**
 * Prints a `Json.Probing`, as text a table of what differs. It ends with 1 where something does.
 *
 * @since 0.1.0
 * @category commands
 */
export const probe = Command.make(
  "probe",
  {
    replay: Flag.String("replay").pipe(
      Flag.withMetavar("file"),
      Flag.withDescription("Ask the questions of a recording instead, and expect its answers"),
      Flag.optional
    ),
    quick: Flag.Boolean("quick").pipe(
      Flag.withDescription("Ask only what the toolkit itself sends and relies on"),
      Flag.withDefault(false)
    ),
    record: Flag.String("record").pipe(
      Flag.withMetavar("file"),
      Flag.withDescription("Write the answers as a recording, one question a line"),
      Flag.optional
    ),
    seconds: Flag.Int("seconds").pipe(
      Flag.withDescription("Ask no further question after so long [default: 600]"),
      Flag.withDefault(600)
    )
  },
  Effect.fnUntraced(function* ({ quick, record, replay, seconds }) {
    const shared = yield* Root.shared
    const settings = pipelined(yield* Connection.settings(shared))
    if (seconds < 1) return yield* new InvalidUsage({ message: `--seconds ${seconds} is no time: give 1 or more` })
    const Questions = yield* Effect.promise(() => import("./internal/probe/questions.ts"))
    const { question } = yield* Effect.promise(() => import("./internal/probe/recording.ts"))
    const { Recording } = yield* Effect.promise(() => import("@effect-dsql/dialect"))
    const { askAll } = yield* Effect.promise(() => import("./internal/probe/asking.ts"))
    const Engine = yield* Effect.promise(() => import("@effect-dsql/schema/Engine"))
    const questions = Option.isSome(replay)
      ? yield* Questions.recorded(replay.value)
      : [...Questions.own, ...(quick ? [] : yield* Questions.known)]
    const schema = `effect_dsql_probe_${randomBytes(6).toString("hex")}`
    const { asked, engine, left } = yield* Connection.run(
      settings,
      Effect.gen(function* () {
        const engine = yield* Engine.read
        // On plain PostgreSQL sessions wait for each other; a cluster is far away and nobody waits there.
        const patience = engine === "dsql" ? Duration.seconds(30) : Duration.millis(300)
        const begun = shared.quiet
          ? Effect.void
          : Console.error(`asking ${questions.length} questions in schema ${schema}, which goes afterwards`)
        const answered = yield* askAll(questions, { schema, time: Duration.seconds(seconds), patience }, begun)
        return { engine, ...answered }
      })
    )
    if (Option.isSome(record)) {
      const answered = asked.flatMap(({ answers, probe }) => (answers === undefined ? [] : question(probe, answers)))
      yield* Files.write(record.value, Recording.format(answered))
    }
    const found: Probing = {
      target: Connection.address(settings),
      engine,
      asked: asked.filter(({ answers }) => answers !== undefined).length,
      unasked: asked.filter(({ answers }) => answers === undefined).map(({ probe }) => probe.id),
      differences: asked.flatMap(differences),
      left: left ? schema : null
    }
    yield* Output.print(shared, Json.Probing, found, (paint) => text(found, paint))
    if (found.differences.length > 0 || found.unasked.length > 0 || found.left !== null) {
      return yield* new Stop.Stop({ exitCode: ExitCode.failed })
    }
  })
).pipe(
  Command.withDescription(`Ask a cluster, an emulator or a server whether it answers what the toolkit relies on: each shape of statement that
  it sends, the conflict matrix with two sessions, write skew, a schema that changes; then what a cluster was recorded
  to answer, and what else is known of clusters. In a schema of its own, which is dropped again, whatever ends it; the
  role must be allowed to create one. At most 10,000 rows are kept meanwhile, 300 with --quick.`),
  Command.withShortDescription("Ask whether a server answers what the toolkit relies on, in a schema of its own"),
  Command.withExamples([
    {
      command: "effect-dsql probe --endpoint abc.dsql.us-east-1.on.aws",
      description: "Does my cluster do what is promised of it?"
    },
    { command: "effect-dsql probe --quick", description: "Only what the toolkit itself sends and relies on" },
    { command: "effect-dsql probe --record answers.jsonl", description: "Keep what it answered" }
  ])
)

/** What is asked is whether it may be so. */
const pipelined = (settings: Connection.Settings): Connection.Settings =>
  settings._tag === "Cluster"
    ? { ...settings, options: { ...settings.options, pipeline: "on", streams: "pages" } }
    : { ...settings, options: { ...settings.options, pipeline: "on", streams: "pages" } }

const differences = ({ different, probe }: Asked) =>
  different.map(({ expected, found, statement }) => ({
    id: probe.id,
    group: probe.group,
    asks: probe.asks,
    statement,
    expected,
    found
  }))

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim()

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 59)}…` : text)

const text = ({ asked, differences, left, target, unasked }: Probing, paint: Output.Paint): string => {
  const rows = differences.map(({ expected, found, id, statement }) => [
    paint("bad", "differs"),
    id,
    shortened(oneLine(statement)),
    `expected ${oneLine(expected)}`,
    oneLine(found)
  ])
  const different = new Set(differences.map(({ id }) => id)).size
  return [
    ...(rows.length === 0 ? [] : [Output.aligned(rows)]),
    ...(unasked.length === 0 ? [] : [`not asked, the time was over: ${unasked.join(", ")}`]),
    ...(left === null ? [] : [`schema ${left} could not be dropped: DROP SCHEMA ${left} CASCADE`]),
    `${target}: ${Output.counted(asked, "question")}, ${different} answered differently`
  ].join("\n")
}
